"""What kind of answer a question asks for, judged by its interrogative."""

import re
from dataclasses import dataclass

from retrieval.text.words import COMMON, NUMBER_WORDS, WORD, numerals


@dataclass(frozen=True, slots=True)
class AnswerType:
    """What kind of answer a question asks for.

    `is_number` says whether only a number answers it; `of` is the noun that is counted or identified, if it is named;
    `numerals` are those of the numbers and identifiers that the question holds itself.
    """

    is_number: bool
    of: str | None
    numerals: frozenset[str]

    def is_in(self, text: str) -> bool:
        """Whether the text holds a number that the question did not give itself, near the noun if one is named."""
        words = [word.lower() for word in WORD.findall(_COLUMN.sub("", text))]
        at = [i for i, word in enumerate(words) if self._is_new(word)]
        if self.of is None:
            return bool(at)
        stem = self.of[:4] if len(self.of) > 4 else self.of[:3]
        return any(stem in word for i in at for word in words[max(0, i - 6) : i + 5])

    def _is_new(self, word: str) -> bool:
        in_words = word in NUMBER_WORDS and self.of not in _NAMED
        return in_words or bool(numerals(word) - self.numerals)


_COLUMN = re.compile(r"^[^:\n|]{1,60}:[ \t]", re.MULTILINE)
"""What stands before a table row's values: a number in a column's name answers nothing."""

_HOW = re.compile(
    r"\bhow\s+(?:(many)\s+(\w+)|much|long|far|fast|often|high|low|deep|big|large|wide|thick|heavy|hot|cold|old|tall|hard"
    r"|tight|soon|late|early)\b",
    re.IGNORECASE,
)
_MEASURE = (
    r"number|percent(?:age)?|speed|rate|voltage|current|pressure|temperature|torque|distance|length|width|depth|weight|size"
    r"|frequency|duration|price|cost|date|year|code|pin|port|byte|limit|maximum|minimum|interval|quantity|amount"
)
_WHICH = re.compile(
    rf"\b(?:what|which)(?:'s|\s+is|\s+are)?\s+(?:the\s+)?(?:\w+\s+){{0,2}}?({_MEASURE})\b", re.IGNORECASE
)
_NAMED = frozenset("pin port percent percentage".split())


def answer_type(question: str) -> AnswerType:
    """Whether the question can only be answered with a number, judged by its interrogative (English only)."""
    own = numerals(question)
    if match := _HOW.search(question):
        noun = (match[2] or "").lower()
        return AnswerType(True, noun if noun and noun not in COMMON else None, own)
    if match := _WHICH.search(question):
        noun = match[1].lower()
        return AnswerType(True, noun if noun in _NAMED else None, own)
    return AnswerType(False, None, own)
