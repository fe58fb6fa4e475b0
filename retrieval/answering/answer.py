"""The values that flow from a question to its answer: what search returns and what the chain streams.

`Searching`, `Reading`, `Text` and `Done` are the chain's events, in this order: one `Searching`, one `Reading`, any
number of `Text`, one `Done`. The texts of `Text` concatenated are `Answer.text`: what was shown is never withdrawn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier message of a conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """What a person asked. `history` is oldest first; `collections` None means all that there are.

    `language` is the text search configuration of Postgres that stems the question's words; None: whichever language
    of the documents fits it. `principals` says who reads
    the answer, as in retrieval.searching.scope.Scope; None restricts nothing. `asker` is who asks, for what is tried on
    some people first.
    """

    text: str
    history: Sequence[Turn] = ()
    collections: Sequence[str] | None = None
    language: str | None = None
    principals: Sequence[str] | None = None
    asker: str | None = None


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


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that an answer cites as [number], with the words that it rests on.

    `modified` is the day on which its document was last changed, as YYYY-MM-DD.
    """

    number: int
    document: str
    title: str
    heading: str
    url: str | None
    quote: str
    chunk_id: int | None = None
    modified: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One finished answer and everything that is needed to explain or to learn from it. `timings` are in seconds.

    `finish`: why the model ended, "stop" by itself or "length" because it was given no more tokens; None if it was not
    asked, or was stopped because it had said enough. `template_sha256`: of the prompt with its variables unfilled, and
    `revision`: of the model on the hub, where they are known.
    """

    question: str
    standalone: str
    text: str
    abstained: bool
    sources: Sequence[Source]
    passages: Sequence[Passage]
    prompt: str
    model: str
    adapter: str | None
    timings: Mapping[str, float] = field(default_factory=dict)
    finish: str | None = None
    template_sha256: str | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Searching:
    """The search is under way, with the question as it was rewritten to stand alone."""

    standalone: str


@dataclass(frozen=True, slots=True)
class Reading:
    """The passages that the answer will be written from."""

    passages: Sequence[Passage]


@dataclass(frozen=True, slots=True)
class Text:
    """The next piece of the answer, checked, in Markdown."""

    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """The end of the stream."""

    answer: Answer


Event = Searching | Reading | Text | Done
