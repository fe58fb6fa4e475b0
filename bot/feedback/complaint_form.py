"""The form behind a thumb down, and what it says back: pure functions to Block Kit and from it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from bot.feedback.complaints import REASONS, Reason, read_reason
from bot.questions.views import Block, section

COMPLAINT = "complaint"  # the form's callback id
COMPLAIN = "complain"  # the action id of the button that opens it
CORRECTION_LIMIT = 3000  # characters; Slack's for an input

TO_REVIEW = "Thank you. One of my admins looks at it; what they approve, I know from then on."
TO_DOCUMENTS = "Thank you. It is on the list of documents to fix."
NOT_KEPT = "I cannot reach my database. Please send it again in a minute."
CHOOSE = "Please choose what was wrong."


@dataclass(frozen=True, slots=True)
class FormSubject:
    """The answer that a form is about, and where its person is told what came of it."""

    answer_id: UUID
    channel: str
    thread_ts: str | None


@dataclass(frozen=True, slots=True)
class FormInput:
    """What a person put into the form."""

    reason: Reason | None
    correction: str | None


def complaint_form(about: FormSubject) -> Block:
    """The modal: what was wrong, and the right answer if the person knows it."""
    options = [{"text": _plain(label), "value": reason} for reason, label in REASONS.items()]
    return {
        "type": "modal",
        "callback_id": COMPLAINT,
        "private_metadata": json.dumps([str(about.answer_id), about.channel, about.thread_ts]),
        "title": _plain("What was wrong?"),
        "submit": _plain("Send"),
        "close": _plain("Not now"),
        "blocks": [
            {
                "type": "input",
                "block_id": "reason",
                "label": _plain("This answer is…"),
                "element": {"type": "radio_buttons", "action_id": "reason", "options": options},
            },
            {
                "type": "input",
                "block_id": "correction",
                "optional": True,
                "label": _plain("The right answer"),
                "hint": _plain("If you know it. When an admin has approved it, everybody who asks gets it."),
                "element": {
                    "type": "plain_text_input",
                    "action_id": "correction",
                    "multiline": True,
                    "max_length": CORRECTION_LIMIT,
                },
            },
        ],
    }


def about_of(view: Mapping[str, Any]) -> FormSubject | None:
    """Reads back what `complaint_form` stored in its metadata; None for anything else."""
    try:
        answer_id, channel, thread_ts = json.loads(view.get("private_metadata") or "")
        return FormSubject(UUID(answer_id), str(channel), thread_ts and str(thread_ts))
    except (ValueError, TypeError, AttributeError):
        return None


def said_in(view: Mapping[str, Any]) -> FormInput:
    """Reads what the person chose and typed."""
    values = view["state"]["values"]
    chosen = values.get("reason", {}).get("reason", {}).get("selected_option") or {}
    typed = values.get("correction", {}).get("correction", {}).get("value") or ""
    return FormInput(read_reason(str(chosen.get("value", ""))), typed.strip()[:CORRECTION_LIMIT] or None)


def with_button(text: str, answer_id: UUID) -> list[Block]:
    """The text and a button that opens the form."""
    button = {
        "type": "button",
        "action_id": COMPLAIN,
        "text": _plain("Say what was wrong"),
        "value": str(answer_id),
    }
    return [section(text), {"type": "actions", "elements": [button]}]


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text}
