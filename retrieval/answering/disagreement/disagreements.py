"""Sources that disagree: statements of two documents about the same thing, under the same conditions, whose values
differ.

A sentence or a table's cell is compared with those of other documents that bear on the question. They are about the
same thing if their words match, no word sets one apart (another variant, condition, name or limit), and their values
are of one kind. What is rounded, converted, or a range around the other's value agrees. Arithmetic on words, no model.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from itertools import product

from retrieval.answering.disagreement.lexicon import apart, canonical, is_act, is_measure, special
from retrieval.answering.evidence.quotes import Quote
from retrieval.searching.passage import Passage
from retrieval.text.sentences import split
from retrieval.text.values import Value, agree, values
from retrieval.text.words import COMMON, WORD

READ = 8
"""Passages that are compared."""
ALIKE = 0.75
"""Least share of the words of both statements that the other one, its headings or the question hold."""
SHARED = 0.5
"""Least share that the statements themselves have in common."""
ALIKE_CODES, ALIKE_NAMES = 0.9, 0.85
"""The same where the values are codes, and where they are names or a yes and a no, of which more differ for other
reasons.
"""
MOST = 60
"""Statements that are compared, those nearest to the question."""
ENDING = 4
"""Letters that a form of a word may have more than its stem,"""
BEGINNING = 6
"""and that the beginning of a compound has at the least."""
WHO = "?who"
"""Stands among the question's words where it asks for a person or a place, which a name then is."""
SAME_CODES = 2
"""Codes in common from which on two statements are about the same thing, whatever else they say of it."""
LEAST_SHARED = 2
"""Words at least, of each."""
SIMILAR = 0.35
"""Cosine with the question from which on a statement is near it,"""
NEAR = 0.3
"""and where that is not known, the share of the question's words that it and its headings hold."""


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


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two documents that state different values of `what`; `newer` is the one that was changed last."""

    newer: StatedValue
    older: StatedValue
    what: str

    def __str__(self) -> str:
        return f"The documents disagree: {_named(self.newer)}, {_named(self.older)}."


def disagreements(question: str, passages: Sequence[Passage], evidence: Sequence[Quote]) -> list[Disagreement]:
    """Where passages of different documents state different values for what the question asks, at least one of them in
    the evidence; each pair of documents once, nearest to the question first.
    """
    codes = [name for name, _ in _names(question) if not name.isalpha()]
    who = [WHO] if _ASKS_WHO.search(question) else []
    asked = frozenset([*_stems(_AFTER_MODAL.sub(" ", question)), *codes, *who])
    stated = [one for passage in passages[:READ] for one in _statements(passage, asked)]
    stated = sorted(stated, key=lambda one: -one.similarity)[:MOST]
    shown = [one for one in stated if _is_among(one, evidence)]
    found: dict[frozenset[int], Disagreement] = {}
    for one, other in product(shown, stated):
        pair = frozenset((one.passage.document_id, other.passage.document_id))
        if len(pair) == 2 and pair not in found and (differing := _differing(one, other, asked)):
            found[pair] = _ordered(one, other, *differing)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class _Statement:
    """A sentence, or of a table's row one cell. `words` are what it says by their stems, without its values, with their
    places; `context` are the stems of its title, headings, and the row's other cells; `names` its codes and proper
    names.
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


_CODE = re.compile(
    r"(?<![\w-])(?:(?=[^\s]{0,40}\d)[^\W\d_]{1,40}[\w]{0,40}(?:[-./][^\W_]{1,40}){0,8}"
    r"|(?!EUR|USD|CHF|GBP|NIS|ILS)[A-ZÄÖÜ]{1,5} \d{1,5})"
    r"(?![\w%°])"
)
_CAPITALS = re.compile(
    r"(?<=[^\s.!?:|>*_\"“„(] )(?!Mr\b|Mrs\b|Ms\b|Dr\b)[A-ZÀ-Þ][a-zß-ÿ’'-]+(?: [A-ZÀ-Þ][a-zß-ÿ’'-]+)*"
)
_GERMAN = re.compile(
    r"\b(?:[Dd]er|[Dd]ie|[Dd]as|den|dem|und|ist|wird|werden|sind|mit|für|nicht|beträgt|zum|zur|alle|ein|eine|nach|bei)\b"
)
_CELL = re.compile(r"^([^:\n]{1,60}):[ \t]+(.+)$", re.MULTILINE)
_LEAST = re.compile(r"\b(?:at least|(?:not|no) less than|mindestens|wenigstens|לפחות)\b", re.IGNORECASE)
_MOST = re.compile(r"\b(?:at most|(?:not|no) more than|up to|höchstens|bis zu|לכל היותר|עד)\b", re.IGNORECASE)
_BOUND = {canonical(word) for word in ("minimum", "maximum")}
_CONDITION = frozenset(
    "if when while unless during in for at with without under above below outside inside after before on only "
    "except per until since by over from wenn falls bei im für mit ohne unter über während nach vor außer nur ab "
    "am von durch אם כאשר בזמן ללא עבור תוך רק".split()
)
_CLAUSE = re.compile(r"[,;:.!?()|\n]")
_CLAUSE_AND_MARK = re.compile(r"([,;:.!?()|\n])")
_HEBREW_IN = re.compile(r"ב[א-ת]{3,}$")
_AFTER_MODAL = re.compile(r"\b(?:may|must|can|should|shall|to)\s+([^\W\d_]+)", re.IGNORECASE)
_BACK = re.compile(r"^\s*(?:before|vor|from|ab|לפני)\b")
_NOUN_FOLLOWS = re.compile(r"\s+[^\W\d_]{3,}")
_ASKS_WHO = re.compile(r"\b(?:who|whom|whose|where|wer|wen|wem|wo|wohin|מי|איפה|למי)\b", re.IGNORECASE)
SMALL, KNOWN, NEW = "small", "known", "new"
_IS = frozenset("is are was were has have must ist sind war hat haben muss beträgt".split())
_OF = frozenset("of from des von של".split())
_ARTICLES = frozenset("a an the der die das dem den einer eines einem einen ein eine".split())
_PAUSE = re.compile(r"[,;:.!?()|\n]|\b(?:and|und)\b")
_FORBIDDEN = frozenset({canonical("forbidden")})
_ALLOWED = _FORBIDDEN | {canonical("allowed")}
_DENIAL = frozenset(
    "no not never none cannot can't don't doesn't isn't won't mustn't without nor neither kein keine keinen keiner "
    "nicht nie niemals ohne לא אין אסור בלי ללא".split()
)
_SMALL = COMMON | frozenset(
    "der die das den dem des ein eine einen einem einer eines und oder aber ist sind wird werden wurde hat haben "
    "muss müssen kann können darf soll sollen für von mit bei nach vor zu zum zur im in am an auf aus es er sie "
    "man alle jede jeder jedes jeden als um über unter auch noch dann sich durch של את על עם יש זה היא הוא הם או "
    "גם כי כל מה מי איך כמה מתי איפה צריך ניתן every each all must may shall be being been have having about "
    "approximately approx around roughly ca circa always usually normally generally now please note that "
    "whichever comes first only exactly needs how often much many which what who where when needed get gets last "
    "due set advance operation total general need example use uses using usual mr ms mrs dr herr frau wie oft "
    "lang lange viel viele welche welcher welches welchem wer wo wann voraus regel betrieb run runs place keep "
    "keeps kept put puts take takes connect give gives make makes reach reaches amount amounts lies our your "
    "their between itself läuft beträgt liegt nimmt halten before after down let stand stands case according "
    "within".split()
)


def _statements(passage: Passage, asked: frozenset[str]) -> Iterator[_Statement]:
    """What a passage states that is near the question."""
    texts = [(sentence.text, sentence.similarity) for sentence in passage.sentences]
    header = next((line for line in passage.text.split("\n") if line.lstrip().startswith("|")), "")
    for text, similarity in texts or [(text, 0.0) for text in split(passage.text, passage.kind)]:
        if not _is_near(passage, text, similarity, asked):
            continue
        if passage.kind == "row":
            yield from _cells(passage, text, _CELL.findall(text), similarity)
        elif text.lstrip().startswith("|"):
            columns, row = _row(header), _row(text)
            if columns != row and len(columns) == len(row):
                yield from _cells(passage, text, list(zip(columns, row, strict=True)), similarity)
        else:
            yield _statement(passage, text, text, "", similarity)


def _cells(passage: Passage, text: str, cells: Sequence[tuple[str, str]], similarity: float) -> Iterator[_Statement]:
    """One statement a cell: its column and what the row is about, which its first cell names."""
    if not cells:
        return
    subject = cells[0][1]
    for place, (column, value) in enumerate(cells):
        if place:
            rest = " ".join(f"{c} {v}" for n, (c, v) in enumerate(cells) if n not in (0, place))
            said = _statement(passage, f"{subject}, {column.lower()}: {value}", rest, column, similarity)
            others = {c.lower(): v for n, (c, v) in enumerate(cells) if n != place}
            yield replace(said, text=text, row=others)


def _row(line: str) -> list[str]:
    return [cell.strip(" *_`") for cell in line.strip().strip("|").split("|")]


def _statement(passage: Passage, text: str, beside: str, column: str, similarity: float) -> _Statement:
    names = dict(_names(text))
    unnamed = _unnamed(text, names.values())
    stated = [value for value in values(unnamed) if not _is_label(unnamed, value)]
    bare = _LEAST.sub(" ", _MOST.sub(" ", _without(unnamed, [value.text for value in stated])))
    above = f"{passage.title} {passage.heading}"
    words = tuple(dict.fromkeys(_stems(bare)))
    return _Statement(
        passage=passage,
        text=text,
        words=words,
        beginnings=frozenset(word[:3] for word in words),
        context=frozenset(_stems(f"{above} {beside}")),
        names=names,
        near_names=_names_near(f"{above} {passage.text}"),
        values=tuple(stated),
        says_no=_denies(bare),
        similarity=similarity,
        conditions=tuple(_conditions_in(_until_the_last(unnamed, stated))),
        conditional=frozenset(v.start for v in stated if _last_word(unnamed[: v.start]) in _CONDITION),
        clauses=() if column else tuple(_clauses(unnamed, stated)),
        column=column,
    )


def _clauses(text: str, stated: Sequence[Value]) -> Iterator[tuple[tuple[str, ...], bool]]:
    """The words between values and pauses, up to the last value and its clause; and whether a comma leads on from them,
    to the first value.
    """
    after = _PAUSE.search(text, stated[-1].end if stated else len(text))
    marked = text[: after.start() if after else len(text)]
    for value in reversed(stated):
        marked = f"{marked[: value.start]}|{marked[value.end :]}"
    pieces = _CLAUSE_AND_MARK.split(marked)
    for place in range(0, len(pieces), 2):
        leads = place == 0 and len(pieces) > 1 and pieces[1] == "," and bool(stated)
        if words := tuple(word.lower() for word in WORD.findall(pieces[place])):
            yield words, leads


def _is_label(text: str, value: Value) -> bool:
    """Whether a number is part of what something is called: Step 4:, Table 2."""
    before = text[: value.start]
    word = _last_word(before)
    named = bool(word) and before.lower().endswith(f"{word} ") and word not in _SMALL
    return value.kind == "count" and named and not _NOUN_FOLLOWS.match(text[value.end :])


def _last_word(text: str) -> str:
    words = WORD.findall(text[-40:])
    return words[-1].lower() if words else ""


def _is_near(passage: Passage, text: str, similarity: float, asked: frozenset[str]) -> bool:
    """By its meaning where that is known, else by its words and headings."""
    if similarity or not asked:
        return similarity >= SIMILAR or not asked
    held = frozenset(_stems(f"{passage.title} {passage.heading} {text}"))
    return sum(_holds(held, word) for word in asked) >= NEAR * len(asked)


def _is_among(one: _Statement, evidence: Sequence[Quote]) -> bool:
    return any(quote.passage.chunk_id == one.passage.chunk_id and one.text in quote.text for quote in evidence)


def _differing(one: _Statement, other: _Statement, asked: frozenset[str]) -> tuple[str, str, str] | None:
    """The two values and what they are of, if both are about the same thing and do not agree."""
    share, known = _alike(one, other, asked)
    if share < SHARED or known < ALIKE or _set_apart(one, other, asked):
        return None
    if one.says_no != other.says_no:
        return _quoted(one, other) if share >= ALIKE_NAMES and not _other_names(one, other) else None
    if pair := _differing_names(one, other, asked):
        least = ALIKE if _same_codes(one, other) else ALIKE_CODES if _is_code(pair[0]) else ALIKE_NAMES
        return (*pair, _what(one, other)) if known >= least else None
    if not _other_names(one, other) and (values := _differing_values(one, other)):
        return values[0].text, values[1].text, _what(one, other)
    return None


def _alike(one: _Statement, other: _Statement, asked: frozenset[str]) -> tuple[float, float]:
    """The share of the words of both that the other one holds, and that it, its headings or the question hold."""
    both = one.names.keys() & other.names.keys()
    if not both and one.beginnings.isdisjoint(other.beginnings):
        return 0.0, 0.0
    mine, theirs = {*one.words, *both} - _ALLOWED, {*other.words, *both} - _ALLOWED
    shared = sum(_holds(theirs, word) for word in mine) + sum(_holds(mine, word) for word in theirs)
    known = sum(_holds(theirs | other.context | asked, word) for word in mine)
    known += sum(_holds(mine | one.context | asked, word) for word in theirs)
    acts = [
        sum(is_act(word) and not _holds(words, word) for word in said)
        for said, words in ((mine, theirs), (theirs, mine))
    ]
    # Of an act that one of them alone names (it is so long, it lasts so long) nothing follows.
    total = len(mine) + len(theirs) - (sum(acts) if min(acts) == 0 else 0)
    known = min(known, total)
    # Where hardly a word is there, all have to be known.
    enough = shared >= 2 * LEAST_SHARED or (shared >= 2 and known == total)
    return (shared / total, known / total) if enough else (0.0, 0.0)


def _set_apart(one: _Statement, other: _Statement, asked: frozenset[str]) -> bool:
    """Whether something tells that they are about different things, or hold under different conditions."""
    return (
        _limits(one, other, asked)
        or (one.values != () and one.says_no != other.says_no)
        or apart(frozenset(one.words), frozenset(other.words))
        or _special_case(one, other, asked)
        or _other_acts(one, other)
        or _asked_of_one(one, other, asked)
        or (not _same_codes(one, other) and (_conditions(one, other, asked) or _modified(one, other)))
        or _narrowed(one, other, asked)
        or _other_cells(one, other)
    )


def _limits(one: _Statement, other: _Statement, asked: frozenset[str]) -> bool:
    """Whether one says at least and the other at most, or one speaks of a minimum or maximum and the other does not."""
    least, most = ([bool(pattern.search(said.text)) for said in (one, other)] for pattern in (_LEAST, _MOST))
    bounds = [
        {word for word in _BOUND - asked if _holds({*said.words, *_stems(said.passage.heading)}, word)}
        for said in (one, other)
    ]
    return (least[0] and most[1]) or (most[0] and least[1]) or bounds[0] != bounds[1]


def _denies(text: str) -> bool:
    denials = sum(word.lower() in _DENIAL for word in WORD.findall(text))
    return (denials + any(word in _FORBIDDEN for word in _stems(text))) % 2 == 1


def _quoted(one: _Statement, other: _Statement) -> tuple[str, str, str]:
    """A yes and a no, each in its own words."""
    return f"“{one.text}”", f"“{other.text}”", _what(one, other)


def _is_code(name: str) -> bool:
    return any(map(str.isdigit, name))


def _same_codes(one: _Statement, other: _Statement) -> bool:
    return sum(map(_is_code, one.names.keys() & other.names.keys())) >= SAME_CODES


def _differing_names(one: _Statement, other: _Statement, asked: frozenset[str]) -> tuple[str, str] | None:
    """The one name or code of each that the other does not hold, where the question names neither."""
    mine, theirs = (sorted(a.names.keys() - b.names.keys()) for a, b in ((one, other), (other, one)))
    if len(mine) != 1 or len(theirs) != 1 or one.values or other.values:
        return None
    if {*mine, *theirs} & asked or _is_code(mine[0]) != _is_code(theirs[0]):
        return None
    if not _is_code(mine[0]) and WHO not in asked:
        return None
    return one.names[mine[0]], other.names[theirs[0]]


def _other_names(one: _Statement, other: _Statement) -> bool:
    """Whether each names something of its own, or one what the other document does not."""
    mine, theirs = one.names.keys() - other.names.keys(), other.names.keys() - one.names.keys()
    if mine and theirs:
        return True
    return not (mine <= other.near_names and theirs <= one.near_names)


def _conditions(one: _Statement, other: _Statement, asked: frozenset[str]) -> bool:
    """Whether one holds under a condition of which the other says nothing."""
    return any(
        not _holds({*said.words, *said.context, *asked}, word)
        for mine, said in ((one, other), (other, one))
        for word in mine.conditions
    )


def _other_cells(one: _Statement, other: _Statement) -> bool:
    """Whether two cells are of different columns, or of rows that another column tells apart."""
    if not (one.column and other.column):
        return False
    mine, theirs = _stems(one.column), _stems(other.column)
    if not all(_holds({*theirs}, word) for word in mine) or not all(_holds({*mine}, word) for word in theirs):
        return True
    same_code = any(map(_is_code, one.names.keys() & other.names.keys()))
    return not same_code and any(other.row.get(column, value) != value for column, value in one.row.items())


def _narrowed(one: _Statement, other: _Statement, asked: frozenset[str]) -> bool:
    """Whether one is about a part or a kind of what the other and the question speak of: admin sessions, the wall of
    the cellar; a clause before a comma says so, too (offline, …).
    """
    return any(
        _narrows(clause, {*said.words, *said.context, *asked}, leads)
        for mine, said in ((one, other), (other, one))
        for clause, leads in mine.clauses
    )


def _narrows(clause: Sequence[str], known: set[str], leads: bool) -> bool:
    kinds = [_kind(word, known) for word in clause]
    if leads and NEW in kinds and KNOWN not in kinds:
        return True
    return any(_is_narrowing(clause, kinds, place) for place, kind in enumerate(kinds) if kind == NEW)


def _is_narrowing(clause: Sequence[str], kinds: Sequence[str], place: int) -> bool:
    """Whether a new word stands before a known one (an admin session), after it (sessions abroad are) or after `of`."""
    before = kinds[place - 1] if place else ""
    after, following = (kinds[place + 1], clause[place + 1]) if place + 1 < len(clause) else ("", "")
    if (before == SMALL and after == KNOWN) or (before == KNOWN and following in _IS):
        return True
    return any(clause[at] in _OF for at in _back_over_articles(clause, place))


def _back_over_articles(clause: Sequence[str], place: int) -> Iterator[int]:
    """The places before one, to the first that is no article."""
    for at in range(place - 1, max(place - 3, -1), -1):
        yield at
        if clause[at] not in _ARTICLES:
            return


def _kind(word: str, known: set[str]) -> str:
    if word in _SMALL or word in _CONDITION:
        return SMALL
    stem = _stem(word)
    if _holds(known, stem):
        return KNOWN
    return SMALL if is_act(stem) and not is_measure(stem) else NEW


def _special_case(one: _Statement, other: _Statement, asked: frozenset[str]) -> bool:
    """Whether one is about a special case (the second coat) of which neither the other nor the question speaks."""
    return any(
        not _holds({*said.words, *said.context, *asked}, word)
        for mine, said in ((one, other), (other, one))
        for word in special(frozenset(mine.words))
    )


def _other_acts(one: _Statement, other: _Statement) -> bool:
    """Whether each speaks of an act or a measure of its own: change it, check it."""
    mine, theirs = ({word for word in said.words if is_act(word) and word not in _ALLOWED} for said in (one, other))
    return bool(mine - theirs and theirs - mine)


def _asked_of_one(one: _Statement, other: _Statement, asked: frozenset[str]) -> bool:
    """Whether one is about something in the question in whose place the other one has something else."""
    return any(
        any(_holds(mine, word) and not _holds(theirs, word) and not is_act(word) and word.isalpha() for word in asked)
        and any(not _holds(mine | asked, word) and (not is_act(word) or is_measure(word)) for word in said.words)
        for mine, said, theirs in (
            ({*one.words, *one.context}, other, {*other.words, *other.context}),
            ({*other.words, *other.context}, one, {*one.words, *one.context}),
        )
    )


def _modified(one: _Statement, other: _Statement) -> bool:
    """Whether the same word is made more precise in different ways: front tyres, rear tyres."""
    return any(
        not _holds({*other.words}, mine) and not _holds({*one.words}, theirs)
        for word in one.words
        if (at := _place(other.words, word)) is not None
        for mine, theirs in [(_before(one.words, one.words.index(word)), _before(other.words, at))]
        if mine and theirs and not is_act(mine) and not is_act(theirs)
    )


def _place(words: Sequence[str], word: str) -> int | None:
    return next((place for place, known in enumerate(words) if _same(known, word)), None)


def _before(words: Sequence[str], place: int) -> str:
    return words[place - 1] if place else ""


def _differing_values(one: _Statement, other: _Statement) -> tuple[Value, Value] | None:
    """The one value of each that the other does not state, if both are of one kind."""
    mine = [value for value in one.values if not any(agree(value, known) for known in other.values)]
    theirs = [value for value in other.values if not any(agree(value, known) for known in one.values)]
    pairs = [(a, b) for a, b in product(mine, theirs) if _comparable(a, b)]
    kinds = {a.kind for a, _ in pairs}
    if any(
        value.kind not in kinds and value.start in said.conditional
        for said, left in ((one, mine), (other, theirs))
        for value in left
    ):
        return None
    if len(kinds) != 1 or len({id(a) for a, _ in pairs}) != 1 or len({id(b) for _, b in pairs}) != 1:
        return None  # so much differs that they may be about different things: a monthly fee, a yearly one
    return pairs[0]


def _comparable(one: Value, other: Value) -> bool:
    """Of one kind; what is counted has to be the same, too."""
    if one.kind != other.kind:
        return False
    return one.kind != "count" or not one.unit or not other.unit or _same(_stem(one.unit), _stem(other.unit))


def _what(one: _Statement, other: _Statement) -> str:
    """The words that both have in common, as the first has them."""
    theirs = {*other.words, *other.names}
    words = [found for found in WORD.findall(one.text) if found.lower() not in _SMALL]
    return one.column or " ".join(dict.fromkeys(word for word in words if _holds(theirs, _stem(word.lower()))))


def _ordered(one: _Statement, other: _Statement, value: str, other_value: str, what: str) -> Disagreement:
    first, second = StatedValue(one.passage, one.text, value), StatedValue(other.passage, other.text, other_value)
    if _age(second) > _age(first):
        first, second = second, first
    return Disagreement(first, second, what)


def _age(said: StatedValue) -> float:
    return said.date.timestamp() if said.date else float("-inf")


def _named(said: StatedValue) -> str:
    day = said.date.date().isoformat() if said.date else "undated"
    return f"*{said.passage.title}* ({day}) says {said.value}"


def _unnamed(text: str, names: Iterable[str]) -> str:
    for name in names:
        text = text.replace(name, " " * len(name))
    return text


def _without(text: str, parts: Iterable[str]) -> str:
    for part in parts:
        text = text.replace(part, " " * len(part), 1)
    return text


def _until_the_last(text: str, stated: Sequence[Value]) -> str:
    """The text without its values, and without the clauses after the last of them."""
    if not stated:
        return text
    after = text[stated[-1].end :]
    if _BACK.match(after):  # from when the time is counted
        after = ""
    pause = _PAUSE.search(after)
    said = text[: stated[-1].end] + after[: pause.start() if pause else len(after)]
    return _LEAST.sub(" ", _MOST.sub(" ", _without(said, [value.text for value in stated])))


def _conditions_in(text: str) -> Iterator[str]:
    """What stands behind `in`, `for`, `with` and the like: the first word that says something, by its stem."""
    for clause in _CLAUSE.split(text):
        words = [found.lower() for found in WORD.findall(clause)]
        for place, word in enumerate(words):
            if _HEBREW_IN.match(word):
                yield _stem(word)
            following = next((other for other in words[place + 1 :] if other not in _SMALL | _CONDITION), "")
            if word in _CONDITION and following:
                yield _stem(following)


@lru_cache(maxsize=256)
def _names_near(text: str) -> frozenset[str]:
    return frozenset(name for name, _ in _names(text))


def _names(text: str) -> Iterator[tuple[str, str]]:
    """Codes, written alike however they are joined, and proper names; each with how it is written."""
    for found in _CODE.finditer(text):
        yield re.sub(r"[-./ ]", "", found[0].lower()), found[0]
    if not _GERMAN.search(text):  # where every noun has a capital
        for found in _CAPITALS.finditer(text):
            if found[0].lower() not in _SMALL | _CONDITION:
                yield found[0].lower(), found[0]


def _stems(text: str) -> list[str]:
    return [_stem(word) for word in (found.lower() for found in WORD.findall(text)) if word not in _SMALL]


@lru_cache(maxsize=4096)
def _stem(word: str) -> str:
    """Without its ending, or in Hebrew its beginning; words for the same action are one."""
    return canonical(word)


def _holds(words: set[str] | frozenset[str], word: str) -> bool:
    return word in words or any(_same(known, word) for known in words)


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    if len(short) < 4 or any(map(str.isdigit, long)):
        return False
    if len(long) - len(short) > ENDING:  # a compound of which it is the beginning
        return len(short) >= BEGINNING and long.startswith(short)
    return long.startswith(short[: max(4, len(short) - 2)])
