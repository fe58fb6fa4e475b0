"""The small language that the Block Kit rules are written in: checks that note what is wrong and where.

Findings read as Slack's do: `must be less than 3001 characters [json-pointer:/blocks/0/text/text]`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Check = Callable[[Any, str, "Findings"], None]


@dataclass
class Findings:
    """What is wrong with a payload; `older` is a workspace that does not know the newest blocks."""

    older: bool = False
    surface: str = "message"
    messages: list[str] = field(default_factory=list)

    def add(self, pointer: str, message: str) -> None:
        self.messages.append(f"{message} [json-pointer:{pointer}]")


@dataclass(frozen=True)
class Shape:
    """An object's fields. `also` are rules that concern several fields at once."""

    required: frozenset[str]
    fields: Mapping[str, Check]
    also: tuple[Check, ...] = ()


def shape(required: str, fields: Mapping[str, Check], *also: Check) -> Shape:
    """A shape whose required fields are given in one string, separated by spaces."""
    return Shape(frozenset(required.split()), fields, also)


def check_shape(rules: Shape, value: Any, pointer: str, findings: Findings) -> None:
    """Note every missing, unknown and wrong field of an object."""
    if not isinstance(value, dict):
        findings.add(pointer, "must provide an object")
        return
    present = {key: item for key, item in value.items() if item is not None}
    for name in sorted(rules.required - present.keys()):
        findings.add(pointer, f"missing required field: {name}")
    for name, item in present.items():
        if name in rules.fields:
            rules.fields[name](item, f"{pointer}/{name}", findings)
        elif name != "type":
            findings.add(pointer, f"invalid additional property: {name}")
    for rule in rules.also:
        rule(present, pointer, findings)


def anything(value: Any, pointer: str, findings: Findings) -> None:
    """A field that is allowed and not looked into."""


def check_length(value: str, most: int, least: int, pointer: str, findings: Findings) -> None:
    if len(value) > most:
        findings.add(pointer, f"must be less than {most + 1} characters")
    if len(value) < least:
        findings.add(pointer, f"must be more than {least - 1} characters")


def string(most: int, least: int = 1) -> Check:
    def check(value: Any, pointer: str, findings: Findings) -> None:
        if not isinstance(value, str):
            findings.add(pointer, "must provide a string")
        else:
            check_length(value, most, least, pointer, findings)

    return check


def flag(value: Any, pointer: str, findings: Findings) -> None:
    if not isinstance(value, bool):
        findings.add(pointer, "must be a boolean")


def number(least: int, most: int) -> Check:
    def check(value: Any, pointer: str, findings: Findings) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            findings.add(pointer, f"must be a number from {least} to {most}")

    return check


def choice(*allowed: str) -> Check:
    def check(value: Any, pointer: str, findings: Findings) -> None:
        if value not in allowed:
            findings.add(pointer, f"must be one of: {', '.join(allowed)}")

    return check


def url(value: Any, pointer: str, findings: Findings) -> None:
    string(3000)(value, pointer, findings)
    if isinstance(value, str) and not value.startswith(("http://", "https://", "mailto:", "tel:", "slack:")):
        findings.add(pointer, "invalid url")


def items(check_item: Check, most: int, least: int = 1) -> Check:
    def check(value: Any, pointer: str, findings: Findings) -> None:
        if not isinstance(value, list):
            findings.add(pointer, "must provide an array")
            return
        if len(value) > most:
            findings.add(pointer, f"no more than {most} items allowed")
        if len(value) < least:
            findings.add(pointer, f"no fewer than {least} items allowed" if least > 1 else "must not be empty")
        for index, item in enumerate(value):
            check_item(item, f"{pointer}/{index}", findings)

    return check


def nested(rules: Shape) -> Check:
    def check(value: Any, pointer: str, findings: Findings) -> None:
        check_shape(rules, value, pointer, findings)

    return check


def one_of(*names: str) -> Check:
    """Exactly one of these fields has to be there."""

    def check(value: Any, pointer: str, findings: Findings) -> None:
        if sum(name in value for name in names) != 1:
            findings.add(pointer, "must define exactly one of " + ", ".join(f"`{name}`" for name in names))

    return check


def some_of(*names: str) -> Check:
    """At least one of these fields has to be there."""

    def check(value: Any, pointer: str, findings: Findings) -> None:
        if not any(value.get(name) for name in names):
            findings.add(pointer, "must define either " + " or ".join(f"`{name}`" for name in names))

    return check


def text(most: int, *, plain: bool = False) -> Check:
    """A text object. https://docs.slack.dev/reference/block-kit/composition-objects/text-object"""

    def check(value: Any, pointer: str, findings: Findings) -> None:
        if not isinstance(value, dict):
            findings.add(pointer, "must provide an object")
            return
        kind = value.get("type")
        if kind not in (("plain_text",) if plain else ("plain_text", "mrkdwn")):
            findings.add(f"{pointer}/type", f"unsupported type: {kind}")
            return
        extra = "emoji" if kind == "plain_text" else "verbatim"
        check_shape(shape("text", {"text": string(most), extra: flag}), value, pointer, findings)

    return check


def typed(kinds: Mapping[str, Shape], allowed: frozenset[str] | None = None) -> Check:
    """An object whose `type` names its shape; `allowed` narrows the types for this place."""

    def check(value: Any, pointer: str, findings: Findings) -> None:
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str) or kind not in kinds or (allowed is not None and kind not in allowed):
            findings.add(f"{pointer}/type" if kind else pointer, f"unsupported type: {kind}")
        else:
            check_shape(kinds[kind], value, pointer, findings)

    return check
