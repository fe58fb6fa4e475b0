"""Whether a statement's words stand together in its passages as it puts them: beside another name a value is its."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from retrieval.answering.groundedness.alignment import SAME, Alignment

TOGETHER = 4
"""Words that may stand between two of a statement in the passage that has them together."""


def cooccurrence_features(alignment: Alignment) -> dict[str, float]:
    """The features of words and values in each other's company."""
    numbers = [i for i in alignment.values if alignment.own[i].is_number]
    names = [i for i in alignment.values if not alignment.own[i].is_number]
    return {
        "value apart": _value_apart(alignment),
        "pairs": _pairs(alignment),
        "name split": _name_split(alignment),
        "value out of company": _value_out_of_company(alignment),
        "number beside others": _beside_others(alignment, numbers),
        "name beside others": _beside_others(alignment, names),
    }


def _pairs(alignment: Alignment) -> float:
    """The share of the statement's neighbouring words that stand near each other somewhere in the passages."""
    places = [i for i in range(len(alignment.own)) if alignment.rarity[i] >= 0.2]
    total = together = 0.0
    for i, j in pairwise(places):
        weight = float(alignment.rarity[i] + alignment.rarity[j])
        total += weight
        together += weight * alignment.together(i, j, TOGETHER + (j - i))
    return together / total if total else 1.0


def _name_split(alignment: Alignment) -> float:
    """How many names of several words (Castle Street) stand nowhere as a whole, with at most one word between."""
    names = alignment.names
    in_question = alignment.in_question
    split = 0
    for i in sorted(names):
        j = i + 1
        if j not in names or alignment.own[i].is_number or alignment.own[j].is_number:
            continue
        if alignment.statement.text[alignment.own[i].end : alignment.own[j].start] not in (" ", "-", "® "):
            continue
        if in_question[i] >= SAME and in_question[j] >= SAME:
            continue
        split += not alignment.together(i, j, 2)
    return float(split)


def _beside_others(alignment: Alignment, values: Iterable[int]) -> float:
    """The share of the words right and left of a value that none of its places in the passages has so near; the largest
    over these values of its own.
    """
    worst = 0.0
    for i in values:
        beside = _beside(alignment, i) if len(alignment.places_of[i]) else []
        if beside:
            worst = max(worst, 1 - max(_share_near(alignment, beside, int(at)) for at in alignment.places_of[i]))
    return worst


def _beside(alignment: Alignment, i: int) -> list[int]:
    """The places of the nearest words before and after an own word that say something."""
    places = [
        j
        for j in range(max(alignment.statement.question_words, i - 3), min(len(alignment.own), i + 4))
        if alignment.rarity[j] >= 0.2
    ]
    return [
        j
        for j in (max((j for j in places if j < i), default=-1), min((j for j in places if j > i), default=-1))
        if j >= 0
    ]


def _share_near(alignment: Alignment, beside: Sequence[int], at: int) -> float:
    """The share of own words that a place has within a few words, in its table row or above it."""
    sentence = alignment.basis.sentence_of[at]
    first, last = max(0, at - 5), at + 6
    if alignment.basis.is_row[sentence]:
        first = int(alignment.basis.starts[sentence])
        last = first + int((alignment.basis.sentence_of == sentence).sum())
    near = alignment.credit[beside, first:last].max(axis=1)
    near = np.maximum(near, alignment.context[beside, alignment.basis.passage_of[sentence]])
    return float((near >= 0.6).mean())


def _value_out_of_company(alignment: Alignment) -> float:
    """The largest share of a value's neighbours that none of its places in the passages has near."""
    return max((_out_of_company(alignment, i) for i in alignment.values), default=0.0)


def _out_of_company(alignment: Alignment, i: int) -> float:
    """The share of the words around a value of its own that none of its places in the passages has near."""
    around = range(max(alignment.statement.question_words, i - 5), min(len(alignment.own), i + 6))
    near = [j for j in around if j != i and alignment.rarity[j] >= 0.2]
    if not near or not len(alignment.places_of[i]):
        return 0.0
    weight = alignment.rarity[near]
    best = 0.0
    for at in alignment.places_of[i]:
        credit = alignment.credit[near, max(0, at - 12) : at + 13].max(axis=1)
        passage = alignment.basis.passage_of[alignment.basis.sentence_of[at]]
        credit = np.maximum(credit, alignment.context[near, passage])
        best = max(best, float(weight @ credit / weight.sum()))
    return 1 - best


def _value_apart(alignment: Alignment) -> float:
    """How much better the rest of the statement is covered away from one of its values than beside it."""
    gap = 0.0
    rows = alignment.basis.is_row[alignment.basis.windows[:, 0]] & (
        alignment.basis.windows[:, 0] != alignment.basis.windows[:, 1]
    )
    usable = ~rows
    letters = alignment.in_windows(alignment.letters_by_sentence)
    for i in alignment.values:
        beside = usable & (letters[i] >= SAME)
        if not beside.any():
            continue
        rest = alignment.rarity.copy()
        rest[i] = 0
        if rest.sum() <= 0:
            continue
        cover = rest @ alignment.cover_in_windows / rest.sum()
        apart = float(cover[usable].max() - cover[beside].max())
        if not alignment.basis.is_row[
            alignment.basis.windows[beside, 0]
        ].all():  # a heading of the text, its row does not have
            apart = min(apart, _out_of_company(alignment, i))
        gap = max(gap, apart)
    return gap
