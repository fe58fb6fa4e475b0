"""The form behind a thumb down, and what it says back: pure functions to Block Kit and from it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from bot.feedback.complaints import REASONS, Reason, read_reason
from bot.slack.blocks import Block, actions, button, field, modal, plain_text, section, text_input

COMPLAINT = "complaint"  # the form's callback id
COMPLAIN = "complain"  # the action id of the button that opens it
CORRECTION_LIMIT = 3000  # characters; Slack's for an input

TO_REVIEW = "Thank you. One of my admins will look at it, and I will know what they approve."
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


def complaint_form(subject: FormSubject) -> Block:
    """Builds the form that asks what was wrong, and for the right answer if the person knows it."""
    options = [{"text": plain_text(label), "value": reason} for reason, label in REASONS.items()]
    hint = plain_text("If you know it. When an admin has approved it, everybody who asks gets it.")
    return modal(
        "What was wrong?",
        [
            field("reason", "This answer is…", {"type": "radio_buttons", "options": options}),
            field("correction", "The right answer", text_input(CORRECTION_LIMIT), optional=True, hint=hint),
        ],
        close="Not now",
        submit="Send",
        callback_id=COMPLAINT,
        private_metadata=json.dumps([str(subject.answer_id), subject.channel, subject.thread_ts]),
    )


def read_subject(view: Mapping[str, Any]) -> FormSubject | None:
    """Reads back what `complaint_form` stored in its metadata; None for anything else."""
    try:
        answer_id, channel, thread_ts = json.loads(view.get("private_metadata") or "")
        return FormSubject(UUID(answer_id), str(channel), thread_ts and str(thread_ts))
    except (ValueError, TypeError, AttributeError):
        return None


def read_form(view: Mapping[str, Any]) -> FormInput:
    """Reads what the person chose and typed."""
    values = view["state"]["values"]
    option = values.get("reason", {}).get("reason", {}).get("selected_option") or {}
    correction = values.get("correction", {}).get("correction", {}).get("value") or ""
    return FormInput(read_reason(str(option.get("value", ""))), correction.strip()[:CORRECTION_LIMIT] or None)


def with_button(text: str, answer_id: UUID) -> list[Block]:
    """Builds a message of the text and a button that opens the form."""
    return [section(text), actions(button("Say what was wrong", COMPLAIN, str(answer_id)))]
