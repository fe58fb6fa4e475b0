"""Lines of right-to-left writing (Hebrew, Arabic) from the order in which they stand to that in which they are read.

A page knows where each letter stands, so the order is found anew from the places, whatever order the file has them in.
That is the Unicode Bidirectional Algorithm (UAX #9) the other way round, for lines of one embedding level.
"""

import re
import unicodedata

_RIGHT_TO_LEFT = ("R", "AL")
_SCRIPTS = r"\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff"
_LEFT_TO_RIGHT = re.compile(rf"[^\W{_SCRIPTS}]+(?:[ .,:;/\-+%'\"°]{{1,3}}[^\W{_SCRIPTS}]+)*%?")
_RUN = re.compile(rf"[{_SCRIPTS}]+(?: +[{_SCRIPTS}]+)*")
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
_FINAL = re.compile("[ךםןףץ]")


def is_right_to_left(text: str) -> bool:
    """Whether most letters of a text belong to a script that is written from right to left."""
    kinds = [unicodedata.bidirectional(char) for char in text if char.isalpha()]
    return sum(kind in _RIGHT_TO_LEFT for kind in kinds) * 2 > len(kinds)


def as_read(text: str) -> str:
    """A line whose characters are given from left to right, in reading order.

    In a line that is written from left to right the words of the other direction are turned, one run at a time.
    """
    if not has_right_to_left(text):
        return text
    if is_right_to_left(text):
        turned = _LEFT_TO_RIGHT.sub(lambda match: match[0][::-1], text.translate(_MIRRORED)[::-1])
        return _unless_it_was_right(text, turned)
    return _RUN.sub(lambda match: match[0][::-1], text)


def has_right_to_left(text: str) -> bool:
    """Whether any character is written from right to left."""
    return not text.isascii() and any(unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in text)


def _unless_it_was_right(text: str, turned: str) -> str:
    """The line as it stands, where its final letters show that some program wrote it from left to right."""
    words, backwards = text.split(), turned.split()
    return text if _wrong_finals(backwards) > _wrong_finals(words) else turned


def _wrong_finals(words: list[str]) -> int:
    """Letters that stand at the end of words alone, at the beginning of one."""
    return sum(bool(_FINAL.match(word)) for word in words if len(word) > 1)
