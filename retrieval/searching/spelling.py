"""Words of a question that the index does not know, as words that it does: one letter wrong, missing, too many or two
swapped.

Only what no passage holds is corrected, never a code, a number or what is known as a word, and only for the comparison
of words: the question stays as it was asked. The candidates are all words at one edit (Norvig,
https://norvig.com/spell-correct.html), looked up in the index's own vocabulary. That an English word is spelt right is
told by the tokens of MiniLM, whichever model the index is searched with. No list tells it of other languages, and so
these are guessed with more care.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from psycopg import Connection

from retrieval.embedding import EmbedderMissing, installed_folder
from retrieval.searching.terms import Term
from retrieval.text.words import COMMON

SHORTEST = 4
"""Shorter words have too many neighbours; of this length swapped letters or a single neighbour tell what is meant."""
LONG = 8
"""Letters from which on a word seldom has another one beside it."""
SEVERAL = 2
"""Passages that hold a word which is more than somebody's typo."""
LISTED = "english"
"""The language whose words MiniLM's tokens list."""
WEIGHT = 0.8
"""The weight of a corrected word beside one that is written so."""

_WORD = re.compile(r"[^\W\d_]+")
_ALPHABETS = (
    "abcdefghijklmnopqrstuvwxyzäöüßåæøéèêàçñ",
    "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
    "אבגדהוזחטיכךלמםנןסעפףצץקרשת",
    "αβγδεζηθικλμνξοπρσςτυφχψω",
)
_UNKNOWN = """
SELECT word, lexemes
FROM unnest(%(words)s::text[]) AS word,
    LATERAL (SELECT tsvector_to_array(to_tsvector(%(language)s::regconfig, word)) AS lexemes) AS stemmed
WHERE lexemes && %(unknown)s::text[]
"""
# The stems of all candidates at once, and those of them that the index knows.
_KNOWN = """
SELECT word, swapped, lexeme, chunks::int
FROM unnest(%(words)s::text[], %(swapped)s::bool[], %(candidates)s::text[]) AS asked (word, swapped, candidates),
    LATERAL (SELECT u.lexeme, (SELECT sum(l.chunks) FROM lexeme_count l WHERE l.lexeme = u.lexeme COLLATE "C") AS chunks
             FROM unnest(to_tsvector(%(language)s::regconfig, candidates)) AS u) AS known
WHERE chunks > 0
ORDER BY word, chunks DESC, lexeme, swapped DESC
"""


class _Near(NamedTuple):
    """A word of the index at one edit from one of the question; `swapped` if two letters changed places."""

    word: str
    swapped: bool
    lexeme: str
    chunks: int


def corrected(
    conn: Connection[Any],
    text: str,
    language: str,
    terms: Sequence[Term],
    is_word: Callable[[str], bool] | None = None,
) -> list[Term]:
    """The question's terms, with those in place of unknown ones that they were probably meant to be.

    `is_word` says of a lower-cased word that it is spelt right, as `english_words` does; None where nothing tells that.
    """
    unknown = {term.lexeme for term in terms if not term.chunks}
    words = [word for word in dict.fromkeys(_WORD.findall(text.lower())) if _can_be_misspelt(word, is_word)]
    if not unknown or not words:
        return list(terms)
    parameters = {"language": language, "words": words, "unknown": list(unknown)}
    stems: dict[str, list[str]] = dict(conn.execute(_UNKNOWN, parameters).fetchall())
    if not stems:
        return list(terms)
    choose = _likeliest if is_word and language == LISTED else _surest
    corrections = {word: choose(word, near) for word, near in _near(conn, language, list(stems)).items() if near}
    replacements = {
        word: Term(correction.lexeme, correction.chunks, WEIGHT)
        for word, correction in corrections.items()
        if correction
    }
    misspelt = {lexeme for word in replacements for lexeme in stems[word]} & unknown
    lexemes = {term.lexeme for term in terms}
    added_terms = {term.lexeme: term for term in replacements.values() if term.lexeme not in lexemes}
    return [term for term in terms if term.lexeme not in misspelt] + list(added_terms.values())


@lru_cache(maxsize=1)
def english_words() -> Callable[[str], bool] | None:
    """Whether a lower-cased word has a token of its own: most of English have, and misspelt ones have not. None where
    MiniLM is not installed.
    """
    try:
        folder = installed_folder()
    except EmbedderMissing:
        return None
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    return frozenset(tokenizer["model"]["vocab"]).__contains__


def neighbours(word: str) -> set[str]:
    """All strings at one edit from a word, without it."""
    return {*_swaps(word), *_edits(word)} - {word}


def _near(conn: Connection[Any], language: str, words: Sequence[str]) -> dict[str, list[_Near]]:
    """What the index knows at one edit from each word, the most frequent first."""
    candidates = [(word, swapped, " ".join(near)) for word in words for swapped, near in _kinds(word)]
    parameters = {
        "language": language,
        "words": [word for word, _, _ in candidates],
        "swapped": [swapped for _, swapped, _ in candidates],
        "candidates": [near for _, _, near in candidates],
    }
    near: dict[str, list[_Near]] = {word: [] for word in words}
    for row in conn.execute(_KNOWN, parameters).fetchall():
        near[row[0]].append(_Near(*row))
    return near


def _kinds(word: str) -> Iterable[tuple[bool, Collection[str]]]:
    swaps = set(_swaps(word))
    return (True, swaps - {word}), (False, neighbours(word) - swaps)


def _likeliest(word: str, near: Sequence[_Near]) -> _Near | None:
    """Chooses where the words that are spelt right are known: the most frequent one; of a short word, what it clearly
    means.
    """
    if len(word) > SHORTEST:
        return near[0]
    swapped = [word_near for word_near in near if word_near.swapped]
    return swapped[0] if swapped else _only(near)


def _surest(word: str, near: Sequence[_Near]) -> _Near | None:
    """Chooses where no list says which words are spelt right: the only one, if that is in use or the word is long."""
    only = _only([word_near for word_near in near if word_near.swapped or len(word) > SHORTEST])
    return only if only and (only.chunks >= SEVERAL or len(word) >= LONG) else None


def _only(near: Sequence[_Near]) -> _Near | None:
    return near[0] if len({word_near.lexeme for word_near in near}) == 1 else None


def _swaps(word: str) -> Iterator[str]:
    return (word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1))


def _edits(word: str) -> Iterator[str]:
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    alphabet = next((letters for letters in _ALPHABETS if word[0] in letters or word[-1] in letters), "")
    yield from (head + tail[1:] for head, tail in cuts if tail)
    yield from (head + letter + tail[1:] for head, tail in cuts if tail for letter in alphabet)
    yield from (head + letter + tail for head, tail in cuts for letter in alphabet)


def _can_be_misspelt(word: str, is_word: Callable[[str], bool] | None) -> bool:
    return len(word) >= SHORTEST and word not in COMMON and not (is_word and is_word(word))
