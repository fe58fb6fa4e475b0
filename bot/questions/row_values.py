"""What an answer's row keeps of texts, passages and sources: as values that Postgres and JSON can hold, and back."""

from collections.abc import Sequence
from typing import Any

from retrieval.answering.answer import Source
from retrieval.searching.passage import Passage

NEAREST = 3  # passages that are shown where the documents don't say


def sources_from_json(rows: Sequence[dict[str, Any]]) -> list[Source]:
    """Reads the sources of an answer's row."""
    return [Source(**row) for row in rows]


def nearest_passages(passages: Sequence[Passage]) -> list[Source]:
    """Returns the best passages, one of each place, as they are shown where the documents don't say."""
    return stored_nearest(passages_as_json(passages))


def stored_nearest(passages: Sequence[dict[str, Any]], most: int = NEAREST) -> list[Source]:
    """Returns the same as `nearest_passages`, from the passages of an answer's row."""
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for row in passages:
        best.setdefault((row["document"], row["heading"]), row)
    return [
        Source(
            number=number,
            document=row["document"],
            title=row["title"],
            heading=row["heading"],
            url=row.get("url"),
            quote="",
            chunk_id=row["chunk_id"],
            modified=row.get("modified"),
        )
        for number, row in enumerate(list(best.values())[:most], 1)
    ]


def passages_as_json(passages: Sequence[Passage]) -> list[dict[str, Any]]:
    """Writes the passages in prompt order, without their text: the prompt has it, and so has the chunk."""
    return [
        {
            "chunk_id": passage.chunk_id,
            "content_hash": passage.content_hash,
            "document": storable(passage.document),
            "title": storable(passage.title),
            "heading": storable(passage.heading),
            "url": passage.url,
            "modified": _day(passage),
            "collection": passage.collection,
            "score": float(passage.score),
            "similarity": float(passage.similarity),
            "ranks": {name: int(rank) for name, rank in passage.ranks.items()},
        }
        for passage in passages
    ]


def storable(text: str) -> str:
    """Returns the text as Postgres can store it, which is every character but NUL."""
    return text.replace("\x00", "")


def storable_values(values: dict[str, Any]) -> dict[str, Any]:
    """Returns the values with each text as Postgres can store it."""
    return {key: storable(value) if isinstance(value, str) else value for key, value in values.items()}


def _day(passage: Passage) -> str | None:
    return passage.modified_at.date().isoformat() if passage.modified_at else None
