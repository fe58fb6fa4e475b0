"""`/ask`, and the message shortcut "Ask Journeyman about this": questions whose asker alone sees the answer.

They see it wherever they are: through the response URL that Slack hands out for the command, which works in channels
without the bot, too, else as an ephemeral message, else in a direct message.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg import Connection
from slack_bolt import Ack, App, Respond

from bot.questions import views
from bot.questions.answering import start
from bot.questions.answers import begin_answer
from bot.questions.channels import channel_settings
from bot.questions.in_flight import PendingAnswer
from bot.questions.limits import check_limits
from bot.questions.replies import PrivateReply, Send, ephemerally
from bot.runtime import ACK_TIMEOUT, Runtime
from bot.slack.events import Post, clean_text, kind_of
from bot.slack.workspace import SLACK_ERRORS, error_code
from retrieval.answering.answer import Question

log = structlog.get_logger(__name__)

SHORTCUT = "ask_about_message"
USAGE = "Write your question after the command, for example `/ask what does alarm 4 mean?`. You alone see the answer."
NO_WORDS = "There are no words in that message that I could look for in the documents."


@dataclass(frozen=True, slots=True)
class PrivateQuestion:
    """A question for its asker's eyes; `about_ts` is the thread that it is about, if any.

    `response_url` is where Slack takes what the asker is to see, for half an hour and five times.
    """

    channel: str
    person: str
    text: str
    about_ts: str | None = None
    response_url: str | None = None


def register(app: App, runtime: Runtime) -> None:
    """Registers the shortcut; the command is registered with the others."""
    app.message_shortcut(SHORTCUT)(partial(on_shortcut, runtime=runtime))


def on_ask(ack: Ack, command: dict[str, Any], *, runtime: Runtime) -> None:
    """Acknowledges `/ask QUESTION` with the question, which Slack shows nowhere else, once it is kept."""
    text = clean_text(str(command.get("text") or ""), runtime.identity)
    question = PrivateQuestion(
        str(command["channel_id"]), str(command["user_id"]), text, response_url=command.get("response_url")
    )
    pending = USAGE if kind_of(text) == "empty" else _begin(question, runtime)
    if isinstance(pending, str):
        ack(pending)
        return
    ack(views.asked_privately(text))
    start(pending, runtime)


def on_shortcut(ack: Ack, body: dict[str, Any], *, runtime: Runtime) -> None:
    """Asks with the words of the message in whose menu the shortcut was used."""
    message = body.get("message") or {}
    text = clean_text(str(message.get("text") or ""), runtime.identity)
    about = message.get("thread_ts") or message.get("ts")
    question = PrivateQuestion(body["channel"]["id"], body["user"]["id"], text, about, body.get("response_url"))
    pending = NO_WORDS if kind_of(text) == "empty" else _begin(question, runtime)
    ack()
    if isinstance(pending, str):
        tell_asker(question, pending, runtime)
        return
    tell_asker(question, views.asked_privately(text), runtime)
    start(pending, runtime)


def private_reply(question: PrivateQuestion, answer_id: UUID, runtime: Runtime) -> PrivateReply:
    """Shows the answer to its asker alone, with a button to share it."""
    send = _sender(question, runtime)
    return PrivateReply(runtime.client, question.channel, question.person, send, str(answer_id))


def tell_asker(question: PrivateQuestion, text: str, runtime: Runtime) -> None:
    """Shows a text to the asker alone. Never raises."""
    try:
        _sender(question, runtime)({"text": text})
    except SLACK_ERRORS as error:
        log.error("asker_not_told", channel=question.channel, error=error_code(error))


def responder(question: PrivateQuestion) -> Respond | None:
    """Returns what posts through the response URL; None where there is none."""
    return Respond(response_url=question.response_url) if question.response_url else None


def post_of(question: PrivateQuestion, thread_ts: str, runtime: Runtime) -> Post:
    """Returns the question as a post, which it is not in Slack, in the thread where its answer belongs."""
    return Post(
        event_id="",
        channel=question.channel,
        ts="",
        thread_ts=thread_ts,
        person=question.person,
        team_id=runtime.identity.team_id,
        direct=question.channel.startswith("D"),
    )


def _begin(private: PrivateQuestion, runtime: Runtime) -> PendingAnswer | str:
    """Begins an answer, or returns what its asker is told instead."""
    try:
        with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
            if exceeded := check_limits(conn, runtime.limits, private.person):
                return views.limit_reached(exceeded)
            return _begin_row(conn, private, runtime)
    except psycopg.Error as error:
        log.error("question_not_claimed", channel=private.channel, error=error_code(error))
        return views.NO_DATABASE


def _begin_row(conn: Connection[Any], private: PrivateQuestion, runtime: Runtime) -> PendingAnswer:
    """Begins the answer, to be searched for as the channel's settings say."""
    settings = channel_settings(conn, private.channel)
    question = Question(
        private.text, collections=settings.collections, language=settings.language, asker=private.person
    )
    answer_id = begin_answer(
        conn,
        asked_by=private.person,
        question=question,
        channel=private.channel,
        private=True,
        owner=runtime.owner,
        about_ts=private.about_ts,
        response_url=private.response_url,
    )
    if answer_id is None:
        raise RuntimeError("a question without a post cannot be in flight already")
    reply = private_reply(private, answer_id, runtime)
    return PendingAnswer(post_of(private, "", runtime), answer_id, question, reply, private=True)


def _sender(question: PrivateQuestion, runtime: Runtime) -> Send:
    """Returns what shows messages: through the response URL, which lives for half an hour, then ephemerally."""
    respond = responder(question)
    otherwise = ephemerally(runtime.client, question.channel, question.person, None)

    def send(content: Mapping[str, Any]) -> bool:
        try:
            if respond and respond(response_type="ephemeral", replace_original=False, **content).status_code == 200:
                return True
        except SLACK_ERRORS as error:
            log.warning("response_url_failed", error=error_code(error))
        return otherwise(content)

    return send
