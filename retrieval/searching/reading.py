"""What the model reads of what was found: passages are small, so that they match, and grow by their neighbours, so that
they can be understood.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from psycopg import Connection

from retrieval.searching.passage import Passage
from retrieval.text.words import WORD, numerals

ALIKE = 0.9
"""Share of words in common from which on two passages say the same, if their numbers are the same, too."""
SHORT = 200
"""Characters below which a text means what its title and headings say it is about, and counts with them."""
GROWING = ("text", "code")
"""Kinds of passages that go on in their neighbours; a table's row says all by itself, and so does a table's part, which
carries its header.
"""

_NEIGHBOURS = """
SELECT DISTINCT ON (c.id) c.document_id, c.ordinal, c.text
FROM unnest(%(documents)s::bigint[], %(ordinals)s::int[]) AS p (document_id, ordinal)
    JOIN chunk AS here ON here.document_id = p.document_id AND here.ordinal = p.ordinal
    JOIN chunk AS c ON c.document_id = p.document_id AND c.ordinal IN (p.ordinal - 1, p.ordinal + 1)
WHERE c.heading = here.heading AND c.kind = ANY (%(kinds)s)
"""


def grown(conn: Connection[Any], passages: Sequence[Passage], *, most: int, words: int) -> list[Passage]:
    """At most `most` of the passages, as many as have room in so many words, the first in any case; then each with what
    follows and what stands before it in its section, as far as there is room.

    No text comes twice. A document that was changed meanwhile gives neighbours of its new version, or none.
    """
    core = _fitting(distinct(passages)[:most], words)
    room = words - sum(len(passage.text.split()) for passage in core)
    texts = _neighbours(conn, [passage for passage in core if passage.kind in GROWING]) if room > 0 else {}
    places = {(passage.document_id, passage.ordinal) for passage in core}
    around: dict[tuple[int, int], str] = {}
    for step in (1, -1):
        for passage in core:
            place = (passage.document_id, passage.ordinal + step)
            size = len(texts.get(place, "").split())
            if passage.kind in GROWING and place not in places and 0 < size <= room:
                places.add(place)
                room -= size
                around[passage.chunk_id, step] = texts[place]
    return [
        replace(passage, before=around.get((passage.chunk_id, -1), ""), after=around.get((passage.chunk_id, 1), ""))
        for passage in core
    ]


def distinct(passages: Iterable[Passage]) -> list[Passage]:
    """The passages without those that say what a better one does: nearly the same words and the same numbers."""
    uniques: list[tuple[Passage, frozenset[str], frozenset[str]]] = []
    for passage in passages:
        content = passage.text if len(passage.text) >= SHORT else f"{passage.title} {passage.heading} {passage.text}"
        words, numbers = _words(content), numerals(content)
        if not any(
            _alike(words, other_words) and numbers == other_numbers for _, other_words, other_numbers in uniques
        ):
            uniques.append((passage, words, numbers))
    return [passage for passage, _, _ in uniques]


def _fitting(passages: Sequence[Passage], words: int) -> list[Passage]:
    """As many of the passages as have room in so many words, but at least one."""
    fitting: list[Passage] = []
    for passage in passages:
        words -= len(passage.text.split())
        if fitting and words < 0:
            break
        fitting.append(passage)
    return fitting


def _neighbours(conn: Connection[Any], passages: Sequence[Passage]) -> dict[tuple[int, int], str]:
    if not passages:
        return {}
    parameters = {
        "documents": [passage.document_id for passage in passages],
        "ordinals": [passage.ordinal for passage in passages],
        "kinds": list(GROWING),
    }
    return {(document, ordinal): text for document, ordinal, text in conn.execute(_NEIGHBOURS, parameters).fetchall()}


def _words(text: str) -> frozenset[str]:
    return frozenset(word.lower() for word in WORD.findall(text))


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    return len(one & other) >= ALIKE * len(one | other)
