"""A question's words in the index: how rare each is, and which passages are worth scoring by them.

BM25 adds up what each word of the question is worth in a passage (Robertson and Zaragoza, 2009). A passage that holds
none but common words seldom comes near one that holds the rare ones, and to score all of them takes the longer the
larger the index is. So candidates are drawn by the rarest words until there are enough of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

BUDGET = 1_500
"""Passages that may be scored by words: all that hold any word of the question, unless these are more."""


@dataclass(frozen=True, slots=True)
class Term:
    """A lexeme of the question, and how many chunks of the index hold it; `weight` is less than 1 for a guess."""

    lexeme: str
    chunks: int
    weight: float = 1.0

    def idf(self, chunks: int) -> float:
        """Its weight in an index of so many chunks: above 0 for any word, as in Lucene."""
        return self.weight * math.log(1 + (chunks - self.chunks + 0.5) / (self.chunks + 0.5))

    @property
    def query(self) -> str:
        """The tsquery that it alone matches."""
        return "'" + self.lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


def any_of(terms: Sequence[Term]) -> str:
    """The tsquery that a passage with any of the terms matches; '' matches none."""
    return " | ".join(term.query for term in terms if term.chunks > 0)


def candidates(terms: Sequence[Term], chunks: int, visible: int, budget: int = BUDGET) -> str:
    """A tsquery for the passages that are worth scoring, of an index of `chunks` of which `visible` may be seen.

    Any of the terms, if at most `budget` passages are expected to hold one. Else one of the rarest, or so many of the
    common ones, the rarest first, that these are expected to stay within the budget as well. '' matches none.
    """
    # Where few may be seen, the filter lets few of them through; the index has to go through all of them, however.
    budget = min(budget * chunks // max(visible, 1), 10 * budget)
    by_rarity = sorted((term for term in terms if term.chunks > 0), key=lambda term: (term.chunks, term.lexeme))
    sums = list(accumulate(term.chunks for term in by_rarity))
    rare = sum(total <= budget for total in sums)
    rest = budget - (sums[rare - 1] if rare else 0)
    return " | ".join(filter(None, [any_of(by_rarity[:rare]), _together(by_rarity[rare:], chunks, rest)]))


def _together(common: Sequence[Term], chunks: int, budget: int) -> str:
    """The rarest of the common terms and at least one other: as few as stay within the budget, if words came
    independently of each other. '' if all of them together do not.
    """
    expected = float(chunks)
    for place, term in enumerate(common[:-1], 1):
        expected *= term.chunks / chunks
        no_other = math.prod(1 - other.chunks / chunks for other in common[place:])
        if expected * (1 - no_other) <= budget:
            required = " & ".join(term.query for term in common[:place])
            return f"{required} & ({any_of(common[place:])})"
    return ""
