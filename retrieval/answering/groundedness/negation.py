"""What a text denies, how far a denial reaches, and what is the opposite of a word: signs of contradiction.

The lists are short and of several languages; whether and how much they count is learned, none of them decides alone.
The contrasts of retrieval.answering.disagreement.lexicon are others: they decide what is compared at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from retrieval.answering.groundedness.forms import WordForm
from retrieval.text.words import COMMON

NOT_DENIED = -1
"""In place of a place, for words that no denial is near to."""
REACH = 12
"""Words before and after a denial that it may speak of."""

DENIALS = frozenset(
    # English; "n't" is looked for at the end of a word
    "no not never none cannot without neither nor nobody nothing unable dont doesnt isnt wont cant "
    # German
    "nicht kein keine keinen keiner keinem keines nie niemals ohne weder nichts "
    # Hebrew
    "לא אי אין אינו אינה אינם אינן ללא בלי אל אסור "
    # French, Spanish, Italian, Dutch, Swedish
    "ne pas jamais sans aucun aucune sin nunca ningún ninguna tampoco non senza mai niet geen nooit "
    "zonder inte ej aldrig utan ingen inga inget".split()
)

ONLY = frozenset("only just merely solely simply nur bloß lediglich רק seulement solo soltanto alleen bara".split())
"""Words after a denial that leave what it says standing (not only, nicht nur)."""

_PAIRS = """
enable disable|enabled disabled|enables disables|allow deny|allowed denied|allow forbid|allowed forbidden
allow prevent|allows prevents|increase decrease|increases decreases|increased decreased|open close|opens closes
opened closed|open closed|start stop|starts stops|above below|over under|before after|more less|more fewer
maximum minimum|max min|highest lowest|higher lower|high low|left right|true false|always never|with without
required optional|mandatory optional|include exclude|includes excludes|included excluded|accept reject
accepts rejects|accepted rejected|public private|internal external|add remove|added removed|success failure
succeeds fails|on off|up down|first last|earlier later|earliest latest|old new|older newer|inside outside
connect disconnect|lock unlock|locked unlocked|encrypted unencrypted|install uninstall|hot cold|hard soft|fast slow
longer shorter|long short|large small|larger smaller|raise lower|positive negative|active inactive|valid invalid
manual automatic|manually automatically|male female|free paid|many few|agree disagree|possible impossible
wet dry|full empty|loosen tighten|clockwise anticlockwise|upper lower|front rear|input output|buy sell|win lose
einschalten ausschalten|ein aus|öffnen schließen|offen geschlossen|vor nach|mehr weniger|höher niedriger
maximal minimal|links rechts|oben unten|immer nie|mit ohne|erlaubt verboten|zulässig unzulässig|erhöhen verringern
über unter|warm kalt|lösen anziehen|vorne hinten|heiß kalt|starten stoppen|größer kleiner
לפני אחרי|פתוח סגור|מעל מתחת|יותר פחות|ימין שמאל|מותר אסור|עם בלי|להפעיל לכבות|גבוה נמוך|חם קר|תמיד לעולם
"""


def denies(form: str) -> bool:
    """Whether a word, in its form, denies what stands near it."""
    return form in DENIALS or form.endswith("n't")


def _opposites() -> dict[str, frozenset[str]]:
    antonyms: dict[str, set[str]] = {}
    for pair in _PAIRS.replace("\n", "|").split("|"):
        if pair.strip():
            one, other = pair.split()
            antonyms.setdefault(one, set()).add(other)
            antonyms.setdefault(other, set()).add(one)
    return {word: frozenset(others) for word, others in antonyms.items()}


OPPOSITES = _opposites()
_UNDOING = ("un", "in", "im", "ir", "non", "dis", "de", "nicht", "a", "anti")


def opposites(form: str) -> frozenset[str]:
    """The listed opposites of a word, and itself with or without a prefix that undoes it."""
    antonyms = OPPOSITES.get(form, frozenset())
    prefixed = {prefix + form for prefix in _UNDOING[:6] if len(form) >= 5}
    bare = {form[len(p) :] for p in _UNDOING[:6] if form.startswith(p) and len(form) - len(p) >= 5}
    return antonyms | prefixed | bare


def clause_breaks(text: str, of_text: Sequence[WordForm]) -> list[bool]:
    """Whether a clause ends before each word of a text."""
    if not of_text:
        return []
    breaks = [True]
    for one, other in pairwise(of_text):
        between = text[one.end : other.start]
        breaks.append(any(mark in between for mark in ".;,:!?\n|("))
    return breaks


def denying(forms: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Says of each word whether it denies; "not only" does not."""
    return np.array(
        [denies(form) and following not in ONLY for form, following in zip(forms, [*forms, ""][1:], strict=True)], bool
    )


def _denied_heads(forms: Sequence[str], breaks: Sequence[bool]) -> npt.NDArray[np.int64]:
    """For each word that is denied the place of what its denial speaks of first, else NOT_DENIED.

    Denied are three words after a denial in its clause, or before one that ends it: of "could not find the limit
    switch" finding is what is denied, and the switch is there all the same.
    """
    heads = np.full(len(forms), NOT_DENIED, dtype=np.int64)
    for i in map(int, np.flatnonzero(denying(forms))):
        places = _in_clause(breaks, i, 3) or _before_in_clause(breaks, i, 3)
        heads[places] = next((place for place in places if forms[place] not in COMMON), places[0] if places else i)
    return heads


def _wide(forms: Sequence[str], breaks: Sequence[bool]) -> npt.NDArray[np.bool_]:
    """Whether a denial may still speak of each word: one not far from it in its clause."""
    reached = np.zeros(len(forms), dtype=bool)
    for i in map(int, np.flatnonzero(denying(forms))):
        reached[_in_clause(breaks, i, REACH) + _before_in_clause(breaks, i, REACH)] = True
    return reached


def _in_clause(breaks: Sequence[bool], i: int, most: int) -> list[int]:
    """The places of up to so many words after one, to the end of its clause."""
    places: list[int] = []
    for j in range(i + 1, min(i + 1 + most, len(breaks))):
        if breaks[j]:
            break
        places.append(j)
    return places


def _before_in_clause(breaks: Sequence[bool], i: int, most: int) -> list[int]:
    places: list[int] = []
    while i > 0 and not breaks[i] and len(places) < most:
        i -= 1
        places.append(i)
    return places


@dataclass(frozen=True, slots=True)
class NegationScope:
    """Which words a denial is near to, with the place of the one that it denies first (NOT_DENIED for the others), and
    which it may still speak of.
    """

    heads: npt.NDArray[np.int64]
    wide: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, forms: Sequence[str], breaks: Sequence[bool]) -> "NegationScope":
        """The scope of the denials among these forms; `breaks` says whether a clause ends before each."""
        return cls(_denied_heads(forms, breaks), _wide(forms, breaks))

    @property
    def near(self) -> npt.NDArray[np.bool_]:
        """Which words a denial is near to."""
        return np.asarray(self.heads != NOT_DENIED, dtype=bool)
