"""The facts above a Markdown document: `owner: maintenance, extension 4471` between lines of dashes (YAML) or pluses
(TOML).
"""

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import yaml

MAX_LENGTH = 50_000
"""Characters: more are read line by line, since no person wrote them."""
MAX_FACTS = 200
_FENCES = {"---": ("---", "..."), "+++": ("+++",)}
# What tells the publishing program how to show the page, and a reader nothing.
_SETTINGS = frozenset(
    "layout template permalink slug draft weight sidebar sidebar_position sidebar_label nav_order toc math css js "
    "pagination comments hide output bibliography csl lang dir cover image thumbnail".split()
)
_LINE = re.compile(r"(\w[\w .-]{0,59})[:=](.*)")


def read_front_matter(text: str) -> tuple[dict[str, str], str]:
    """The facts by name, in lower case, and the text below; none where it does not begin with any."""
    opening, _, rest = text.partition("\n")
    ends = _FENCES.get(opening.rstrip(" \t"), ())
    lines = rest.split("\n")
    end = next((place for place, line in enumerate(lines) if ends and line.rstrip(" \t") in ends), None)
    if end is None:
        return {}, text
    matter = "\n".join(lines[:end])
    facts = _structured(matter, opening.startswith("+")) if len(matter) <= MAX_LENGTH else None
    if facts is None:
        facts = _by_line(matter)
        if 2 * len(facts) < sum(map(bool, map(str.strip, lines[:end]))):  # two rules with prose between them
            return {}, text
    content = {name: value for name, value in list(facts.items())[:MAX_FACTS] if value and name not in _SETTINGS}
    return content, "\n".join(lines[end + 1 :])


def _structured(matter: str, is_toml: bool) -> dict[str, str] | None:
    """The facts by the format's own parser, values as they are written; None if it is not well-formed."""
    try:
        loaded: Any = tomllib.loads(matter) if is_toml else yaml.load(matter, Loader=yaml.BaseLoader)  # noqa: S506
    except (yaml.YAMLError, tomllib.TOMLDecodeError, RecursionError, ValueError):
        return None
    if not isinstance(loaded, dict):
        return None
    facts: dict[str, str] = {}
    for name, value in _flat(loaded, "", 0):
        if len(facts) >= MAX_FACTS:  # aliases can make a few lines endless
            break
        facts[name.strip().lower()] = value.strip()
    return facts


def _flat(value: Any, name: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > 5:
        return
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from _flat(entry, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(value, list) and any(isinstance(entry, dict | list) for entry in value):
        for number, entry in enumerate(value, 1):
            yield from _flat(entry, f"{name} {number}", depth + 1)
    elif isinstance(value, list):
        yield name, ", ".join(map(str, value[:MAX_FACTS]))
    else:
        yield name, str(value)


def _by_line(matter: str) -> dict[str, str]:
    matches = filter(None, (_LINE.fullmatch(line.strip()) for line in matter.split("\n")))
    return {match[1].strip().lower(): match[2].strip().strip("\"'") for match in matches}
