"""The review queue as admins see it: pure functions from its rows to Block Kit."""

import re
from collections.abc import Sequence
from typing import Any

from bot.feedback.complaints import REASONS, DocumentsToFix
from bot.feedback.review import QueuedAnswer, ReviewedAnswer, ReviewedPassage, Verification, VerifiedAnswer
from bot.slack.blocks import (
    DIVIDER,
    Block,
    actions,
    amount,
    button,
    confirmation,
    context,
    field,
    modal,
    section,
    shortened,
    text_input,
)
from bot.slack.mrkdwn import escape, fitting, plain, to_mrkdwn

REVIEW = "review"  # callback id of the form that approves
QUEUE = "review_queue"  # of the modal that lists what waits
OPEN, REJECT, FIXED, WITHDRAW = "review_open", "review_reject", "documents_fixed", "verified_withdraw"  # of buttons
APPROVE_REPLY = "reply_approve"  # of the button that makes an expert's reply known to all who could read it
LINE_LIMIT = 150  # characters of a question in a list
QUESTION_LIMIT = 500
TEXT_LIMIT = 3000  # characters of the approved answer; Slack's for an input

_MARKS = re.compile(r"^>[ ]?|[ ]*\[\d+\]", re.MULTILINE)

EMPTY = "Nothing waits for review. :sparkles:"
NOT_FOR_YOU = (
    "This answer rests on documents that are not for everybody, and I do not know that you may read them. An admin who "
    "may can judge it."
)
NO_SUCH_ANSWER = "This answer was deleted, so there is nothing to judge any more."
NOT_SAVED = "I cannot reach my database, so this was not saved. Please send it again in a minute."
FAILED = "This was not saved: something failed on my side, and my log says what. Please send it again."
REJECTED = "Rejected: it is off the queue, and nothing is learnt from it."
DECIDED = "Somebody else has judged it already: it is off the queue."
NO_SUCH_REPLY = (
    "This reply cannot be approved: it was approved or taken back already, or its question was deleted, and then it "
    "can only be taken back."
)
NOT_APPROVED = "This was not approved: something failed on my side, and my log says what. Please press it again."
AWAITS = "Saved by somebody whom no admin named an expert: found in its channel alone, with nothing learnt from it."
WITHOUT_TEXT = "Write the answer that people are to get."


def queue_modal(waiting: Sequence[QueuedAnswer], verified: Sequence[VerifiedAnswer]) -> Block:
    """Builds what `/journeyman review` opens: the queue, and below it what was approved."""
    return modal("Review", [*queue_blocks(waiting), *verified_blocks(verified)], callback_id=QUEUE)


def queue_blocks(waiting: Sequence[QueuedAnswer]) -> list[Block]:
    """Builds one line for each answer that waits, with a button to judge it."""
    if not waiting:
        return [section(EMPTY)]
    more = waiting[0].waiting - len(waiting)
    return [*map(_queued, waiting), *([context(f"and {more} more")] if more > 0 else [])]


def verified_blocks(verified: Sequence[VerifiedAnswer]) -> list[Block]:
    """Lists what people get as verified answers, each with a button that takes it back."""
    if not verified:
        return []
    more = verified[0].total - len(verified)
    rest = [context(f"and {more} more")] if more > 0 else []
    return [
        DIVIDER,
        section("*Verified answers*"),
        *(block for item in verified for block in _vouched(item)),
        *rest,
    ]


def judge_modal(item: ReviewedAnswer) -> Block:
    """Builds the form that shows everything about one answer, and takes the text that people get from now on."""
    corrections = [complaint.correction for complaint in item.complaints if complaint.correction]
    draft = (corrections or [_without_marks(item.text)])[-1]
    question = text_input(QUESTION_LIMIT, initial_value=item.standalone[:QUESTION_LIMIT])
    answer = text_input(TEXT_LIMIT, initial_value=draft[:TEXT_LIMIT])
    blocks = [
        *_evidence(item),
        *_for_whom(item.collections),
        field("question", "The question that it answers, as everybody will read it", question),
        field("answer", "The answer that people get from now on", answer),
        actions(button("Reject", REJECT, str(item.answer_id), style="danger")),
    ]
    return modal(
        "Is this right?",
        blocks,
        close="Not now",
        submit="Approve",
        callback_id=REVIEW,
        private_metadata=str(item.answer_id),
    )


def outcome_modal(text: str) -> Block:
    """Builds a modal that says what became of a review; the text is ours, or was escaped."""
    return modal("Review", [section(text)])


def approved(verified: Verification) -> str:
    """Says what an approval did."""
    return (
        f":white_check_mark: Approved. Whoever asks “{_title(verified.question)}” finds it from now on, marked "
        f"as _Verified answer {plain(verified.name)}_. It is also an example for the next round of fine-tuning."
    )


def to_fix_blocks(items: Sequence[DocumentsToFix]) -> list[Block]:
    """Lists the documents to fix, each with a button for when they are fixed."""
    if not items:
        return [section("No documents to fix.")]
    more = items[0].waiting - len(items)
    return [*map(_to_fix, items), *([context(f"and {more} more")] if more > 0 else [])]


def text_of(view: dict[str, Any], name: str = "answer") -> str:
    """Reads the answer, or the `question`, as the reviewer left it in the form."""
    return str(view["state"]["values"].get(name, {}).get(name, {}).get("value") or "").strip()


def _queued(item: QueuedAnswer) -> Block:
    reasons = ", ".join(REASONS[reason].lower() for reason in item.reasons)
    people = "1 person" if item.people == 1 else f"{item.people} people"
    proposal = " · with the right answer" if item.corrected else ""
    line = section(f"*{_title(item.question)}*\n{reasons} · {people}{proposal} · {item.asked_at:%Y-%m-%d}")
    return {**line, "accessory": button("Judge", OPEN, str(item.answer_id))}


def _vouched(item: VerifiedAnswer) -> list[Block]:
    by = f"<@{item.verified_by}>, " if item.verified_by else ""
    text = plain(shortened(item.text, 300))
    line = section(f"*{_title(item.question)}*\n{text}\n_{by}{item.verified_at:%Y-%m-%d}_")
    confirm = confirmation(
        "Take it back?",
        "Nobody finds this answer any more, and the next round of fine-tuning does not learn from it.",
        "Take it back",
        "Keep",
        style="danger",
    )
    take_back = button("Take back", WITHDRAW, str(item.number), confirm=confirm)
    if not item.awaits_admin:
        return [{**line, "accessory": take_back}]
    approve = button("Approve for everybody", APPROVE_REPLY, str(item.number), style="primary")
    return [line, context(AWAITS), actions(approve, take_back)]


def _to_fix(item: DocumentsToFix) -> Block:
    reasons = ", ".join(REASONS[reason].lower() for reason in item.reasons)
    names = [plain(name) for name in item.documents]
    if item.withheld:
        names.append(f"{amount(item.withheld, 'document')} that you may not read")
    where = "; ".join(names) or "no document says it"
    origin = f"{reasons} · {item.people}× · asked: “{_title(item.question)}”"
    line = section(f"*{fitting(where, 2000)}*\n{origin}")
    return {**line, "accessory": button("Fixed", FIXED, str(item.answer_id))}


def _evidence(item: ReviewedAnswer) -> list[Block]:
    answer = fitting(to_mrkdwn(item.text)) or "_There was none._"
    opinions = [
        f"<@{complaint.person}>: {REASONS[complaint.reason].lower()}"
        + (f" — {plain(shortened(complaint.correction, 600))}" if complaint.correction else "")
        for complaint in item.complaints
    ]
    blocks = [
        section(f"*Asked on {item.asked_at:%Y-%m-%d}*\n{escape(shortened(item.question, 1000))}"),
        section(f"*Answered* ({item.up} :thumbsup: {item.down} :thumbsdown:)"),
        section(answer),
        DIVIDER,
    ]
    if opinions:
        blocks.append(section(fitting("*What people say*\n" + "\n".join(opinions))))
    return [*blocks, context("*Passages that it was written from*"), *map(_passage, item.passages)]


def _passage(passage: ReviewedPassage) -> Block:
    where = " › ".join(plain(part) for part in (passage.title, passage.heading) if part)
    text = "_no longer in the index_" if passage.text is None else plain(shortened(passage.text, 600))
    return context(fitting(f"*{where}*\n{text}"))


def _without_marks(text: str) -> str:
    """Returns an answer's words without block quotes and numbers of sources, which a verified answer does not have."""
    return _MARKS.sub("", text).strip()


def _for_whom(collections: Sequence[str]) -> list[Block]:
    whom = f"those who may read {' and '.join(map(plain, collections))}" if collections else "all members"
    return [context(fitting(f"What you approve will be found by {whom}."))]


def _title(question: str) -> str:
    return plain(shortened(question, LINE_LIMIT))
