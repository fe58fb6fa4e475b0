"""Passages to test with, without a database."""

from retrieval.searching.passage import Passage, Sentence


def passage(
    *sentences: tuple[str, float],
    chunk_id: int = 1,
    document_id: int = 1,
    kind: str = "text",
    heading: str = "",
    document: str = "pump.md",
) -> Passage:
    """A passage of sentences, each with its similarity to the question."""
    return Passage(
        chunk_id=chunk_id,
        document_id=document_id,
        ordinal=0,
        document=document,
        title="Pump",
        heading=heading,
        kind=kind,
        text=" ".join(text for text, _ in sentences),
        url=None,
        content_hash="00",
        collection="default",
        score=0.4,
        ranks={"dense": 1},
        similarity=0.5,
        sentences=tuple(Sentence(text, similarity, 0.3, 0.3) for text, similarity in sentences),
    )
