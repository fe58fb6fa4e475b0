"""The other ways to answer beside `bot.questions.posting.Reply`: for one person's eyes, and to a post that did not
address us.

A private answer cannot grow before people's eyes, since Slack updates no ephemeral message: it is shown when it is
whole. A post that was not addressed to the bot gets an answer or nothing: no status, no apology, no "the documents
don't say".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.questions import views
from bot.slack.blocks import Message
from bot.slack.notify import post_direct
from bot.slack.workspace import SLACK_ERRORS, error_code, is_bad_blocks

log = structlog.get_logger(__name__)

Send = Callable[[Mapping[str, Any]], bool]
"""Shows one message to the asker alone; False if Slack did not take it, SlackApiError if it can say why."""


class AnyReply(Protocol):
    """How an answer is shown, from the first word to its end. See `bot.questions.posting.Reply`."""

    @property
    def ts(self) -> str | None: ...
    def think(self) -> None: ...
    def wait(self, before: int) -> None: ...
    def read(self, passages: int) -> None: ...
    def write(self, piece: str) -> None: ...
    def finish(self, answer: views.AnswerView) -> None: ...
    def stop(self, reason: str) -> None: ...
    def restart(self) -> None: ...
    def withdraw(self) -> None: ...


@dataclass(slots=True)
class PrivateReply:
    """An answer that its asker alone sees, with a button to share it, whose value is `share`.

    `finish` and `stop` raise one of SLACK_ERRORS when Slack takes nothing at all.
    """

    client: WebClient
    channel: str
    person: str
    send: Send
    share: str
    announced: bool = True  # the asker was told that the question is being answered
    ts: None = None
    text: str = ""
    _waits: bool = False

    def think(self) -> None:
        """Says that the question is being answered, unless the asker was told so before."""
        if not self.announced:
            self._announce(views.PLACEHOLDER)

    def wait(self, before: int) -> None:
        """Says how many questions are before this one; once, since nothing can be changed before the answer."""
        if before and not self._waits:
            self._waits = True
            self._announce(views.waiting_placeholder(before))

    def read(self, passages: int) -> None:
        """Shows nothing: a private message cannot be changed before the answer."""

    def write(self, piece: str) -> None:
        """Keeps the piece, to be shown with a reason if the answer ends early."""
        self.text += piece

    def finish(self, answer: views.AnswerView) -> None:
        """Shows all of it: several messages if it is long, the last one with sources, thumbs and the button."""
        for message in views.answer_messages(answer, "buttons", share=None if answer.abstained else self.share):
            self._show(message)

    def stop(self, reason: str) -> None:
        """Shows what there is of the answer, and why there is no more."""
        self._show(views.stopped_message(self.text, reason))

    def restart(self) -> None:
        """Forgets what was written about an earlier wording of the question."""
        self.text = ""

    def withdraw(self) -> None:
        """Does nothing: nothing was shown, so nothing is left to take away."""

    def _announce(self, text: str) -> None:
        self.announced = True
        try:
            self._send(Message(text, []))
        except SLACK_ERRORS as error:
            log.info("reply_not_announced", channel=self.channel, error=error_code(error))

    def _show(self, message: Message) -> None:
        try:
            self._send(message)
        except SlackApiError as error:
            if not is_bad_blocks(error):
                raise
            self._send(views.without_blocks(message))

    def _send(self, message: Message) -> None:
        content = {"text": message.text, "blocks": message.blocks or None}
        if self._sent(content):
            return
        # Where Slack shows the person nothing in the channel: their own conversation with the bot is private, too.
        post_direct(self.client, self.person, **content, unfurl_links=False)

    def _sent(self, content: Mapping[str, Any]) -> bool:
        try:
            return self.send(content)
        except SLACK_ERRORS as error:
            if is_bad_blocks(error):
                raise
            log.info("reply_not_shown_in_channel", channel=self.channel, error=error_code(error))
            return False


@dataclass(slots=True)
class IfAnswered:
    """Wraps the reply to a question that was asked of the whole channel: shows its answer, or nothing at all."""

    reply: AnyReply

    @property
    def ts(self) -> str | None:
        return self.reply.ts

    def think(self) -> None:
        """Shows nothing, since nobody waits for an answer."""

    def wait(self, before: int) -> None:
        """Shows nothing, since nobody waits for an answer."""

    def read(self, passages: int) -> None:
        """Shows nothing, since nobody waits for an answer."""

    def write(self, piece: str) -> None:
        """Shows nothing yet: whether it is an answer is known at its end."""

    def finish(self, answer: views.AnswerView) -> None:
        """Shows the answer, if it is one."""
        if not answer.abstained:
            self.reply.finish(answer)

    def stop(self, reason: str) -> None:
        """Shows nothing, since nobody waits for an answer."""

    def restart(self) -> None:
        """Does nothing, since nothing was shown."""

    def withdraw(self) -> None:
        """Does nothing, since nothing was shown."""


def ephemerally(client: WebClient, channel: str, person: str, thread_ts: str | None) -> Send:
    """Shows messages to one person in a channel that the bot is in."""

    def send(content: Mapping[str, Any]) -> bool:
        client.chat_postEphemeral(channel=channel, user=person, thread_ts=thread_ts, **content)
        return True

    return send
