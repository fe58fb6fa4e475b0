"""`/ask`, the message shortcut "Ask Journeyman about this", and the button that shares such an answer.

The asker alone sees the answer, wherever they are: through the response URL that Slack hands out for the command, which
works in channels without the bot, too, else as an ephemeral message, else in a direct message.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg import Connection
from slack_bolt import Ack, App, Respond

from bot.questions import views
from bot.questions.answering import begin
from bot.questions.answers import Shared, begin_answer, place_shared, share_answer, unshare_answer
from bot.questions.channels import channel_settings
from bot.questions.in_flight import Job
from bot.questions.limits import Exceeded, Limits, check_limits
from bot.questions.posting import Reply
from bot.questions.readers import may_read_answer, readers
from bot.questions.replies import PrivateReply, Send, ephemerally
from bot.questions.views import NO_DATABASE
from bot.runtime import ACK_TIMEOUT, INTAKE_TIMEOUT, Runtime
from bot.slack.routing import Post, clean_text, kind_of
from bot.slack.workspace import SLACK_ERRORS, error_code
from retrieval.answering.answer import Question, Source

log = structlog.get_logger(__name__)

SHORTCUT = "ask_about_message"
USAGE = "Write your question behind the command, for example `/ask what does alarm 4 mean?`. You alone see the answer."
NO_WORDS = "There are no words in that message that I could look for in the documents."
NOT_FOR_ALL = "I cannot share this here: it rests on documents that not everybody in this channel may read."
SHARED_BEFORE = "That answer has been shared already, or it is not yours to share."
NOT_SHARED = "Slack did not let me post the answer here. Invite me to the channel and try again."


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
    """The shortcut and the button; the command is registered with the others."""
    app.message_shortcut(SHORTCUT)(partial(on_shortcut, runtime=runtime))
    app.action("share_answer")(partial(on_share, runtime=runtime))


def on_ask(ack: Ack, command: dict[str, Any], *, runtime: Runtime) -> None:
    """`/ask QUESTION`: acknowledged with the question, which Slack shows nowhere else, once it is kept."""
    text = clean_text(str(command.get("text") or ""), runtime.identity)
    if kind_of(text) == "empty":
        ack(USAGE)
        return
    asked = PrivateQuestion(
        str(command["channel_id"]), str(command["user_id"]), text, response_url=command.get("response_url")
    )
    taken = _taken_on(asked, runtime)
    ack(views.asked_privately(text) if isinstance(taken, Job) else taken)
    if isinstance(taken, Job):
        begin(taken, runtime)


def on_shortcut(ack: Ack, body: dict[str, Any], *, runtime: Runtime) -> None:
    """The shortcut in a message's menu: its words are the question."""
    message = body.get("message") or {}
    text = clean_text(str(message.get("text") or ""), runtime.identity)
    about = message.get("thread_ts") or message.get("ts")
    asked = PrivateQuestion(body["channel"]["id"], body["user"]["id"], text, about, body.get("response_url"))
    taken = NO_WORDS if kind_of(text) == "empty" else _taken_on(asked, runtime)
    ack()
    _tell(asked, views.asked_privately(text) if isinstance(taken, Job) else taken, runtime)
    if isinstance(taken, Job):
        begin(taken, runtime)


def on_share(ack: Ack, body: dict[str, Any], action: dict[str, Any], *, runtime: Runtime) -> None:
    """The button below a private answer: everybody sees it from now on, and it stands where it belongs."""
    answer_id = UUID(str(action.get("value", "")).partition(" ")[0])  # older buttons say the thread, too
    asked = PrivateQuestion(body["channel"]["id"], body["user"]["id"], "", response_url=body.get("response_url"))
    try:
        with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
            shared = share_answer(conn, answer_id, asked.person, runtime.owner, asked.response_url)
    except psycopg.Error as error:
        log.error("not_shared", error=error_code(error))
        ack()
        _tell(asked, NO_DATABASE, runtime)
        return
    ack()
    if shared is None:
        _tell(asked, SHARED_BEFORE, runtime)
        return
    try:
        post_shared(shared, runtime)
    except (*SLACK_ERRORS, psycopg.Error) as error:
        log.error("not_shared", error=error_code(error))


def take_on_privately(
    conn: Connection[Any], asked: PrivateQuestion, limits: Limits, owner: int
) -> tuple[UUID, Question] | Exceeded:
    """Begins the answer, as the channel's settings say where to search; or the limit that is reached."""
    if exceeded := check_limits(conn, limits, asked.person):
        return exceeded
    settings = channel_settings(conn, asked.channel)
    question = Question(asked.text, collections=settings.collections, language=settings.language, asker=asked.person)
    answer_id = begin_answer(
        conn,
        asked_by=asked.person,
        question=question,
        channel=asked.channel,
        private=True,
        owner=owner,
        about_ts=asked.about_ts,
        response_url=asked.response_url,
    )
    if answer_id is None:
        raise RuntimeError("a question without a post cannot be underway already")
    return answer_id, question


def private_reply(asked: PrivateQuestion, answer_id: UUID, runtime: Runtime) -> PrivateReply:
    """Shows the answer to its asker alone, with a button to share it."""
    send = _sender(asked, runtime)
    return PrivateReply(runtime.client, asked.channel, asked.person, send, str(answer_id))


def post_shared(shared: Shared, runtime: Runtime) -> None:
    """Posts a shared answer and takes the private one away; tells its asker if Slack does not let us.

    Raises one of SLACK_ERRORS or psycopg.Error: then it is still to be posted.
    """
    asked = PrivateQuestion(shared.channel, shared.asked_by, "", shared.about_ts, shared.response_url)
    if not _may_share(shared, runtime):
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            unshare_answer(conn, shared.id)
        _tell(asked, NOT_FOR_ALL, runtime)
        return
    if _post(shared, asked, runtime):
        respond = _respond(asked)
        if respond is not None:
            with suppress(*SLACK_ERRORS):  # it is in the channel
                respond(delete_original=True)
        return
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        unshare_answer(conn, shared.id)
    _tell(asked, NOT_SHARED, runtime)


def _may_share(shared: Shared, runtime: Runtime) -> bool:
    """Whether all who read where it was asked, which is where it is posted, may read what the answer rests on."""
    principals = readers(runtime, shared.channel, shared.asked_by, private=False)
    with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
        return may_read_answer(conn, shared.id, principals)


def _taken_on(asked: PrivateQuestion, runtime: Runtime) -> Job | str:
    """The job, whose row is there, or what its asker is told instead."""
    try:
        with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
            taken = take_on_privately(conn, asked, runtime.limits, runtime.owner)
    except psycopg.Error as error:
        log.error("not_taken_on", channel=asked.channel, error=error_code(error))
        return NO_DATABASE
    if isinstance(taken, Exceeded):
        return views.limit_reached(taken)
    answer_id, question = taken
    reply = private_reply(asked, answer_id, runtime)
    return Job(_post_of(asked, "", runtime), answer_id, question, reply, private=True)


def _respond(asked: PrivateQuestion) -> Respond | None:
    return Respond(response_url=asked.response_url) if asked.response_url else None


def _sender(asked: PrivateQuestion, runtime: Runtime) -> Send:
    """Through the response URL, which lives for half an hour; then as an ephemeral message."""
    respond = _respond(asked)
    otherwise = ephemerally(runtime.client, asked.channel, asked.person, None)

    def send(content: Mapping[str, Any]) -> bool:
        try:
            if respond and respond(response_type="ephemeral", replace_original=False, **content).status_code == 200:
                return True
        except SLACK_ERRORS as error:
            log.warning("response_url_failed", error=error_code(error))
        return otherwise(content)

    return send


def _tell(asked: PrivateQuestion, text: str, runtime: Runtime) -> None:
    try:
        _sender(asked, runtime)({"text": text})
    except SLACK_ERRORS as error:
        log.error("not_told", channel=asked.channel, error=error_code(error))


def _post(shared: Shared, asked: PrivateQuestion, runtime: Runtime) -> bool:
    """Posts question and answer; False if Slack takes them in no way."""
    answer = views.Shown(shared.id, shared.text, [Source(**source) for source in shared.sources])
    header = views.asked_by(asked.person, shared.question)
    root: str | None = None
    answer_ts: str | None = None
    try:
        first = runtime.client.chat_postMessage(channel=asked.channel, thread_ts=asked.about_ts, text=header)
        root = asked.about_ts or str(first["ts"])
        reply = Reply(runtime.client, runtime.capabilities, _post_of(asked, root, runtime))
        reply.finish(answer)
        answer_ts = reply.ts
    except SLACK_ERRORS as error:
        log.info("not_posted", channel=asked.channel, error=error_code(error))
        if not _respond_in_channel(header, answer, _respond(asked)):
            return False
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        place_shared(conn, shared.id, root, answer_ts)
    return True


def _respond_in_channel(header: str, answer: views.Shown, respond: Respond | None) -> bool:
    """Where the bot is no member, the response URL still may post."""
    if respond is None:
        return False
    messages = views.answer_messages(answer, "buttons")
    messages[0].blocks.insert(0, views.section(header))
    try:
        sent = [
            respond(response_type="in_channel", replace_original=False, text=page.text, blocks=page.blocks)
            for page in messages
        ]
    except SLACK_ERRORS as error:
        log.warning("response_url_failed", error=error_code(error))
        return False
    return all(response.status_code == 200 for response in sent)


def _post_of(asked: PrivateQuestion, thread_ts: str, runtime: Runtime) -> Post:
    return Post(
        event_id="",
        channel=asked.channel,
        ts="",
        thread_ts=thread_ts,
        person=asked.person,
        team_id=runtime.identity.team_id,
        direct=asked.channel.startswith("D"),
    )
