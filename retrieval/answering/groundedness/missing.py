"""What a statement says exactly and its passages don't: numbers with their units, counts, names and codes."""

from itertools import pairwise

import numpy as np

from retrieval.answering.groundedness.alignment import CONTEXT, SAME, Alignment
from retrieval.answering.groundedness.forms import COUNTS, UNITS, holds, typed
from retrieval.text.words import COMMON

ACRONYM = 0.7
"""How rare a word in capitals is at least: its letters may be a common word's."""


def missing(c: Alignment) -> dict[str, float]:
    held_anywhere = np.maximum(c.letters.max(axis=1), c.context.max(axis=1) / CONTEXT)
    held_here = np.maximum(c.letters_by_sentence[:, c.sentences].max(axis=1), c.context.max(axis=1) / CONTEXT)
    number = c.numbers
    count = np.array([w.form in COUNTS for w in c.own], dtype=bool)
    names = np.zeros(len(c.own), dtype=bool)
    names[list(c.names)] = True
    rarity = np.array([max(r, ACRONYM) if w.written.isupper() else r for w, r in zip(c.own, c.rarity, strict=True)])
    names &= ~number & ~count & (rarity > 0.3)
    in_question = c.in_question
    soft = np.maximum(held_anywhere, c.credit.max(axis=1) * 0.8)
    missing_name = names * (1 - soft) * rarity
    return {
        "number missing": float((number & (held_anywhere < SAME) & (in_question < SAME)).sum()),
        "number elsewhere": float((number & (held_anywhere >= SAME) & (held_here < SAME)).sum()),
        "unit differs": _unit_differs(c),
        "count missing": float((count & (held_anywhere < SAME)).sum()),
        "name missing": float((missing_name * (in_question < SAME)).max(initial=0)),
        "name of the question missing": float((missing_name * (in_question >= SAME)).max(initial=0)),
        "code missing": float(sum(not holds(c.basis.plain, code) for code in _codes(c))),
    }


def _codes(c: Alignment) -> set[str]:
    """Its codes but for those that it has from its question."""
    return typed(c.statement.text) - (typed(c.question.text) if c.question else set())


def _unit_differs(c: Alignment) -> float:
    worst = 0.0
    for i, (word, following) in enumerate(pairwise(c.own)):
        gap = c.statement.text[word.end : following.start]
        if not word.is_number or following.is_number or following.form in COMMON or len(gap) > 1 or gap == ".":
            continue
        if word.form.count(".") > 1:  # a version
            continue
        if i and c.own[i - 1].end == word.start and not c.own[i - 1].is_number:  # A204 counts nothing
            continue
        worst = max(worst, _mismatch(c, i))
    return worst


def _mismatch(c: Alignment, i: int) -> float:
    """How much the words after a number differ from those after the same number in the passages, at the best place.

    The second word counts where the first is the same (500 operating hours, 500 operating days).
    """
    best = None
    for at in map(int, np.flatnonzero(c.letters[i] >= SAME)):
        if at + 1 >= len(c.basis.words) or c.basis.words[at + 1].is_number:
            return 0.0
        like = _like_near(c, i + 1, at)
        if c.own[i + 1].form not in UNITS and c.letters[i + 1, at + 1] >= SAME and _goes_on(c, i + 1):
            like = min(like, _like_near(c, i + 2, at + 1))
        best = max(best or 0.0, like)
    return 0.0 if best is None else 1 - best


def _like_near(c: Alignment, i: int, at: int) -> float:
    """How like an own word is to one of the three after a place, or the one before; a unit to one of its kind."""
    near = [k for k in (at + 1, at + 2, at + 3, at - 1) if 0 <= k < len(c.basis.words)]
    if not near:
        return 0.0
    kind = UNITS.get(c.own[i].form)
    if kind is None:
        return float(c.credit[i, near].max())
    return float(any(UNITS.get(c.basis.words[k].form) == kind for k in near))


def _goes_on(c: Alignment, i: int) -> bool:
    """Whether a word that says something follows in the same clause."""
    if i + 1 >= len(c.own) or c.own[i + 1].form in COMMON or c.own[i + 1].is_number:
        return False
    return c.statement.text[c.own[i].end : c.own[i + 1].start].strip("- ") == ""
