"""Glob patterns for documents' names, as people know them from .gitignore: which documents of a source are wanted."""

import re
from collections.abc import Sequence
from functools import lru_cache

_PARTS = re.compile(r"\*\*/|/\*\*$|\*\*|\*|\?|\[!?\]?[^\]]*\]")


def is_wanted(name: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether a pattern of `include` matches, or there is none, and no pattern of `exclude` does."""
    return (not include or matches(name, include)) and not matches(name, exclude)


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns matches a name with `/` between its parts.

    `*` and `?` stop at a `/`, `**` does not. A pattern without `/` is for the last part of the name alone; one that
    ends with `/` is for all that is below.
    """
    return any(_compiled(pattern).fullmatch(name) for pattern in patterns)


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    if pattern.endswith("/"):
        pattern += "**"
    if "/" not in pattern:
        pattern = "**/" + pattern
    pattern = pattern.removeprefix("/")
    expression, end = "", 0
    for part in _PARTS.finditer(pattern):
        expression += re.escape(pattern[end : part.start()]) + _translated(part[0])
        end = part.end()
    return re.compile(expression + re.escape(pattern[end:]), re.DOTALL)


def _translated(part: str) -> str:
    expressions = {"**/": "(?:.*/)?", "/**": "/.*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    if part in expressions:
        return expressions[part]
    inner = part[1:-1].replace("\\", r"\\").replace("[", r"\[").replace("&", r"\&").replace("~", r"\~")
    return "[" + ("^" + inner[1:] if inner.startswith("!") else inner) + "]"
