"""The stems of words by their endings alone, in English, German and Hebrew: what different forms of a word share.

PostgreSQL stems what is searched; this is for words that are compared with each other in Python.
"""

import re
from functools import lru_cache

_ENDINGS = re.compile(r"(?:ingly|edly|ings|ing|ies|ied|ers|ed|es|en|er|em|ly|s|e|n)$")
_HEBREW = re.compile(r"[א-ת]")
_DOUBLED = re.compile(r"([bdglmnprt])\1$")


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """A lower-cased word without its ending; a Hebrew word without the letter that stands before it. A word with digits
    is left as it is.
    """
    if any(map(str.isdigit, word)):
        return word
    if _HEBREW.search(word):
        bare = word[1:] if len(word) > 3 and word[0] in "והבלכמש" else word
        return re.sub(r"(?:ים|ות|ית|ה|ת)$", "", bare) if len(bare) > 4 else bare
    cut = _ENDINGS.sub("", word) if len(word) > 4 else word.removesuffix("s") if len(word) > 3 else word
    return _DOUBLED.sub(r"\1", cut) if len(cut) >= 3 else word
