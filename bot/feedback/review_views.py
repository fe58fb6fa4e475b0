"""The review queue as admins see it: pure functions from its rows to Block Kit."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from bot.feedback.complaints import REASONS, DocumentsToFix
from bot.feedback.review import QueuedAnswer, ReviewedAnswer, ReviewedPassage, Verification, VerifiedAnswer
from bot.questions.views import Block, section
from bot.slack.mrkdwn import escape, fitting, plain, to_mrkdwn

REVIEW = "review"  # callback id of the form that approves
QUEUE = "review_queue"  # of the modal that lists what waits
OPEN, REJECT, FIXED, WITHDRAW = "review_open", "review_reject", "documents_fixed", "verified_withdraw"  # of buttons
APPROVE_REPLY = "reply_approve"  # of the button that makes an expert's reply known to all who could read it
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
REJECTED = "Rejected: it is off the queue, and nobody learns from it."
DECIDED = "Somebody else has judged it already: it is off the queue."
AWAITS = "Saved by somebody whom no admin has named an expert: found in its channel alone, and not learnt from."
WITHOUT_TEXT = "Write the answer that people shall get."


def queue_modal(waiting: Sequence[QueuedAnswer], verified: Sequence[VerifiedAnswer]) -> Block:
    """What `/journeyman review` opens: what waits, and below it what was approved."""
    return {**_modal("Review", [*queue_blocks(waiting), *verified_blocks(verified)]), "callback_id": QUEUE}


def queue_blocks(waiting: Sequence[QueuedAnswer]) -> list[Block]:
    """One line for each answer that waits, with a button to judge it."""
    if not waiting:
        return [section(EMPTY)]
    more = waiting[0].waiting - len(waiting)
    return [*map(_queued, waiting), *([context(f"and {more} more")] if more > 0 else [])]


def verified_blocks(verified: Sequence[VerifiedAnswer]) -> list[Block]:
    """What people get as verified answers, each with a button that takes it back."""
    if not verified:
        return []
    more = verified[0].kept - len(verified)
    rest = [context(f"and {more} more")] if more > 0 else []
    return [
        {"type": "divider"},
        section("*Verified answers*"),
        *(block for item in verified for block in _vouched(item)),
        *rest,
    ]


def judge_modal(judged: ReviewedAnswer) -> Block:
    """Everything about one answer, and the text that people get from now on: sent as it is, or edited."""
    corrections = [said.correction for said in judged.complaints if said.correction]
    draft = (corrections or [_without_marks(judged.text)])[-1]
    return {
        **_modal(
            "Is this right?",
            [
                *_evidence(judged),
                *_for_whom(judged.collections),
                _input(
                    "question", "The question that it answers, for all who find it", judged.standalone, QUESTION_LIMIT
                ),
                _input("answer", "The answer that people get from now on", draft, TEXT_LIMIT),
                _reject_button(judged.answer_id),
            ],
        ),
        "callback_id": REVIEW,
        "private_metadata": str(judged.answer_id),
        "submit": _plain("Approve"),
        "close": _plain("Not now"),
    }


def outcome_modal(text: str) -> Block:
    """What became of it; the text is ours, or was escaped."""
    return _modal("Review", [section(text)])


def approved(verified: Verification) -> str:
    """The sentence after an approval."""
    return (
        f":white_check_mark: Approved. Whoever asks “{plain(_short(verified.question))}” finds it from now on, marked "
        f"as _Verified answer {plain(verified.name)}_; and it is an example for the next round of fine-tuning."
    )


def to_fix_blocks(found: Sequence[DocumentsToFix]) -> list[Block]:
    """The documents to fix, with a button for when they are."""
    if not found:
        return [section("No documents to fix.")]
    more = found[0].waiting - len(found)
    return [*map(_to_fix, found), *([context(f"and {more} more")] if more > 0 else [])]


def text_of(view: dict[str, Any], name: str = "answer") -> str:
    """The answer, or the `question`, as the reviewer left it."""
    return str(view["state"]["values"].get(name, {}).get(name, {}).get("value") or "").strip()


def button(text: str, action_id: str, value: str, **more: Any) -> Block:
    """A button."""
    return {"type": "button", "action_id": action_id, "text": _plain(text), "value": value, **more}


def context(mrkdwn: str) -> Block:
    """Small print."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": mrkdwn}]}


def _queued(item: QueuedAnswer) -> Block:
    said = ", ".join(REASONS[reason].lower() for reason in item.reasons)
    people = "1 person" if item.people == 1 else f"{item.people} people"
    proposal = " · with the right answer" if item.corrected else ""
    line = section(f"*{plain(_short(item.question))}*\n{said} · {people}{proposal} · {item.asked_at:%Y-%m-%d}")
    return {**line, "accessory": button("Judge", OPEN, str(item.answer_id))}


def _vouched(item: VerifiedAnswer) -> list[Block]:
    by = f"<@{item.verified_by}>, " if item.verified_by else ""
    line = section(
        f"*{plain(_short(item.question))}*\n{plain(_short(item.text, 300))}\n_{by}{item.verified_at:%Y-%m-%d}_"
    )
    confirm = {
        "title": _plain("Take it back?"),
        "text": _plain("Nobody finds this answer any more, and the next round of fine-tuning does not learn from it."),
        "confirm": _plain("Take it back"),
        "deny": _plain("Keep"),
        "style": "danger",
    }
    take_back = button("Take back", WITHDRAW, str(item.number), confirm=confirm)
    if not item.awaits_admin:
        return [{**line, "accessory": take_back}]
    approve = button("Approve for everybody", APPROVE_REPLY, str(item.number), style="primary")
    return [line, context(AWAITS), {"type": "actions", "elements": [approve, take_back]}]


def _to_fix(item: DocumentsToFix) -> Block:
    said = ", ".join(REASONS[reason].lower() for reason in item.reasons)
    names = [plain(name) for name in item.documents]
    if item.withheld:
        names.append(f"{item.withheld} document{'s' if item.withheld > 1 else ''} that you may not read")
    where = "; ".join(names) or "no document says it"
    asked = f"{said} · {item.people}× · asked: “{plain(_short(item.question))}”"
    line = section(f"*{fitting(where, 2000)}*\n{asked}")
    return {**line, "accessory": button("Fixed", FIXED, str(item.answer_id))}


def _evidence(judged: ReviewedAnswer) -> list[Block]:
    answer = fitting(to_mrkdwn(judged.text)) or "_There was none._"
    said = [
        f"<@{complaint.person}>: {REASONS[complaint.reason].lower()}"
        + (f" — {plain(_short(complaint.correction, 600))}" if complaint.correction else "")
        for complaint in judged.complaints
    ]
    blocks = [
        section(f"*Asked on {judged.asked_at:%Y-%m-%d}*\n{escape(_short(judged.question, 1000))}"),
        section(f"*Answered* ({judged.up} :thumbsup: {judged.down} :thumbsdown:)"),
        section(answer),
        {"type": "divider"},
    ]
    if said:
        blocks.append(section(fitting("*What people say*\n" + "\n".join(said))))
    return [*blocks, context("*Passages that it was written from*"), *map(_passage, judged.passages)]


def _passage(read: ReviewedPassage) -> Block:
    where = " › ".join(plain(part) for part in (read.title, read.heading) if part)
    text = "_no longer in the index_" if read.text is None else plain(_short(read.text, 600))
    return context(fitting(f"*{where}*\n{text}"))


def _input(name: str, label: str, draft: str, limit: int) -> Block:
    return {
        "type": "input",
        "block_id": name,
        "label": _plain(label),
        "element": {
            "type": "plain_text_input",
            "action_id": name,
            "multiline": True,
            "max_length": limit,
            "initial_value": draft[:limit],
        },
    }


def _without_marks(text: str) -> str:
    """An answer's words without block quotes and numbers of sources, which a verified answer does not have."""
    return _MARKS.sub("", text).strip()


def _for_whom(collections: Sequence[str]) -> list[Block]:
    whom = f"those who may read {' and '.join(map(plain, collections))}" if collections else "all members"
    return [context(fitting(f"What you approve is found by {whom}."))]


def _reject_button(answer_id: UUID) -> Block:
    return {"type": "actions", "elements": [button("Reject", REJECT, str(answer_id), style="danger")]}


def _modal(title: str, blocks: Sequence[Block]) -> Block:
    return {"type": "modal", "title": _plain(title), "close": _plain("Close"), "blocks": list(blocks)}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text}


def _short(text: str, limit: int = 150) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
