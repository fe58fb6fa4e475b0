"""Bytes to text: what stands before every parser of plain files.

A byte order mark, a declaration or UTF-8 says how a file is written; else every likely encoding is tried, and the first
that gives words is taken (chardet ranks them by what letters follow each other in which language). What gives words in
none is refused: garbled text in the index would be found by nobody and quoted as if somebody had written it.
"""

import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from retrieval.loading.blocks import LoadError

SAMPLE = 100_000
"""Bytes of those lines that are not ASCII which an encoding is judged by."""
MIN_SURE = 0.06
"""Confidence of chardet from which on another Latin encoding than Windows-1252 is believed."""
MIN_SURE_RARE = 0.12
"""The confidence from which on KOI8 is believed, whose small letters are the capitals of other encodings."""
MIN_EAST_ASIAN = 0.02
"""The confidence from which on encodings of East Asia are believed, which make letters of nearly all pairs of bytes."""
MOST_ODD = 0.02
"""Share of words that may look odd in a text that is one."""
MOST_BAD = 0.5
"""Bad bytes for each character of several bytes, above which a file is not UTF-8."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_USUAL = "cp1252"
_LAST = ("cp850", "mac_roman")
_TRIED = (
    *(
        "cp1250",
        "cp1251",
        "cp1252",
        "cp1253",
        "cp1254",
        "cp1255",
        "cp1256",
        "cp1257",
        "cp874",
        "iso8859-2",
        "iso8859-5",
    ),
    *("iso8859-7", "iso8859-8", "iso8859-9", "iso8859-15", "koi8-r", "koi8-u", "cp437", "cp850", "cp852", "cp862"),
    *("cp866", "mac-roman", "cp932", "euc_jis_2004", "gb18030", "big5hkscs", "cp949"),
)
_EAST_ASIAN = frozenset(("cp932", "euc_jis_2004", "gb18030", "big5hkscs", "cp949"))
_WESTERN = frozenset(("cp1252", "iso8859-15"))
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_WORD_LIKE = re.compile(r"[^\s!-/:-@\[-`{-~]+")
_CAPITAL_WITHIN = re.compile(r"[a-zà-ÿ][À-ÖØ-Þ]")
_MARKS_WITHIN = "’·\u00ad\u200c\u200d–—°ªº…•×€²³¹®™©±→←"
_RARE_WESTERN = frozenset("ýþðÝÞÐƒŽžŸ")
_LIKELY = frozenset("°µ±²³¹½¼¾×Ø·–—•…“”„’‘€§®™©ºª¿¡ñáéíóúü")
_ASCII = frozenset(map(chr, range(128)))
_JOINED = frozenset(("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "HALFWIDTH", "FULLWIDTH", "LATIN"))


@dataclass(frozen=True, slots=True)
class Decoded:
    """A file's text. `note` says how it was understood where the file does not say it, empty if that is plain."""

    text: str
    note: str = ""


def decode(data: bytes, declared: str = "") -> Decoded:
    """The text of a file's bytes; `declared` is the encoding that the file names. Line ends stay as they are.

    Raises LoadError for binary data, and where no encoding gives words.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return Decoded(data.decode(encoding, errors="replace"))
    if b"\x00" in data:
        return _wide(data)
    try:
        return Decoded(data.decode("utf-8"))
    except UnicodeDecodeError:
        return _nearly_utf8(data) or _as_declared(data, declared) or _guessed(data)


def _wide(data: bytes) -> Decoded:
    """UTF-16 without a mark: every second byte of what is ASCII in it is zero."""
    odd, even = data[1::2].count(0), data[::2].count(0)
    encoding, zeros = ("utf-16-le", odd) if odd > even else ("utf-16-be", even)
    if zeros * 20 >= len(data) and min(odd, even) * 50 <= zeros:
        text = data[: len(data) // 2 * 2].decode(encoding, errors="replace")
        is_text = all(char.isprintable() or char.isspace() for char in text[:SAMPLE])
        if is_text and _oddness(text) <= MOST_ODD:
            return Decoded(text, f"it is read as {encoding.upper()}, which it does not say itself")
    raise LoadError("it is not text: it holds binary data")


def _nearly_utf8(data: bytes) -> Decoded | None:
    """UTF-8 with some bytes that are not. A line that holds no other letter of several bytes is one of Windows-1252, as
    logs have them that several programs write; else the bytes are marked.
    """
    text = data.decode("utf-8", errors="surrogateescape")
    bad = sum("\udc80" <= sign <= "\udcff" for sign in text)
    good = sum(sign > "\x7f" for sign in text) - bad
    if bad > good * MOST_BAD:
        return None
    lines = [_mended(line) for line in text.split("\n")]
    places = [number for number, line in enumerate(text.split("\n"), 1) if _is_bad(line)]
    numbers = ", ".join(map(str, places[:5])) + " and more" * (len(places) > 5)
    return Decoded("\n".join(lines), f"not all of it is UTF-8: look at line {numbers}")


def _mended(line: str) -> str:
    if not _is_bad(line):
        return line
    raw = line.encode("utf-8", errors="surrogateescape")
    if not any("\x7f" < sign < "\udc80" or sign > "\udcff" for sign in line):
        try:
            western = raw.decode(_USUAL)
        except UnicodeDecodeError:
            western = ""
        if western and _oddness(western, western=True) == 0:
            return western
    return raw.decode("utf-8", errors="replace")


def _is_bad(line: str) -> bool:
    return any("\udc80" <= sign <= "\udcff" for sign in line)


def _as_declared(data: bytes, declared: str) -> Decoded | None:
    """Decodes by the name that the file gives, if it fits. Latin 1 means Windows-1252:
    https://encoding.spec.whatwg.org.
    """
    try:
        name = codecs.lookup(declared).name
        text = data.decode(_USUAL if name in ("iso8859-1", "ascii") else name)
    except (LookupError, UnicodeDecodeError, ValueError):
        return None
    return Decoded(text) if _oddness(text) <= MOST_ODD else None


def _guessed(data: bytes) -> Decoded:
    for encoding, strict in _candidates(_sample(data)):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if _oddness(text, western=strict) <= MOST_ODD:
            note = "" if encoding in _WESTERN else f"it is read as {_name(encoding)}, which it does not say itself"
            return Decoded(text, note)
    raise LoadError("it is not clear in which encoding it is written: save a copy as UTF-8")


def _sample(data: bytes) -> bytes:
    """The lines that say something about the encoding."""
    lines = b"\n".join(line for line in data.split(b"\n") if _NOT_ASCII.search(line[:SAMPLE]))
    return lines[:SAMPLE]


def _candidates(sample: bytes) -> Iterator[tuple[str, bool]]:
    """Encodings from the likeliest on, and whether rare letters speak against one. Few letters say little, and signs
    (µ, °, ±) nothing: then the usual one comes first.
    """
    import chardet  # for files alone that are not UTF-8

    ranked = chardet.detect_all(sample, ignore_threshold=True, compat_names=False, include_encodings=_TRIED)
    if ranked and ranked[0]["confidence"] < MIN_SURE_RARE and _may_be_capitals(sample):
        return
    least = {"koi8-r": MIN_SURE_RARE, "koi8-u": MIN_SURE_RARE, **dict.fromkeys(_EAST_ASIAN, MIN_EAST_ASIAN)}
    pairs = [(str(guess["encoding"]), guess["confidence"]) for guess in ranked]
    names = [name for name, confidence in pairs if confidence >= least.get(name, 0)]
    signs = set(sample.decode(_USUAL, errors="replace")) - _ASCII
    if signs <= _LIKELY or not ranked or ranked[0]["confidence"] < MIN_SURE:
        yield _USUAL, True
    yield from ((_USUAL if name == "iso8859-1" else name, False) for name in names)
    yield from ((name, False) for name in (_USUAL, *_LAST))


def _may_be_capitals(sample: bytes) -> bool:
    """Whether all that is not ASCII may be words of Cyrillic or Greek capitals, which are small letters of KOI8."""
    words = [word for word in _WORD_LIKE.findall(sample.decode("cp1251", errors="replace")) if not word.isascii()]
    letters = ["".join(filter(str.isalpha, word)) for word in words]
    return all(len(word) > 1 and word.isupper() and not re.search("[A-Za-z]", word) for word in letters)


def _name(encoding: str) -> str:
    return encoding.upper().replace("CP125", "Windows-125").replace("ISO8859", "ISO-8859").replace("_", "-")


def _oddness(text: str, *, western: bool = False) -> float:
    """The share of a text's words with other letters than ASCII's that no language writes so."""
    words = [word for word in _WORD_LIKE.findall(text[: 4 * SAMPLE]) if not word.isascii()]
    return sum(_is_odd(word, western) for word in words) / len(words) if words else 0.0


def _is_odd(word: str, western: bool) -> bool:
    """Whether signs stand in the midst of it, letters of several scripts, or more accents than plain letters."""
    if any(char in "\ufffd¤" or unicodedata.category(char) in ("Cc", "Cn", "Co", "Cs") for char in word):
        return True
    if western and _RARE_WESTERN & set(word):
        return True
    if len(word) > 1 and any("\u2500" <= char <= "\u25ff" for char in word):  # boxes and blocks of DOS
        return True
    within = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", word)
    if any(_is_sign(char) for char in within):
        return True
    runs = ("".join(run) for is_letters, run in groupby(word, _is_letter) if is_letters)
    return any(_is_odd_run(run) for run in runs)


def _is_letter(char: str) -> bool:
    return unicodedata.category(char)[0] in "LM"


def _is_sign(char: str) -> bool:
    return char > "\x7f" and char not in _MARKS_WITHIN and unicodedata.category(char)[0] in "SPZ"


def _is_odd_run(letters: str) -> bool:
    if letters.isascii():
        return False
    scripts = {_script(letter) for letter in letters}
    if scripts == {"LATIN"}:
        accents = sum(letter > "\x7f" for letter in letters)
        return (len(letters) > 1 and 2 * accents > len(letters) + 1) or bool(_CAPITAL_WITHIN.search(letters))
    if "LATIN" in scripts:  # names stand among East Asian letters, and in capitals
        small = sum("a" <= letter <= "z" for letter in letters)
        return not scripts <= _JOINED or (
            small > 0 and 2 * sum(letter <= "\u024f" for letter in letters) >= len(letters)
        )
    return len(scripts) > 1 and not scripts <= _JOINED


def _script(letter: str) -> str:
    """The script of a letter, by its name: LATIN, HEBREW, CJK. µ stands before Latin letters, º and ª behind them."""
    return (
        "LATIN" if letter in "µºª" or "\u0300" <= letter <= "\u036f" else unicodedata.name(letter, "?").split(" ", 1)[0]
    )
