"""What a search returns: passages with their places, scores and sentences, which answers are written from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, list item or table row of a passage, word for word.

    `similarity` is the cosine with the question; `overlap` is the share of the question's words, weighted by how rare
    they are, that the sentence holds, and `overlap_in_context` that it holds together with its headings.
    """

    text: str
    similarity: float
    overlap: float
    overlap_in_context: float


@dataclass(frozen=True, slots=True)
class WordMatch:
    """A word of the question as it was searched, and the mean over its tokens of the highest cosine with a token of the
    passage, both in their context.
    """

    word: str
    nearness: float


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk of a document as search found it, best first.

    `document` is the path relative to its source, `heading` the heading path joined with " > ". `score` is at most 1,
    comparable between questions; `ranks` holds its place, from 1, in each leg that found it ("dense", "sentence",
    "lexical"); `similarity` is the cosine of the whole passage, `lexical` its share of the best possible BM25, and
    `coverage` the share of the question's words, weighted by how rare they are, that stand anywhere in it. `holds` and
    `lacks` are these words, as they are stemmed, with how rare each is in the index (its idf). `matches` are the
    question's words as late interaction compares them, if it did.
    """

    chunk_id: int
    document_id: int
    ordinal: int
    document: str
    title: str
    heading: str
    kind: str
    text: str
    url: str | None
    content_hash: str
    collection: str
    score: float
    ranks: Mapping[str, int]
    similarity: float
    lexical: float = 0.0
    coverage: float = 0.0
    sentences: Sequence[Sentence] = ()
    modified_at: datetime | None = None
    before: str = ""
    after: str = ""
    holds: Mapping[str, float] = field(default_factory=dict)
    lacks: Mapping[str, float] = field(default_factory=dict)
    matches: Sequence[WordMatch] = ()

    @property
    def reading(self) -> str:
        """The text together with what was read around it: `before` and `after` stand beside it in its section."""
        return "\n\n".join(filter(None, (self.before, self.text, self.after)))


def passage_of(number: int, title: str, text: str) -> Passage:
    """A passage of which nothing is known but its title and its text."""
    return Passage(
        chunk_id=number,
        document_id=number,
        ordinal=0,
        document=title,
        title=title,
        heading="",
        kind="text",
        text=text,
        url=None,
        content_hash="",
        collection="",
        score=0.0,
        ranks={},
        similarity=0.0,
    )
