"""The values that flow from a question to its answer: what a person asks, and what the chain streams.

`Searching`, `Reading`, `Text` and `Done` are the chain's events, in this order: one `Searching`, one `Reading`, any
number of `Text`, one `Done`. The texts of `Text` concatenated are `Answer.text`: what was shown is never withdrawn.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from retrieval.searching.passage import Passage
from retrieval.searching.scope import Scope


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier message of a conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """What a person asked. `history` is oldest first; `collections` None means all that there are.

    `language` is the text search configuration of Postgres that stems the question's words; None: whichever language
    of the documents fits it. `principals` says who reads the answer, as in retrieval.searching.scope.Scope; None
    restricts nothing. `asker` is who asks, for what is tried on some people first.
    """

    text: str
    history: Sequence[Turn] = ()
    collections: Sequence[str] | None = None
    language: str | None = None
    principals: Sequence[str] | None = None
    asker: str | None = None

    @property
    def scope(self) -> Scope:
        """What a search for this question may see."""
        return Scope(
            None if self.collections is None else tuple(self.collections),
            None if self.principals is None else tuple(self.principals),
        )


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
    """The stream has ended, with this answer."""

    answer: Answer


Event = Searching | Reading | Text | Done
