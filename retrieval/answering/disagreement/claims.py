"""What passages state near a question: sentences, and the cells of table rows, taken apart into words and values.

A claim knows its passage and the conditions that it names, so that two claims can be told apart before their values
are compared.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from retrieval.answering.disagreement.lexicon import canonical
from retrieval.answering.disagreement.terms import CONDITIONS, SMALL, holds, is_code, names_in, stems
from retrieval.searching.passage import Passage
from retrieval.text.sentences import split
from retrieval.text.values import Value, values
from retrieval.text.words import WORD

SIMILAR = 0.35
"""Cosine with the question from which on a sentence is near it."""
NEAR = 0.3
"""Where no cosine is known: the share of the question's words that a sentence and its headings hold."""
WHO = "?who"
"""Stands among the question's terms where it asks for a person or a place, which a name then is."""

AT_LEAST = re.compile(r"\b(?:at least|(?:not|no) less than|mindestens|wenigstens|לפחות)\b", re.IGNORECASE)
AT_MOST = re.compile(r"\b(?:at most|(?:not|no) more than|up to|höchstens|bis zu|לכל היותר|עד)\b", re.IGNORECASE)
_CELL = re.compile(r"^([^:\n]{1,60}):[ \t]+(.+)$", re.MULTILINE)
_CLAUSE = re.compile(r"[,;:.!?()|\n]")
_CLAUSE_AND_MARK = re.compile(r"([,;:.!?()|\n])")
_HEBREW_IN = re.compile(r"ב[א-ת]{3,}$")
_AFTER_MODAL = re.compile(r"\b(?:may|must|can|should|shall|to)\s+([^\W\d_]+)", re.IGNORECASE)
_COUNTED_FROM = re.compile(r"^\s*(?:before|vor|from|ab|לפני)\b")
_NOUN_FOLLOWS = re.compile(r"\s+[^\W\d_]{3,}")
_ASKS_WHO = re.compile(r"\b(?:who|whom|whose|where|wer|wen|wem|wo|wohin|מי|איפה|למי)\b", re.IGNORECASE)
_PAUSE = re.compile(r"[,;:.!?()|\n]|\b(?:and|und)\b")
_FORBIDDEN = canonical("forbidden")
_DENIALS = frozenset(
    "no not never none cannot can't don't doesn't isn't won't mustn't without nor neither kein keine keinen keiner "
    "nicht nie niemals ohne לא אין אסור בלי ללא".split()
)


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence, or of a table's row one cell.

    `words` are what it says by their stems, without its values, in order; `beginnings` their first letters. `context`
    are the stems of its title, headings, and the row's other cells. `names` are its codes and proper names with how
    they are written, `near_names` those of its whole passage. `conditions` are the first words behind `in`, `for` and
    the like; `conditional` says where those of its values begin that stand behind such a word. `clauses` are the words
    between values and pauses, each with whether a comma leads on from them to the first value. `column` and `row` are
    of a cell: its column, and the other cells by theirs.
    """

    passage: Passage
    text: str
    words: tuple[str, ...]
    beginnings: frozenset[str]
    context: frozenset[str]
    names: Mapping[str, str]
    near_names: frozenset[str]
    values: tuple[Value, ...]
    says_no: bool
    similarity: float
    conditions: tuple[str, ...] = ()
    conditional: frozenset[int] = frozenset()
    clauses: tuple[tuple[tuple[str, ...], bool], ...] = ()
    column: str = ""
    row: Mapping[str, str] = field(default_factory=dict)

    @property
    def vocabulary(self) -> set[str]:
        """Its own stems and those of its context."""
        return {*self.words, *self.context}


def question_terms(question: str) -> frozenset[str]:
    """What a question asks about: the stems of its words, its codes, and `WHO`."""
    codes = [name for name, _ in names_in(question) if not name.isalpha()]
    who = [WHO] if _ASKS_WHO.search(question) else []
    return frozenset([*stems(_AFTER_MODAL.sub(" ", question)), *codes, *who])


def claims_of(passage: Passage, terms: frozenset[str]) -> Iterator[Claim]:
    """What a passage states that is near the question with these terms."""
    texts = [(sentence.text, sentence.similarity) for sentence in passage.sentences]
    header = next((line for line in passage.text.split("\n") if line.lstrip().startswith("|")), "")
    for text, similarity in texts or [(text, 0.0) for text in split(passage.text, passage.kind)]:
        if not _is_near(passage, text, similarity, terms):
            continue
        if passage.kind == "row":
            yield from _cells(passage, text, _CELL.findall(text), similarity)
        elif text.lstrip().startswith("|"):
            columns, row = _table_row(header), _table_row(text)
            if columns != row and len(columns) == len(row):
                yield from _cells(passage, text, list(zip(columns, row, strict=True)), similarity)
        else:
            yield _claim(passage, text, text, "", similarity)


def share_a_code(claim: Claim, other: Claim, least: int) -> bool:
    """Whether two claims name at least so many codes in common."""
    return sum(map(is_code, claim.names.keys() & other.names.keys())) >= least


def _is_near(passage: Passage, text: str, similarity: float, terms: frozenset[str]) -> bool:
    """Whether a text is near the question: by its meaning where that is known, else by its words and headings."""
    if similarity or not terms:
        return similarity >= SIMILAR or not terms
    words = frozenset(stems(f"{passage.title} {passage.heading} {text}"))
    return sum(holds(words, term) for term in terms) >= NEAR * len(terms)


def _cells(passage: Passage, text: str, cells: Sequence[tuple[str, str]], similarity: float) -> Iterator[Claim]:
    """One claim a cell: its column and what the row is about, which its first cell names."""
    if not cells:
        return
    subject = cells[0][1]
    for place, (column, value) in enumerate(cells):
        if place:
            rest = " ".join(f"{c} {v}" for n, (c, v) in enumerate(cells) if n not in (0, place))
            claim = _claim(passage, f"{subject}, {column.lower()}: {value}", rest, column, similarity)
            others = {c.lower(): v for n, (c, v) in enumerate(cells) if n != place}
            yield replace(claim, text=text, row=others)


def _table_row(line: str) -> list[str]:
    return [cell.strip(" *_`") for cell in line.strip().strip("|").split("|")]


def _claim(passage: Passage, text: str, beside: str, column: str, similarity: float) -> Claim:
    names = dict(names_in(text))
    unnamed = _without_names(text, names.values())
    stated = [value for value in values(unnamed) if not _is_label(unnamed, value)]
    bare = _without_bounds(_without_values(unnamed, stated))
    above = f"{passage.title} {passage.heading}"
    words = tuple(dict.fromkeys(stems(bare)))
    return Claim(
        passage=passage,
        text=text,
        words=words,
        beginnings=frozenset(word[:3] for word in words),
        context=frozenset(stems(f"{above} {beside}")),
        names=names,
        near_names=_names_near(f"{above} {passage.text}"),
        values=tuple(stated),
        says_no=_says_no(bare),
        similarity=similarity,
        conditions=tuple(_conditions(_until_the_last(unnamed, stated))),
        conditional=frozenset(v.start for v in stated if _last_word(unnamed[: v.start]) in CONDITIONS),
        clauses=() if column else tuple(_clauses(unnamed, stated)),
        column=column,
    )


def _clauses(text: str, stated: Sequence[Value]) -> Iterator[tuple[tuple[str, ...], bool]]:
    """The words between values and pauses, up to the last value and its clause; and whether a comma leads on from them,
    to the first value.
    """
    after = _PAUSE.search(text, stated[-1].end if stated else len(text))
    marked_text = text[: after.start() if after else len(text)]
    for value in reversed(stated):
        marked_text = f"{marked_text[: value.start]}|{marked_text[value.end :]}"
    pieces = _CLAUSE_AND_MARK.split(marked_text)
    for place in range(0, len(pieces), 2):
        leads = place == 0 and len(pieces) > 1 and pieces[1] == "," and bool(stated)
        if words := tuple(word.lower() for word in WORD.findall(pieces[place])):
            yield words, leads


def _is_label(text: str, value: Value) -> bool:
    """Whether a number is part of what something is called: Step 4:, Table 2."""
    before = text[: value.start]
    word = _last_word(before)
    is_called = bool(word) and before.lower().endswith(f"{word} ") and word not in SMALL
    return value.kind == "count" and is_called and not _NOUN_FOLLOWS.match(text[value.end :])


def _last_word(text: str) -> str:
    words = WORD.findall(text[-40:])
    return words[-1].lower() if words else ""


def _says_no(text: str) -> bool:
    """Whether a text denies or forbids, but not both."""
    denials = sum(word.lower() in _DENIALS for word in WORD.findall(text))
    return (denials + (_FORBIDDEN in stems(text))) % 2 == 1


def _without_names(text: str, names: Iterable[str]) -> str:
    for name in names:
        text = text.replace(name, " " * len(name))
    return text


def _without_values(text: str, stated: Iterable[Value]) -> str:
    for value in stated:
        text = text.replace(value.text, " " * len(value.text), 1)
    return text


def _without_bounds(text: str) -> str:
    return AT_LEAST.sub(" ", AT_MOST.sub(" ", text))


def _until_the_last(text: str, stated: Sequence[Value]) -> str:
    """The text without its values, and without the clauses after the last of them."""
    if not stated:
        return text
    after = text[stated[-1].end :]
    if _COUNTED_FROM.match(after):
        after = ""
    pause = _PAUSE.search(after)
    before = text[: stated[-1].end] + after[: pause.start() if pause else len(after)]
    return _without_bounds(_without_values(before, stated))


def _conditions(text: str) -> Iterator[str]:
    """What stands behind `in`, `for`, `with` and the like: the first word that says something, by its stem."""
    for clause in _CLAUSE.split(text):
        words = [word.lower() for word in WORD.findall(clause)]
        for place, word in enumerate(words):
            if _HEBREW_IN.match(word):
                yield canonical(word)
            following = next((other for other in words[place + 1 :] if other not in SMALL | CONDITIONS), "")
            if word in CONDITIONS and following:
                yield canonical(following)


@lru_cache(maxsize=256)
def _names_near(text: str) -> frozenset[str]:
    return frozenset(name for name, _ in names_in(text))
