"""What people see: pure functions from an answer's data to Block Kit messages.

Limits are Slack's: a section's text 3,000 characters, a message 50 blocks
(https://docs.slack.dev/reference/block-kit/blocks/). All text goes through `bot.slack.mrkdwn`: documents and the
model's words are data.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal
from uuid import UUID

from bot.feedback.votes import button_value
from bot.questions.limits import LimitReached
from bot.slack.blocks import DIVIDER, Block, Message, actions, amount, button, context, section, shortened
from bot.slack.events import Vote
from bot.slack.mrkdwn import escape, link, plain, split, to_mrkdwn
from retrieval.answering.answer import Source

Thumbs = Literal["native", "buttons", "none"]

TEXT_LIMIT = 3900  # of a message's own text, which chat.update refuses above 4,000
SECTIONS_PER_MESSAGE = 4  # keeps a message below Slack's limit for all its blocks together
MOST_SOURCES = 20
QUOTE_LIMIT = 600
_QUOTE_MARK = re.compile(r"^>\s?", re.MULTILINE)
THUMB_ACTIONS = ("answer_feedback", "answer_thumbs_up", "answer_thumbs_down")

SEARCHING = "is searching the documents…"
PLACEHOLDER = "_Searching the documents…_"
GREETING = "Hello! Ask me anything that our documents may answer, and I will say where it is written."
THANKS = "You're welcome! :slightly_smiling_face:"
EMPTY = "I'm here. Write your question after my name, for example “what does alarm 4 mean?”."
NO_SUCH_ANSWER = "That answer is no longer kept, so the thumb could not be counted."
VOTE_FAILED = "I cannot reach my database, so your thumb was not counted. Please press it again in a minute."
HELP = (
    "*Ask me* by mentioning me in a channel or by writing me a direct message. In a thread where I was "
    "asked, just go on asking.\nEvery answer names its sources; a :thumbsup: or :thumbsdown: tells us how "
    "good it was.\n`/ask` answers you alone, and so does _Ask Journeyman about this_ in the menu of a message; "
    "either has a button that shares the answer."
)
NO_DATABASE = "I cannot answer right now: my database does not respond. Please ask again in a few minutes."
NO_MODEL = "I cannot write an answer right now: the language model does not respond. Please ask again in a few minutes."
FAILED = "I could not finish this answer: something failed on my side, and my log says what. Please ask again."
STOPPING = "I am being restarted and had to stop here. I will begin this answer again as soon as I am back."
RESTARTED = "I was restarted in the middle of this answer, and I am sorry for that. Please ask your question again."


@dataclass(frozen=True, slots=True)
class AnswerView:
    """What people see of an answer; `answer_id` is what its thumbs are for.

    `nearest` is what search found where the documents don't say.
    """

    answer_id: UUID
    text: str
    sources: Sequence[Source]
    abstained: bool = False
    nearest: Sequence[Source] = ()


def answer_messages(answer: AnswerView, thumbs: Thumbs, *, share: str | None = None) -> list[Message]:
    """Builds the whole answer: one message, or several of which the last has the sources and thumbs.

    `share` is the value of a button for an asker who alone sees it.
    """
    sections = [section(piece) for piece in split(to_mrkdwn(answer.text))]
    pages = [sections[start : start + SECTIONS_PER_MESSAGE] for start in range(0, len(sections), SECTIONS_PER_MESSAGE)]
    pages = pages or [[]]
    pages[-1] = pages[-1] + closing_blocks(answer, thumbs) + (share_blocks(share) if share else [])
    texts = [summary(answer.text), *("(continued)" for _ in pages[1:])]
    return [Message(text, blocks) for text, blocks in zip(texts, pages, strict=True)]


def closing_blocks(answer: AnswerView, thumbs: Thumbs) -> list[Block]:
    """Builds what stands below an answer: its sources, or what is nearest and a way to people, and the thumbs."""
    below = nearest_blocks(answer) if answer.abstained else source_blocks(answer)
    return below + thumb_blocks(answer.answer_id, thumbs)


def nearest_blocks(answer: AnswerView) -> list[Block]:
    """Lists the passages nearest to a question that the documents don't answer, with a button to ask a person."""
    listed = [_source_block(answer, source, f"• {_place(source)}") for source in answer.nearest]
    title = [DIVIDER, context("*Nearest passages*")] if listed else []
    return [*title, *listed, actions(button("Ask a person", "ask_person", str(answer.answer_id)))]


def share_blocks(value: str) -> list[Block]:
    """Builds the button by which the asker of a private answer shares it."""
    return [actions(button("Share in channel", "share_answer", value))]


def source_blocks(answer: AnswerView) -> list[Block]:
    """Lists the numbered sources; a quote that the answer's text already holds is not said twice."""
    sources = answer.sources
    if not sources:
        return []
    listed = [_source_block(answer, source, _source(source, answer.text)) for source in sources[:MOST_SOURCES]]
    more = len(sources) - MOST_SOURCES
    rest = [context(f"and {more} more")] if more > 0 else []
    return [DIVIDER, context("*Sources*"), *listed, *rest]


def thumb_blocks(answer_id: UUID, thumbs: Thumbs) -> list[Block]:
    """Builds Slack's own feedback buttons, or plain ones where a workspace does not know them yet."""
    if thumbs == "native":
        element = {
            "type": "feedback_buttons",
            "action_id": "answer_feedback",
            "positive_button": _thumb("Good answer", "This answer helped", answer_id, 1),
            "negative_button": _thumb("Bad answer", "This answer is wrong or did not help", answer_id, -1),
        }
        return [{"type": "context_actions", "elements": [element]}]
    if thumbs == "buttons":
        up = {"type": "button", "action_id": "answer_thumbs_up"}
        down = {"type": "button", "action_id": "answer_thumbs_down"}
        up |= _thumb(":thumbsup:", "This answer helped", answer_id, 1)
        down |= _thumb(":thumbsdown:", "This answer is wrong or did not help", answer_id, -1)
        return [actions(up, down)]
    return []


def without_blocks(message: Message) -> Message:
    """Returns the same words as text alone, for a Slack that refuses our blocks."""
    sections = [block["text"]["text"] for block in message.blocks if block["type"] == "section"]
    return Message(summary("\n".join(sections) or message.text, converted=True), [])


def partial_message(text: str) -> Message:
    """Builds an answer that is still being written, as far as one message can hold it."""
    pieces = list(split(to_mrkdwn(text)))[:SECTIONS_PER_MESSAGE]
    return Message(summary(text), [section(piece) for piece in pieces])


def stopped_message(text: str, reason: str) -> Message:
    """Builds what there was of an answer, and says why there is no more of it."""
    partial = partial_message(text)
    blocks = [*partial.blocks, section(f":warning: {escape(reason)}")]
    return Message(summary(f"{text}\n{reason}" if text else reason), blocks)


def vote_counted(value: Vote) -> str:
    """Says to the voter alone that the vote counts."""
    return "Counted: :thumbsup: Thank you!" if value == 1 else "Counted: :thumbsdown: Thank you, we will look into it."


def summary(text: str, *, converted: bool = False) -> str:
    """Returns a message's own text: the answer in mrkdwn, cut to what Slack takes."""
    return next(split(text if converted else to_mrkdwn(text), TEXT_LIMIT), "…")


def age(modified: str | None, today: date | None = None) -> str:
    """Says how long ago a document was changed; empty where that is not known."""
    if modified is None:
        return ""
    days = ((today or datetime.now(UTC).date()) - date.fromisoformat(modified)).days
    for unit, length in (("year", 365), ("month", 30), ("week", 7), ("day", 1)):
        if (count := days // length) > 0:
            return f"updated {amount(count, unit)} ago"
    return "updated today"


def limit_reached(limit: LimitReached) -> str:
    """Says which limit is reached, and when the person may ask again, in their own time zone."""
    when = limit.again_at.astimezone(UTC)
    again = f"<!date^{int(when.timestamp()) + 1}^{{date_short_pretty}} at {{time}}|{when:%H:%M} UTC>"
    many = f"{amount(limit.most, 'question')} within an hour"
    if limit.person:
        return f"You have asked {many}, which is the most that I answer for one person. Please ask again {again}."
    return f"I was asked {many}, which is the most that I answer. Please ask again {again}."


def asked_privately(question: str) -> str:
    """Says to the asker at once what was asked, and that the search has begun."""
    return f"You asked: {plain(shortened(question, QUOTE_LIMIT))}\n{PLACEHOLDER}"


def asked_by(person: str, question: str) -> str:
    """Says whose question it was, above an answer that its asker shares."""
    return f"<@{person}> asked: {plain(shortened(question, QUOTE_LIMIT))}"


def reading_steps(passages: int) -> list[Block]:
    """Builds the step cards once the search is done: https://docs.slack.dev/reference/block-kit/blocks/task-card-block"""
    reading = f"Reading {amount(passages, 'passage')}"
    return [_step("search", "Searched the documents", "complete"), _step("read", reading, "in_progress")]


def writing_steps(*, waited: bool) -> list[Block]:
    """Builds the step cards with the first words of the answer; `waited` if they said how many were before."""
    steps = [_step("read", "Read the passages", "complete"), _step("write", "Writing the answer", "in_progress")]
    return [*waiting_steps(0), *steps] if waited else steps


def waiting_steps(before: int) -> list[Block]:
    """Builds the step card that says how many are before this question, or that its turn has come."""
    title = f"{amount(before, 'question')} before yours" if before else "Your turn"
    return [_step("wait", title, "in_progress" if before else "complete")]


def waiting(before: int) -> str:
    """Returns the status of a question that waits for its turn, or whose turn it is with none before it."""
    if before == 0:
        return SEARCHING
    return f"is busy: {amount(before, 'question')} before yours…"


def waiting_placeholder(before: int) -> str:
    """Returns the same as a text, where Slack has no place for a status."""
    return f"_{amount(before, 'question')} before yours…_" if before else PLACEHOLDER


def reading(passages: int) -> str:
    """Returns the status while the model reads."""
    return f"is reading {amount(passages, 'passage')}…"


def _step(step: str, title: str, status: str) -> Block:
    return {"type": "task_update", "id": step, "title": title, "status": status}


DONE_STEPS = [_step("write", "Wrote the answer", "complete")]


def _source_block(answer: AnswerView, source: Source, text: str) -> Block:
    """Builds a source with a button that shows its passage, where there is no link to follow."""
    block = section(text)
    if source.url is None and source.chunk_id is not None:
        value = f"{answer.answer_id} {source.chunk_id}"
        block["accessory"] = button("Show passage", f"show_passage_{source.number}", value)
    return block


def _source(source: Source, answer_text: str) -> str:
    quote = "" if _is_shown(source.quote, answer_text) else f"\n> {plain(shortened(source.quote, QUOTE_LIMIT))}"
    return f"*[{source.number}]* {_place(source)}{quote}"


def _place(source: Source) -> str:
    heading = f" › {plain(source.heading)}" if source.heading and source.heading != source.title else ""
    # Without a link the path is how a person finds it.
    path = f" ({plain(source.document)})" if source.url is None and source.document != source.title else ""
    changed_ago = age(source.modified)
    return f"{_titled(source)}{heading}{path}{f' · {changed_ago}' if changed_ago else ''}"


def _is_shown(quote: str, text: str) -> bool:
    """Whether each part of a quote (parts are joined with " … ") stands in the text, be it as a block quote."""
    words = " ".join(_QUOTE_MARK.sub("", text).split())
    return all(" ".join(part.split()) in words for part in quote.split(" … "))


def _titled(source: Source) -> str:
    return link(source.url, shortened(source.title or source.document, 200))


def _thumb(label: str, accessible: str, answer_id: UUID, value: Vote) -> Block:
    return {
        "text": {"type": "plain_text", "text": label},
        "accessibility_label": accessible,
        "value": button_value(answer_id, value),
    }
