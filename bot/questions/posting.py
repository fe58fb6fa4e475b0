"""Shows one answer in Slack while it is written: the last step of a question's journey.

There are two ways, and the first may give way to the second at any moment: the answer is streamed
(`assistant.threads.setStatus`, then the SDK's `chat_stream`), or a message is posted and updated. The whole text is
kept here, so whatever Slack refuses in between, the next update shows all of it: no word is lost and none is shown
twice.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from threading import RLock

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.web.chat_stream import ChatStream

from bot.questions import views
from bot.slack.blocks import Block, Message
from bot.slack.events import Post
from bot.slack.mrkdwn import to_markdown
from bot.slack.workspace import (
    SLACK_ERRORS,
    Capabilities,
    error_code,
    is_bad_blocks,
    is_bad_chunks,
    is_no_method,
    is_passing,
    is_unknown_method,
)

log = structlog.get_logger(__name__)

STREAM_PACE = 0.5  # seconds between appends: chat.appendStream takes about 100 a minute
UPDATE_PACE = 1.1  # seconds between updates: Slack allows about one message a second in a channel
STREAM_PIECE = 2_000  # characters of one append; Slack takes 12,000, after escaping
UPDATE_TRIES = 3
_CANNOT_UPDATE = {
    "message_not_found",
    "cant_update_message",
    "edit_window_closed",
    "streaming_state_conflict",
}


class StoppedByPerson(Exception):
    """Somebody pressed Stop below the answer. What was shown stays; no more is written."""


def _nowhere(ts: str) -> None:
    """Remembers nothing, for a reply that nobody needs to find again."""


@dataclass(slots=True)
class Reply:
    """The answer to one post, in its thread. Several threads of the process may use it: each waits for its turn.

    `ts` is the message that shows the answer, once there is one; `on_placed` is told as soon as it is known.
    `finish` and `stop` raise one of `SLACK_ERRORS` when Slack takes nothing at all, `write` and `finish`
    StoppedByPerson; nothing else raises.
    """

    client: WebClient
    capabilities: Capabilities
    post: Post
    on_placed: Callable[[str], None] = _nowhere
    ts: str | None = None
    text: str = ""
    _stream: ChatStream | None = None
    _unsent: str = field(default="", repr=False)
    _shown_at: float = float("-inf")
    _waits: str = ""
    _ended: bool = False
    _cards: bool = False  # steps are shown, and no text yet
    _written: bool = False  # steps are shown above the text
    _turn: RLock = field(default_factory=RLock, repr=False)

    def think(self) -> None:
        """Shows at once that the search has begun, in the message that another process began, if there is one."""
        with self._turn:
            if self._ended:
                return
            if self.ts is not None or not self._set_status(views.SEARCHING):
                self._try(lambda: self._show(Message(views.PLACEHOLDER, [])))

    def wait(self, before: int) -> None:
        """Says how many questions are before this one, as long as nothing of its answer is shown."""
        with self._turn:
            text = views.waiting(before)
            if self.text or self._ended or text == self._waits or not (before or self._waits):
                return
            self._waits = text
            if self._cards:
                self._show_cards(views.waiting_steps(before))
            elif not self._status(text) and self._stream is None:
                self._try(lambda: self._show(Message(views.waiting_placeholder(before), [])))

    def read(self, passages: int) -> None:
        """Says how many passages are being read."""
        with self._turn:
            if self._ended:
                return
            if not (self._streams() and self.capabilities.step_cards and self._start_cards(passages)):
                self._status(views.reading(passages))

    def _status(self, text: str) -> bool:
        return self.ts is None and self._set_status(text)

    def write(self, piece: str) -> None:
        """Adds the next piece of the answer, in Markdown, and shows it as soon as the pace allows."""
        with self._turn:
            if self._ended:
                return
            self.text += piece
            self._unsent += piece
            if self._streams():
                if self._due(STREAM_PACE):
                    self._append()
            elif self._due(UPDATE_PACE):
                self._try(lambda: self._show(views.partial_message(self.text)))

    def finish(self, answer: views.AnswerView) -> None:
        """Shows the whole answer with its sources and thumbs."""
        with self._turn:
            self._ended = True
            if not self.text:
                self.text = self._unsent = answer.text
            if self.text == answer.text and self._streams():
                self._append()
                if self._stream is not None and self._stop_stream(self._stream, answer):
                    return
            self._leave_stream()
            self._show_pages(answer)

    def stop(self, reason: str) -> None:
        """Ends without an answer: what there is of it stays, followed by the reason."""
        with self._turn:
            self._ended = True
            self._leave_stream()
            self._show(views.stopped_message(self.text, reason))

    def restart(self) -> None:
        """Begins again, for the question has changed. What was shown gives way to a placeholder."""
        with self._turn:
            self._leave_stream()
            self.text = self._unsent = self._waits = ""
            self.think()

    def withdraw(self) -> None:
        """Takes away what was shown, for the question is gone. What is still written to it is not shown any more.

        May be called again. Raises one of SLACK_ERRORS if Slack does not let us.
        """
        with self._turn:
            again, self._ended = self._ended, True
            self._leave_stream()
            if self.ts is not None:
                self.client.chat_delete(channel=self.post.channel, ts=self.ts)
                self.ts = None
            elif not again:
                self._set_status("")

    # The streamed way

    def _streams(self) -> bool:
        """Whether to stream: Slack knows how, and no message of another kind stands there already."""
        return self._stream is not None or (self.capabilities.streaming and self.ts is None)

    def _start_cards(self, passages: int) -> bool:
        """Begins the stream with its steps; False if Slack does not take them: then it begins with the text."""
        stream = self._new_stream()
        try:
            stream.append(chunks=views.reading_steps(passages))
        except SLACK_ERRORS as error:
            log.info("steps_refused", channel=self.post.channel, error=error_code(error))
            self.capabilities.streaming &= not is_unknown_method(error)
            self.capabilities.step_cards &= not is_bad_chunks(error)
            return False
        self._stream, self._cards, self._waits = stream, True, ""
        self._placed(stream.ts)
        return True

    def _show_cards(self, steps: list[Block]) -> None:
        """Shows a step's progress, as long as there is no text. If Slack refuses that, it is seen when text is sent."""
        if self._stream is not None:
            with suppress(*SLACK_ERRORS):
                self._stream.append(chunks=steps)

    def _append(self) -> None:
        stream = self._stream = self._stream or self._new_stream()
        try:
            while self._unsent:
                piece, self._unsent = self._unsent[:STREAM_PIECE], self._unsent[STREAM_PIECE:]
                text = {"type": "markdown_text", "text": to_markdown(piece)}
                steps = views.writing_steps(waited=bool(self._waits)) if self._cards else []
                stream.append(chunks=[*steps, text])
                self._written = self._written or self._cards
                self._cards = False
                self._placed(stream.ts)
        except SLACK_ERRORS as error:
            self._refused(stream, error)
            self._try(lambda: self._show(views.partial_message(self.text)))

    def _stop_stream(self, stream: ChatStream, answer: views.AnswerView) -> bool:
        """Ends the stream with the sources and the thumbs below it; False if Slack would not."""
        try:
            steps = views.DONE_STEPS if self._written else None
            self._with_thumbs(lambda thumbs: stream.stop(blocks=views.closing_blocks(answer, thumbs), chunks=steps))
        except SLACK_ERRORS as error:
            self._refused(stream, error)
            return False
        self._placed(stream.ts)
        self._stream = None
        return True

    def _new_stream(self) -> ChatStream:
        # The recipient is required in channels: https://docs.slack.dev/reference/methods/chat.startStream
        return self.client.chat_stream(
            channel=self.post.channel,
            thread_ts=self.post.thread_ts,
            recipient_team_id=self.post.team_id,
            recipient_user_id=self.post.person,
            buffer_size=1,  # the pace is kept here
        )

    def _refused(self, stream: ChatStream, error: Exception) -> None:
        """Goes on with a message that is updated; the next answers, too, if Slack knows no streams."""
        if error_code(error) == "stopped_by_user":
            raise StoppedByPerson from None
        log.info("stream_refused", channel=self.post.channel, error=error_code(error))
        if stream.ts is None and is_unknown_method(error):
            self.capabilities.streaming = False
        self._leave_stream()

    def _leave_stream(self) -> None:
        """Ends an open stream as it is, so that its message can be updated."""
        stream, self._stream = self._stream, None
        self._cards = self._written = False
        if stream is not None and stream.ts is not None:
            with suppress(*SLACK_ERRORS):  # it may have ended by itself
                self.client.chat_stopStream(channel=self.post.channel, ts=stream.ts)
            self._placed(stream.ts)

    # The way of posting and updating

    def _show_pages(self, answer: views.AnswerView) -> None:
        *before, _ = views.answer_messages(answer, "none")
        for number, message in enumerate(before):
            (self._post if number else self._show)(message)
        show_last = self._post if before else self._show
        try:
            self._with_thumbs(lambda thumbs: show_last(views.answer_messages(answer, thumbs)[-1]))
        except SlackApiError as error:
            if not is_bad_blocks(error):
                raise
            show_last(views.without_blocks(views.answer_messages(answer, "none")[-1]))

    def _show(self, message: Message) -> None:
        """Makes `message` what the answer's one message says."""
        self._shown_at = time.monotonic()
        if self.ts is None:
            self._placed(self._post(message))
            return
        try:
            self._update(self.ts, message)
        except SlackApiError as error:
            if error_code(error) not in _CANNOT_UPDATE:
                raise
            old, self.ts = self.ts, None
            self._placed(self._post(message))
            with suppress(*SLACK_ERRORS):
                self.client.chat_delete(channel=self.post.channel, ts=old)

    def _update(self, ts: str, message: Message) -> None:
        """Updates a message, and once more where the connection breaks: an update can be sent twice, a post cannot."""
        for attempt in range(1, UPDATE_TRIES + 1):
            try:
                self.client.chat_update(channel=self.post.channel, ts=ts, text=message.text, blocks=message.blocks)
                return
            except SLACK_ERRORS as error:
                if attempt == UPDATE_TRIES or not is_passing(error):
                    raise
                time.sleep(attempt)

    def _post(self, message: Message) -> str:
        response = self.client.chat_postMessage(
            channel=self.post.channel,
            thread_ts=self.post.thread_ts,
            text=message.text,
            blocks=message.blocks or None,
            unfurl_links=False,
            unfurl_media=False,
        )
        return str(response["ts"])

    # Both ways

    def _with_thumbs(self, send: Callable[[views.Thumbs], object]) -> None:
        """Sends with Slack's feedback buttons, else with plain buttons, else with none."""
        kinds: list[views.Thumbs] = ["native"] if self.capabilities.feedback_buttons else []
        for thumbs in [*kinds, "buttons"]:
            try:
                send(thumbs)
                return
            except SlackApiError as error:
                if not is_bad_blocks(error):
                    raise
                log.info("blocks_refused", channel=self.post.channel, thumbs=thumbs)
                if thumbs == "native":
                    self.capabilities.feedback_buttons = False
        send("none")

    def _set_status(self, text: str) -> bool:
        if not self.capabilities.status:
            return False
        try:
            self.client.assistant_threads_setStatus(
                channel_id=self.post.channel, thread_ts=self.post.thread_ts, status=text
            )
        except SLACK_ERRORS as error:
            self.capabilities.status = not is_unknown_method(error)
            if is_no_method(error):
                # Feedback buttons came a year after statuses: a server that takes the block without knowing it could
                # not tell us who presses them.
                self.capabilities.feedback_buttons = False
            return False
        return True

    def _placed(self, ts: str | None) -> None:
        if ts is not None and ts != self.ts:
            self.ts = ts
            self.on_placed(ts)

    def _due(self, pace: float) -> bool:
        now = time.monotonic()
        if now - self._shown_at < pace:
            return False
        self._shown_at = now
        return True

    def _try(self, show: Callable[[], None]) -> None:
        """Shows something in between. If that fails, the end shows it all."""
        try:
            show()
        except SLACK_ERRORS as error:
            log.warning("answer_not_shown_yet", channel=self.post.channel, error=error_code(error))
