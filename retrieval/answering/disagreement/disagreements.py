"""Where documents disagree: two claims about the same thing, under the same conditions, whose values differ.

A claim is compared with those of other documents that bear on the question. Two are about the same thing if their
words match and nothing sets them apart. What is rounded, converted, or a range around the other's value agrees.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product

from retrieval.answering.disagreement.claims import WHO, Claim, claims_of, question_terms
from retrieval.answering.disagreement.distinctions import same_codes, set_apart, without_permissions
from retrieval.answering.disagreement.lexicon import canonical, is_act
from retrieval.answering.disagreement.terms import SMALL, holds, is_code, same
from retrieval.answering.evidence.quotes import Quote
from retrieval.searching.passage import Passage
from retrieval.text.values import Value, agree
from retrieval.text.words import WORD

READ = 8
"""Passages that are compared."""
MOST = 60
"""Claims that are compared, those nearest to the question."""
ALIKE = 0.75
"""Least share of the words of both claims that the other one, its headings or the question hold."""
SHARED = 0.5
"""Least share that the claims themselves have in common."""
ALIKE_CODES, ALIKE_NAMES = 0.9, 0.85
"""The least share of `ALIKE` where the values are codes, and where they are names or a yes and a no, of which more
differ for other reasons.
"""
LEAST_SHARED = 2
"""Words that each of the claims shares at the least."""


@dataclass(frozen=True, slots=True)
class StatedValue:
    """What one document states: the sentence or row, and the value in it."""

    passage: Passage
    text: str
    value: str

    @property
    def date(self) -> datetime | None:
        """When the document was last changed, if that is known."""
        return self.passage.modified_at

    def __str__(self) -> str:
        day = self.date.date().isoformat() if self.date else "undated"
        return f"*{self.passage.title}* ({day}) says {self.value}"


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two documents that state different values of `what`; `newer` is the one that was changed last."""

    newer: StatedValue
    older: StatedValue
    what: str

    def __str__(self) -> str:
        return f"The documents disagree: {self.newer}, {self.older}."


def disagreements(question: str, passages: Sequence[Passage], evidence: Sequence[Quote]) -> list[Disagreement]:
    """Where passages of different documents state different values for what the question asks, at least one of them in
    the evidence; each pair of documents once, nearest to the question first.
    """
    terms = question_terms(question)
    claims = [claim for passage in passages[:READ] for claim in claims_of(passage, terms)]
    claims = sorted(claims, key=lambda claim: -claim.similarity)[:MOST]
    quoted = [claim for claim in claims if _is_quoted(claim, evidence)]
    by_documents: dict[frozenset[int], Disagreement] = {}
    for one, other in product(quoted, claims):
        pair = frozenset((one.passage.document_id, other.passage.document_id))
        if len(pair) == 2 and pair not in by_documents and (difference := _difference(one, other, terms)):
            by_documents[pair] = _ordered(one, other, *difference)
    return list(by_documents.values())


def _is_quoted(claim: Claim, evidence: Sequence[Quote]) -> bool:
    return any(quote.passage.chunk_id == claim.passage.chunk_id and claim.text in quote.text for quote in evidence)


def _difference(one: Claim, other: Claim, terms: frozenset[str]) -> tuple[str, str, str] | None:
    """The two values and what they are of, if both are about the same thing and do not agree."""
    share, familiar = _alike(one, other, terms)
    if share < SHARED or familiar < ALIKE or set_apart(one, other, terms):
        return None
    if one.says_no != other.says_no:
        return _yes_and_no(one, other) if share >= ALIKE_NAMES and not _other_names(one, other) else None
    if pair := _differing_names(one, other, terms):
        least = ALIKE if same_codes(one, other) else ALIKE_CODES if is_code(pair[0]) else ALIKE_NAMES
        return (*pair, _subject(one, other)) if familiar >= least else None
    if not _other_names(one, other) and (values := _differing_values(one, other)):
        return values[0].text, values[1].text, _subject(one, other)
    return None


def _alike(one: Claim, other: Claim, terms: frozenset[str]) -> tuple[float, float]:
    """The share of the words of both that the other one holds, and that it, its headings or the question hold."""
    names = one.names.keys() & other.names.keys()
    if not names and one.beginnings.isdisjoint(other.beginnings):
        return 0.0, 0.0
    mine, theirs = without_permissions({*one.words, *names}), without_permissions({*other.words, *names})
    shared = sum(holds(theirs, word) for word in mine) + sum(holds(mine, word) for word in theirs)
    familiar = sum(holds(theirs | other.context | terms, word) for word in mine)
    familiar += sum(holds(mine | one.context | terms, word) for word in theirs)
    acts = [
        sum(is_act(word) and not holds(words, word) for word in own) for own, words in ((mine, theirs), (theirs, mine))
    ]
    # Of an act that one of them alone names (it is so long, it lasts so long) nothing follows.
    total = len(mine) + len(theirs) - (sum(acts) if min(acts) == 0 else 0)
    familiar = min(familiar, total)
    # Where hardly a word is there, all have to be known.
    enough = shared >= 2 * LEAST_SHARED or (shared >= 2 and familiar == total)
    return (shared / total, familiar / total) if enough else (0.0, 0.0)


def _yes_and_no(one: Claim, other: Claim) -> tuple[str, str, str]:
    """A yes and a no, each in its own words."""
    return f"“{one.text}”", f"“{other.text}”", _subject(one, other)


def _differing_names(one: Claim, other: Claim, terms: frozenset[str]) -> tuple[str, str] | None:
    """The one name or code of each that the other does not hold, where the question names neither."""
    mine, theirs = (sorted(a.names.keys() - b.names.keys()) for a, b in ((one, other), (other, one)))
    if len(mine) != 1 or len(theirs) != 1 or one.values or other.values:
        return None
    if {*mine, *theirs} & terms or is_code(mine[0]) != is_code(theirs[0]):
        return None
    if not is_code(mine[0]) and WHO not in terms:
        return None
    return one.names[mine[0]], other.names[theirs[0]]


def _other_names(one: Claim, other: Claim) -> bool:
    """Whether each names something of its own, or one what the other document does not."""
    mine, theirs = one.names.keys() - other.names.keys(), other.names.keys() - one.names.keys()
    if mine and theirs:
        return True
    return not (mine <= other.near_names and theirs <= one.near_names)


def _differing_values(one: Claim, other: Claim) -> tuple[Value, Value] | None:
    """The one value of each that the other does not state, if both are of one kind."""
    mine = [value for value in one.values if not any(agree(value, stated) for stated in other.values)]
    theirs = [value for value in other.values if not any(agree(value, stated) for stated in one.values)]
    pairs = [(a, b) for a, b in product(mine, theirs) if _comparable(a, b)]
    kinds = {a.kind for a, _ in pairs}
    if any(
        value.kind not in kinds and value.start in claim.conditional
        for claim, own in ((one, mine), (other, theirs))
        for value in own
    ):
        return None
    if len(kinds) != 1 or len({id(a) for a, _ in pairs}) != 1 or len({id(b) for _, b in pairs}) != 1:
        return None  # so much differs that they may be about different things: a monthly fee, a yearly one
    return pairs[0]


def _comparable(one: Value, other: Value) -> bool:
    """Whether two values are of one kind; what is counted has to be the same, too."""
    if one.kind != other.kind:
        return False
    return one.kind != "count" or not one.unit or not other.unit or same(canonical(one.unit), canonical(other.unit))


def _subject(one: Claim, other: Claim) -> str:
    """What both are about: the words that they have in common, as the first has them."""
    theirs = {*other.words, *other.names}
    words = [word for word in WORD.findall(one.text) if word.lower() not in SMALL]
    return one.column or " ".join(dict.fromkeys(word for word in words if holds(theirs, canonical(word.lower()))))


def _ordered(one: Claim, other: Claim, value: str, other_value: str, subject: str) -> Disagreement:
    first, second = StatedValue(one.passage, one.text, value), StatedValue(other.passage, other.text, other_value)
    if _age(second) > _age(first):
        first, second = second, first
    return Disagreement(first, second, subject)


def _age(stated: StatedValue) -> float:
    return stated.date.timestamp() if stated.date else float("-inf")
