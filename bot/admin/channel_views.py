"""The form of a channel's settings: from settings to blocks, and from what was sent back to settings."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.questions.channels import ChannelSettings
from bot.slack.blocks import Block, field, modal, plain_text, section
from bot.slack.mrkdwn import plain

FORM = "channel_settings"
ANSWERS, THRESHOLD, COLLECTIONS, PLACE, LANGUAGE, EXPERTS = (
    "answers",
    "threshold",
    "collections",
    "place",
    "language",
    "experts",
)
MOST_OPTIONS = 100  # of a select menu: https://docs.slack.dev/reference/block-kit/composition-objects/option-object
MOST_EXPERTS = 10
NOT_IN_DIRECT = "In a direct message everything you write is for me. Use `/journeyman channel` in a channel."
NOT_YOURS = "Only my admins and whoever created this channel can change this."
LANGUAGE_HINT = (
    "Decides which forms of a word count as one word in a search, such as “pump” and “pumps”. Nothing is translated: "
    "my own sentences, such as that the documents don't say, stay in English."
)
NOT_SAVED = "My database does not respond, so nothing was changed. Please try again in a minute."
ANY_LANGUAGE = "any"
_ANSWERS = {"mentions": "Only when I am mentioned", "questions": "Every question in the channel"}
_THRESHOLDS = {
    0.4: "Eager: also messages that may be questions",
    0.6: "Balanced",
    0.8: "Cautious: only clear questions",
}
_PLACES = {"thread": "In a thread, for everybody", "ephemeral": "Only to the person who asked, who may share it"}


def channel_form(
    channel: str, settings: ChannelSettings, collections: Sequence[str], languages: Sequence[str]
) -> Block:
    """Builds the form; if no collection is chosen in it, all of them are searched."""
    threshold = min(_THRESHOLDS, key=lambda value: abs(value - settings.threshold))
    selection = [name for name in settings.collections or () if name in collections]
    experts: Block = {"type": "multi_users_select", "max_selected_items": MOST_EXPERTS}
    if settings.experts:
        experts["initial_users"] = list(settings.experts)
    names = {name: name for name in collections[:MOST_OPTIONS]}
    searched = [
        field(COLLECTIONS, "Collections to search (leave empty for all)", _several(names, selection), optional=True)
    ]
    questions = {str(value): label for value, label in _THRESHOLDS.items()}
    language = {ANY_LANGUAGE: "Whichever the documents are in", **dict.fromkeys(languages, "")}
    return modal(
        "This channel",
        [
            field(ANSWERS, "What do I answer?", _radio(_ANSWERS, settings.answers)),
            field(
                THRESHOLD,
                "If I answer every question: what counts as one?",
                _select(questions, str(threshold)),
            ),
            field(PLACE, "Where do I answer?", _radio(_PLACES, settings.place)),
            *(searched if names else []),
            field(
                LANGUAGE,
                "Language of the questions",
                _select(language, settings.language or ANY_LANGUAGE),
                hint=plain_text(LANGUAGE_HINT),
            ),
            field(EXPERTS, "Experts to ask where the documents don't say", experts, optional=True),
        ],
        close="Cancel",
        submit="Save",
        callback_id=FORM,
        private_metadata=json.dumps({"channel": channel}),
    )


def settings_in(view: Mapping[str, Any]) -> ChannelSettings:
    """Reads the settings that a person chose in the form."""
    values = {block_id: next(iter(fields.values())) for block_id, fields in view["state"]["values"].items()}
    names = [option["value"] for option in values.get(COLLECTIONS, {}).get("selected_options") or []]
    return ChannelSettings(
        answers="questions" if _chosen(values[ANSWERS]) == "questions" else "mentions",
        threshold=float(_chosen(values[THRESHOLD])),
        collections=names or None,
        place="ephemeral" if _chosen(values[PLACE]) == "ephemeral" else "thread",
        language=None if _chosen(values[LANGUAGE]) == ANY_LANGUAGE else _chosen(values[LANGUAGE]),
        experts=list(values.get(EXPERTS, {}).get("selected_users") or [])[:MOST_EXPERTS],
    )


def channel_in(view: Mapping[str, Any]) -> str:
    """Reads which channel the form is about."""
    return str(json.loads(view["private_metadata"])["channel"])


def saved_modal(channel: str, settings: ChannelSettings) -> Block:
    """Says which settings the channel has from now on."""
    searched = "all collections" if settings.collections is None else ", ".join(map(plain, settings.collections))
    experts = " ".join(f"<@{expert}>" for expert in settings.experts) or "nobody yet"
    language = settings.language.capitalize() if settings.language else "the language of the documents"
    lines = [
        f"*Saved for <#{channel}>:*",
        f"• {_ANSWERS[settings.answers]}. {_PLACES[settings.place]}.",
        f"• I search {searched}; the questions are in {language}.",
        f"• Where the documents don't say, these experts can be asked: {experts}.",
    ]
    return modal("This channel", [section("\n".join(lines)[:3000])])


def _chosen(answer: Mapping[str, Any]) -> str:
    return str((answer.get("selected_option") or {})["value"])


def _radio(labels: Mapping[str, str], selection: str) -> Block:
    return {
        "type": "radio_buttons",
        "options": _options(labels),
        "initial_option": _option(selection, labels[selection]),
    }


def _select(labels: Mapping[str, str], selection: str) -> Block:
    menu: Block = {"type": "static_select", "options": _options(labels)}
    if selection in labels:
        menu["initial_option"] = _option(selection, labels[selection])
    return menu


def _several(labels: Mapping[str, str], selection: Sequence[str]) -> Block:
    menu: Block = {"type": "multi_static_select", "options": _options(labels)}
    if selection:
        menu["initial_options"] = [_option(name, labels[name]) for name in selection if name in labels]
    return menu


def _options(labels: Mapping[str, str]) -> list[Block]:
    return [_option(value, label) for value, label in labels.items()]


def _option(value: str, label: str) -> Block:
    return {"text": plain_text((label or value.capitalize())[:75]), "value": value[:150]}
