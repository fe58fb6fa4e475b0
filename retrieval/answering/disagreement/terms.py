"""The words of claims as they are compared: which of them say something, by which stems, and when two are the same.

What sets two words apart, and which mean the same act, is in the lexicon.
"""

import re
from collections.abc import Collection, Iterator

from retrieval.answering.disagreement.lexicon import canonical
from retrieval.text.words import COMMON, WORD

ENDING = 4
"""Letters that a form of a word may have more than its stem."""
BEGINNING = 6
"""Letters that the beginning of a compound has at the least."""

CONDITIONS = frozenset(
    "if when while unless during in for at with without under above below outside inside after before on only "
    "except per until since by over from wenn falls bei im für mit ohne unter über während nach vor außer nur ab "
    "am von durch אם כאשר בזמן ללא עבור תוך רק".split()
)
"""Words that lead to the condition under which a claim holds."""
SMALL = COMMON | frozenset(
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
"""Words that do not say what a claim is about."""

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
_SEPARATORS = re.compile(r"[-./ ]")


def stems(text: str) -> list[str]:
    """The stems of the words that say something, in order; words for the same act have one in common."""
    return [canonical(word) for word in map(str.lower, WORD.findall(text)) if word not in SMALL]


def holds(words: Collection[str], word: str) -> bool:
    """Whether stems hold this one, or one that counts as the same."""
    return word in words or any(same(other, word) for other in words)


def same(one: str, other: str) -> bool:
    """Whether two stems are of one word: forms of it, or a compound and its beginning."""
    if one == other:
        return True
    short, long = sorted((one, other), key=len)
    if len(short) < 4 or any(map(str.isdigit, long)):
        return False
    if len(long) - len(short) > ENDING:  # a compound of which it is the beginning
        return len(short) >= BEGINNING and long.startswith(short)
    return long.startswith(short[: max(4, len(short) - 2)])


def names_in(text: str) -> Iterator[tuple[str, str]]:
    """Codes, written alike however they are joined, and proper names; each with how it is written."""
    for match in _CODE.finditer(text):
        yield _SEPARATORS.sub("", match[0].lower()), match[0]
    if not _GERMAN.search(text):  # where every noun has a capital
        for match in _CAPITALS.finditer(text):
            if match[0].lower() not in SMALL | CONDITIONS:
                yield match[0].lower(), match[0]


def is_code(name: str) -> bool:
    """Whether a name is a code, which has a digit."""
    return any(map(str.isdigit, name))
