"""Whether two claims are about different things, or hold under different conditions: then their values do not disagree.

Each rule looks for one kind of sign that sets them apart; a single sign is enough.
"""

from collections.abc import Iterator, Sequence

from retrieval.answering.disagreement.claims import AT_LEAST, AT_MOST, Claim, share_a_code
from retrieval.answering.disagreement.lexicon import canonical, contrast, is_act, is_measure, special_cases
from retrieval.answering.disagreement.terms import CONDITIONS, SMALL, holds, same, stems

SAME_CODES = 2
"""Codes in common from which on two claims are about the same thing, whatever else they say of it."""

_BOUNDS = {canonical(word) for word in ("minimum", "maximum")}
_PERMISSIONS = frozenset({canonical("forbidden"), canonical("allowed")})
_IS = frozenset("is are was were has have must ist sind war hat haben muss beträgt".split())
_OF = frozenset("of from des von של".split())
_ARTICLES = frozenset("a an the der die das dem den einer eines einem einen ein eine".split())
# What a word of one claim is beside another: one without a meaning of its own, one that the other has, or a new one.
_EMPTY, _KNOWN, _NEW = "empty", "known", "new"


def set_apart(one: Claim, other: Claim, terms: frozenset[str]) -> bool:
    """Whether something tells that they are about different things, or hold under different conditions."""
    return (
        _other_bounds(one, other, terms)
        or (one.values != () and one.says_no != other.says_no)
        or contrast(frozenset(one.words), frozenset(other.words))
        or _special_case(one, other, terms)
        or _other_acts(one, other)
        or _other_subject(one, other, terms)
        or (not same_codes(one, other) and (_other_condition(one, other, terms) or _modified(one, other)))
        or _narrowed(one, other, terms)
        or _other_cells(one, other)
    )


def same_codes(one: Claim, other: Claim) -> bool:
    """Whether they name so many codes in common that they are about the same thing."""
    return share_a_code(one, other, SAME_CODES)


def without_permissions(words: set[str]) -> set[str]:
    """Stems without those that allow or forbid, which a yes and a no do not have in common."""
    return words - _PERMISSIONS


def _other_bounds(one: Claim, other: Claim, terms: frozenset[str]) -> bool:
    """Whether one says at least and the other at most, or one speaks of a minimum or maximum and the other does not."""
    least, most = ([bool(pattern.search(claim.text)) for claim in (one, other)] for pattern in (AT_LEAST, AT_MOST))
    bounds = [
        {word for word in _BOUNDS - terms if holds({*claim.words, *stems(claim.passage.heading)}, word)}
        for claim in (one, other)
    ]
    return (least[0] and most[1]) or (most[0] and least[1]) or bounds[0] != bounds[1]


def _special_case(one: Claim, other: Claim, terms: frozenset[str]) -> bool:
    """Whether one is about a special case (the second coat) of which neither the other nor the question speaks."""
    return any(
        not holds(theirs.vocabulary | terms, word)
        for mine, theirs in ((one, other), (other, one))
        for word in special_cases(frozenset(mine.words))
    )


def _other_acts(one: Claim, other: Claim) -> bool:
    """Whether each speaks of an act or a measure of its own: change it, check it."""
    mine, theirs = (
        {word for word in claim.words if is_act(word) and word not in _PERMISSIONS} for claim in (one, other)
    )
    return bool(mine - theirs and theirs - mine)


def _other_subject(one: Claim, other: Claim, terms: frozenset[str]) -> bool:
    """Whether one is about something in the question in whose place the other one has something else."""
    return any(
        any(
            holds(mine.vocabulary, word) and not holds(theirs.vocabulary, word) and not is_act(word) and word.isalpha()
            for word in terms
        )
        and any(
            not holds(mine.vocabulary | terms, word) and (not is_act(word) or is_measure(word)) for word in theirs.words
        )
        for mine, theirs in ((one, other), (other, one))
    )


def _other_condition(one: Claim, other: Claim, terms: frozenset[str]) -> bool:
    """Whether one holds under a condition of which the other says nothing."""
    return any(
        not holds(theirs.vocabulary | terms, word)
        for mine, theirs in ((one, other), (other, one))
        for word in mine.conditions
    )


def _modified(one: Claim, other: Claim) -> bool:
    """Whether the same word is made more precise in different ways: front tyres, rear tyres."""
    return any(
        not holds(other.words, mine) and not holds(one.words, theirs)
        for word in one.words
        if (at := _place(other.words, word)) is not None
        for mine, theirs in [(_before(one.words, one.words.index(word)), _before(other.words, at))]
        if mine and theirs and not is_act(mine) and not is_act(theirs)
    )


def _place(words: Sequence[str], word: str) -> int | None:
    return next((place for place, other in enumerate(words) if same(other, word)), None)


def _before(words: Sequence[str], place: int) -> str:
    return words[place - 1] if place else ""


def _narrowed(one: Claim, other: Claim, terms: frozenset[str]) -> bool:
    """Whether one is about a part or a kind of what the other and the question speak of: admin sessions, the wall of
    the cellar; a clause before a comma says so, too (offline, …).
    """
    return any(
        _narrows(clause, theirs.vocabulary | terms, leads)
        for mine, theirs in ((one, other), (other, one))
        for clause, leads in mine.clauses
    )


def _narrows(clause: Sequence[str], vocabulary: set[str], leads: bool) -> bool:
    kinds = [_kind(word, vocabulary) for word in clause]
    if leads and _NEW in kinds and _KNOWN not in kinds:
        return True
    return any(_is_narrowing(clause, kinds, place) for place, kind in enumerate(kinds) if kind == _NEW)


def _is_narrowing(clause: Sequence[str], kinds: Sequence[str], place: int) -> bool:
    """Whether a new word stands before a known one (an admin session), after it (sessions abroad are) or after `of`."""
    before = kinds[place - 1] if place else ""
    after, following = (kinds[place + 1], clause[place + 1]) if place + 1 < len(clause) else ("", "")
    if (before == _EMPTY and after == _KNOWN) or (before == _KNOWN and following in _IS):
        return True
    return any(clause[at] in _OF for at in _back_over_articles(clause, place))


def _back_over_articles(clause: Sequence[str], place: int) -> Iterator[int]:
    """The places before one, to the first that is no article."""
    for at in range(place - 1, max(place - 3, -1), -1):
        yield at
        if clause[at] not in _ARTICLES:
            return


def _kind(word: str, vocabulary: set[str]) -> str:
    if word in SMALL or word in CONDITIONS:
        return _EMPTY
    stem = canonical(word)
    if holds(vocabulary, stem):
        return _KNOWN
    return _EMPTY if is_act(stem) and not is_measure(stem) else _NEW


def _other_cells(one: Claim, other: Claim) -> bool:
    """Whether two cells are of different columns, or of rows that another column tells apart."""
    if not (one.column and other.column):
        return False
    mine, theirs = stems(one.column), stems(other.column)
    if not all(holds(theirs, word) for word in mine) or not all(holds(mine, word) for word in theirs):
        return True
    return not share_a_code(one, other, 1) and any(
        other.row.get(column, value) != value for column, value in one.row.items()
    )
