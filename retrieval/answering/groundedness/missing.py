"""What a statement says exactly and its passages don't: numbers with their units, counts, names and codes."""

from itertools import pairwise

import numpy as np

from retrieval.answering.groundedness.alignment import CONTEXT, SAME, Alignment
from retrieval.answering.groundedness.forms import COUNTS, UNITS, holds, typed
from retrieval.text.words import COMMON

JOINED = frozenset({"", "-", "_", "/", "#"})
"""Between the letters and the number of one code: A204 and FX-9 count nothing."""
ACRONYM = 0.7
"""How rare a word in capitals is at least: its letters may be a common word's."""


def missing_features(alignment: Alignment) -> dict[str, float]:
    """The features of what the statement says exactly and its passages don't, or say elsewhere."""
    held_anywhere = np.maximum(alignment.letters.max(axis=1), alignment.context.max(axis=1) / CONTEXT)
    held_here = np.maximum(
        alignment.letters_by_sentence[:, alignment.sentences].max(axis=1), alignment.context.max(axis=1) / CONTEXT
    )
    number = alignment.numbers
    count = np.array([w.form in COUNTS for w in alignment.own], dtype=bool)
    names = np.zeros(len(alignment.own), dtype=bool)
    names[list(alignment.names)] = True
    rarity = np.array(
        [max(r, ACRONYM) if w.written.isupper() else r for w, r in zip(alignment.own, alignment.rarity, strict=True)]
    )
    names &= ~number & ~count & (rarity > 0.3)
    in_question = alignment.in_question
    soft = np.maximum(held_anywhere, alignment.credit.max(axis=1) * 0.8)
    missing_name = names * (1 - soft) * rarity
    return {
        "number missing": float((number & (held_anywhere < SAME) & (in_question < SAME)).sum()),
        "number elsewhere": float((number & (held_anywhere >= SAME) & (held_here < SAME)).sum()),
        "unit differs": _unit_differs(alignment),
        "count missing": float((count & (held_anywhere < SAME)).sum()),
        "name missing": float((missing_name * (in_question < SAME)).max(initial=0)),
        "name of the question missing": float((missing_name * (in_question >= SAME)).max(initial=0)),
        "code missing": float(sum(not holds(alignment.basis.plain, code) for code in _codes(alignment))),
    }


def _codes(alignment: Alignment) -> set[str]:
    """Its codes but for those that it has from its question."""
    return typed(alignment.statement.text) - (typed(alignment.question.text) if alignment.question else set())


def _unit_differs(alignment: Alignment) -> float:
    worst = 0.0
    for i, (word, following) in enumerate(pairwise(alignment.own)):
        gap = alignment.statement.text[word.end : following.start]
        if not word.is_number or following.is_number or following.form in COMMON or len(gap) > 1 or gap == ".":
            continue
        if word.form.count(".") > 1:  # a version
            continue
        before = alignment.own[i - 1] if i else None
        if before and not before.is_number and alignment.statement.text[before.end : word.start] in JOINED:
            continue
        worst = max(worst, _mismatch(alignment, i))
    return worst


def _mismatch(alignment: Alignment, i: int) -> float:
    """How much the words after a number differ from those after the same number in the passages, at the best place.

    The second word counts where the first is the same (500 operating hours, 500 operating days).
    """
    best = None
    for at in map(int, np.flatnonzero(alignment.letters[i] >= SAME)):
        if at + 1 >= len(alignment.basis.words) or alignment.basis.words[at + 1].is_number:
            return 0.0
        like = _like_near(alignment, i + 1, at)
        if (
            alignment.own[i + 1].form not in UNITS
            and alignment.letters[i + 1, at + 1] >= SAME
            and _goes_on(alignment, i + 1)
        ):
            like = min(like, _like_near(alignment, i + 2, at + 1))
        best = max(best or 0.0, like)
    return 0.0 if best is None else 1 - best


def _like_near(alignment: Alignment, i: int, at: int) -> float:
    """How like an own word is to one of the three after a place, or the one before; a unit to one of its kind."""
    near = [k for k in (at + 1, at + 2, at + 3, at - 1) if 0 <= k < len(alignment.basis.words)]
    if not near:
        return 0.0
    kind = UNITS.get(alignment.own[i].form)
    if kind is None:
        return float(alignment.credit[i, near].max())
    return float(any(UNITS.get(alignment.basis.words[k].form) == kind for k in near))


def _goes_on(alignment: Alignment, i: int) -> bool:
    """Whether a word that says something follows in the same clause."""
    if i + 1 >= len(alignment.own) or alignment.own[i + 1].form in COMMON or alignment.own[i + 1].is_number:
        return False
    return alignment.statement.text[alignment.own[i].end : alignment.own[i + 1].start].strip("- ") == ""
