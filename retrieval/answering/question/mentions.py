"""What a question names and no passage holds: a code, a numbered thing or a name, for which a neighbour must not stand.

A106 is not answered with what is said of A101. The same code may be written HP-200, HP200 or hp 200; the same alarm
`alarm 3`, `ALARM:3` or as a row `Alarm code: 3`. Hebrew words lose the letters that stand before them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

from retrieval.searching.passage import Passage
from retrieval.text.lexemes import identifiers
from retrieval.text.stems import stem
from retrieval.text.values import is_unit
from retrieval.text.words import COMMON, WORD

LIKE = 0.5
"""Least likeness of the nearest code, as difflib measures it."""

_TOKEN = re.compile(r"(?<![^\W_])[$#]?[^\W_]+(?:[-_./:][^\W_]+)*")
_JOINT = re.compile(r"[-_./:# ]")
_PARTS = re.compile(r"[-_./:]")
_LETTERS_THEN_DIGITS = re.compile(r"[$#]?[^\W\d_]+\d+")
_NUMBER_AND_UNIT = re.compile(r"\d+([^\W\d_]+)")
# A word and the number that it bears (alarm 3, alarm code 3, hp 200), unless that is an amount (20 mm, 20 °C, 1.5).
_NUMBERED = re.compile(
    r"(?<![^\W_])(?<!\d )(?P<word>[^\W\d_]{2,20})[ \t]+(?:(?:code|no|nr|number|nummer|מספר|מס)\b\.?[ \t]*)?"
    r"(?P<number>\d{1,6})"
    r"(?![\w.,:/%°-]*\w|[ \t]?[%°€$])(?:[ \t]+(?P<after>[^\W\d_]+))?"
)
# Not at the beginning of a sentence; in a language that gives every noun a capital, after what leads to a name.
_NAME = re.compile(r"(?<=[^\s.!?:>] )(?P<name>[A-ZÀ-Þ][^\W_]*[^\W\d_](?:[-’'][^\W_]+)*)(?! \d)")
_NOUNS_HAVE_CAPITALS = re.compile(r"\b(?:[Dd]er|[Dd]ie|[Dd]as|den|dem|und|ist|wird|werden|sind|für|nicht|[Ww]ie|ich)\b")
_LEADS_TO_NAME = re.compile(r"\b(?:von|bei|mit|durch|gegen)\s+$")
_HEBREW_PREFIX = re.compile(r"^[והבלכמש]{1,2}-(?=[A-Za-z])")
_HEBREW = re.compile(r"[א-ת]")
_AMONG = 4
"""Letters from which on a name may stand within a longer word."""


@dataclass(frozen=True, slots=True)
class Mention:
    """A thing that a question names: as it is written, and in the one way that all ways of writing it have in common.

    `kind`: "code" (A106), "numbered" (alarm 3) or "name".
    """

    text: str
    key: str
    kind: str


def mentions_in(question: str) -> list[Mention]:
    """The codes, numbered things and proper names of a question, each once: codes before names."""
    by_key: dict[str, Mention] = {}
    for mention in (*_codes(question), *_numbered(question), *_names(question)):
        by_key.setdefault(mention.key, mention)
    return list(by_key.values())


def missing_mentions(question: str, passages: Sequence[Passage]) -> list[str]:
    """What the question names and no passage holds, titles and headings included, as the question has it.

    A numbered thing counts where the passages number such things, too (alarm 4): else it may be an amount.
    """
    in_passages = _held(passages)
    return [mention.text for mention in mentions_in(question) if _is_missing(mention, in_passages)]


def names_only_what_is_missing(question: str, passages: Sequence[Passage]) -> bool:
    """Whether the question names codes or numbered things and none of them stands in the passages."""
    in_passages = _held(passages)
    codes = [mention for mention in mentions_in(question) if mention.kind != "name"]
    absent = [mention for mention in codes if _is_missing(mention, in_passages)]
    return bool(absent) and not any(mention.key in in_passages.keys for mention in codes)


def nearest_mention(absent: str, passages: Sequence[Passage]) -> str | None:
    """What in the passages is called most like it: the same letters with another number; None if nothing is."""
    mention = next(iter(mentions_in(f"- {absent}")), None)
    if mention is None or mention.kind == "name":
        return None
    neighbours = _held(passages).neighbours(mention.key)
    likeness = {key: SequenceMatcher(None, mention.key, key).ratio() for key in neighbours}
    like = [key for key in neighbours if likeness[key] >= LIKE]
    best = min(like, key=lambda key: (_apart(mention.key, key), -likeness[key]), default=None)
    return neighbours[best] if best is not None else None


def not_mentioned(absent: Sequence[str], passages: Sequence[Passage]) -> str:
    """What an abstention says of them: `The documents don't mention A106; the nearest is A101.`"""
    text = "The documents don't mention " + " or ".join(absent)
    nearest = next(filter(None, (nearest_mention(name, passages) for name in absent)), None)
    return f"{text}; the nearest is {nearest}." if nearest else f"{text}."


@dataclass(frozen=True, slots=True)
class _PassageMentions:
    """What passages name: their codes and numbered things by key, as they are first written; and all of their words."""

    keys: dict[str, str]
    words: frozenset[str]

    def neighbours(self, key: str) -> dict[str, str]:
        """The codes and numbered things of the same letters with other digits."""
        letters = _letters(key)
        return {other: text for other, text in self.keys.items() if other != key and _letters(other) == letters}

    def has_name(self, name: str) -> bool:
        return name in self.words or (
            len(name) >= _AMONG and any(name in word or (len(word) >= _AMONG and word in name) for word in self.words)
        )


def _held(passages: Sequence[Passage]) -> _PassageMentions:
    return _held_in(tuple(f"{passage.title}\n{passage.heading}\n{passage.reading}" for passage in passages))


@lru_cache(maxsize=64)
def _held_in(texts: tuple[str, ...]) -> _PassageMentions:
    keys: dict[str, str] = {}
    for text in texts:
        for mention in (*_codes(text), *_numbered(text, amounts=True)):
            keys.setdefault(mention.key, mention.text)
        for identifier in identifiers(text):  # a table's cells among them
            keys.setdefault(_key(identifier), identifier)
    words = frozenset(_bare(word.lower()) for text in texts for word in WORD.findall(text))
    return _PassageMentions(keys, words)


def _is_missing(mention: Mention, in_passages: _PassageMentions) -> bool:
    if mention.kind == "name":
        return not in_passages.has_name(_bare(mention.text.lower()))
    return mention.key not in in_passages.keys and (mention.kind == "code" or bool(in_passages.neighbours(mention.key)))


def _codes(text: str) -> Iterator[Mention]:
    """What is written in one, with letters and digits, and is no amount; its parts, too, if they are such (G28/G30)."""
    for match in _TOKEN.finditer(text):
        token = _HEBREW_PREFIX.sub("", match[0])
        parts = [part for part in _PARTS.split(token) if _LETTERS_THEN_DIGITS.match(part)]
        if _is_code(token):
            several = "/" in token and len(parts) > 1
            for part in parts if several else [token]:
                yield Mention(part, _key(part), "code")


def _is_code(token: str) -> bool:
    if not any(map(str.isdigit, token)) or not any(character.isalpha() or character == "$" for character in token):
        return False
    if amount := _NUMBER_AND_UNIT.fullmatch(token.replace(".", "").replace("-", "")):  # 30kHz, 24-hour; but 4711-A
        return len(amount[1]) == 1 and token[-1].isupper() and "-" in token
    return True


def _numbered(text: str, *, amounts: bool = False) -> Iterator[Mention]:
    """`alarm 3`. In a question an amount is told by the unit after it."""
    for match in _NUMBERED.finditer(text):
        word, after = match["word"].lower(), (match["after"] or "").lower()
        if word not in COMMON and (amounts or not is_unit(after)):
            text_of_it = match[0][: match.end("number") - match.start()]
            yield Mention(text_of_it, _bare(word) + match["number"], "numbered")


def _names(question: str) -> Iterator[Mention]:
    nouns_have_capitals = bool(_NOUNS_HAVE_CAPITALS.search(question))
    if question.upper() == question or _is_in_title_case(question):
        return
    for match in _NAME.finditer(question):
        name = re.sub(r"[’']s$", "", match["name"])
        leads = _LEADS_TO_NAME.search(question[: match.start()])
        if name.lower() not in COMMON and not _is_code(name) and (leads or not nouns_have_capitals):
            yield Mention(name, _bare(name.lower()), "name")


def _is_in_title_case(question: str) -> bool:
    words = [word for word in WORD.findall(question) if len(word) > 3]
    return len(words) > 2 and all(word[0].isupper() for word in words)


def _key(code: str) -> str:
    bare = _JOINT.sub("", code.lower())
    return _bare(bare) if _HEBREW.match(bare) else bare


def _bare(word: str) -> str:
    """A word of letters without its ending; of Hebrew, without what stands before it."""
    return stem(word)


def _apart(one: str, other: str) -> int:
    """How far their numbers lie apart."""
    mine, theirs = (int(re.sub(r"\D", "", key) or 0) for key in (one, other))
    return abs(mine - theirs)


def _letters(key: str) -> str:
    return re.sub(r"\d+", "0", key)
