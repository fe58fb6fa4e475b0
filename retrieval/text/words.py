"""Words as evidence: what a text is about, what it counts and names, and whether it denies. Arithmetic, no model."""

import re

WORD = re.compile(r"[^\W_]+(?:[.'’:/*=-][^\W_]+)*|[$#][^\W_]*", re.UNICODE)
_CODE = re.compile(r"(?<![^\s`])[^\s`]*[$#*=][^\s`]*")
_AROUND_CODE = "\"'“”‘’„()[]{}<>.,;:!?|"
_NUMERAL = re.compile(r"\d+(?:[.,]\d+)*")
NUMBER_WORDS = frozenset(
    "zero one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty sixty "
    "hundred thousand half once twice".split()
)
# Words without a subject of their own: they support nothing and ask for nothing.
COMMON = frozenset(
    "a an and any are as at be been but by can could did do does for from had has have how i if in into is it its just "
    "me mine my no not of off on one only or our out over should so some such than that the their them then there "
    "these they this those to too up us use used using was we were what when where which who why will with would you "
    "your".split()
)
_JOINTS = re.compile(r"[-_/:.]")
_NEGATION = frozenset("no not never none cannot can't don't doesn't isn't won't without nor".split())


def content(text: str) -> set[str]:
    """The words that carry the text's subject, lower-cased."""
    return {word for word in (match.lower() for match in WORD.findall(text)) if word not in COMMON}


def names(statement: str) -> set[str]:
    """Words with a capital that does not come from standing first."""
    words = [match[0] for match in WORD.finditer(statement)]
    return {word.lower() for word in words[1:] if word[0].isupper() and word.lower() not in COMMON}


def exact(text: str) -> set[str]:
    """Its numbers and names: the words for which no other may stand."""
    return {word for word in content(text) if is_number(word)} | names(text)


def is_covered(word: str, words: set[str]) -> bool:
    """Whether the words hold this one or, for a word of letters, another form of it (oil, oiled; press, presses)."""
    if word in words:
        return True
    if is_number(word) and (bare := _bare(word)) and bare in set(map(_bare, words)):
        return True
    if word[0].isdigit():  # 400-hour, 12bar: the number counts, not what hangs on it
        return numerals(word) <= numerals(" ".join(words))
    if is_number(word) or len(word) < 4:
        return False
    stem = word[: max(4, len(word) - 3)]
    return any(other.startswith(stem) or (len(other) >= 3 and word.startswith(other)) for other in words)


def _bare(word: str) -> str:
    """A code without what joins its parts: hp200 for hp-200; empty for what is none."""
    return _JOINTS.sub("", word) if any(map(str.isdigit, word)) and any(map(str.isalpha, word)) else ""


def numerals(text: str) -> frozenset[str]:
    """The digits of the text's numbers and codes: 38 for `error:38`, 0.5 for `0.5`."""
    return frozenset(_NUMERAL.findall(text))


def is_number(word: str) -> bool:
    """Whether a lower-cased word is a number, a code or a numeral in letters."""
    return any(map(str.isdigit, word)) or word in NUMBER_WORDS


def codes(text: str) -> set[str]:
    """What is typed as it stands, lower-cased: `$rst=#` (not `$rst=*`), `$$`, `c#`. Emphasis is no part of it."""
    codes_in = set()
    for word in _CODE.findall(text.lower()):
        bare = word.strip(_AROUND_CODE)
        while len(bare) > 2 and bare[0] == bare[-1] == "*":
            bare = bare[1:-1].strip(_AROUND_CODE)
        if len(bare) > 1 and set(bare) & set("$#*=") and not set(bare) <= set("#*="):
            codes_in.add(bare)
    return codes_in


def denies(text: str) -> bool:
    """Whether the text denies something (English only)."""
    return any(word.lower() in _NEGATION for word in WORD.findall(text))
