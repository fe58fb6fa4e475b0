"""Glob patterns for documents' names."""

import pytest

from retrieval.origins.patterns import is_wanted, matches


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("*.md", ["a.md", "deep/er/a.md"], ["a.mdx", "md"]),
        ("docs/*.md", ["docs/a.md"], ["docs/deep/a.md", "other/docs/a.md"]),
        ("docs/**", ["docs/a.md", "docs/deep/a.md"], ["docs", "mydocs/a.md"]),
        ("docs/", ["docs/a.md", "docs/deep/a.md"], ["old/docs/a.md"]),
        ("**/old/**", ["old/a.md", "docs/old/deep/a.md"], ["older/a.md"]),
        ("**/a?.[mt]*", ["a1.md", "x/a2.txt"], ["a12.md", "a1.pdf"]),
        ("[!a]*", ["b.md", "x/b.md"], ["a.md"]),
        ("a+b (1).md", ["a+b (1).md", "x/a+b (1).md"], ["aab (1).md"]),
        ("[", ["["], ["x"]),
        ("/top.md", ["top.md"], ["deep/top.md"]),
    ],
)
def test_a_pattern_matches(pattern: str, matching: list[str], other: list[str]) -> None:
    """As .gitignore has it: `*` stops at a slash, a pattern without one is for the last part of the name."""
    assert [name for name in matching if not matches(name, [pattern])] == []
    assert [name for name in other if matches(name, [pattern])] == []


def test_what_is_excluded_stays_out() -> None:
    """Also where it is included; without patterns all is wanted."""
    assert is_wanted("a.md", [], [])
    assert is_wanted("a.md", ["*.md"], [])
    assert not is_wanted("a.txt", ["*.md"], [])
    assert not is_wanted("a.md", ["*.md"], ["a.*"])
