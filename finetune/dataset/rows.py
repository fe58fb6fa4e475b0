"""What a dataset is made from, and what it is made of: the first and the last values of the flow in `build`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

from retrieval.searching.passage import Passage

Kind = Literal["sft", "kto", "dpo"]
Split = Literal["train", "test"]
KINDS: tuple[Kind, ...] = ("sft", "kto", "dpo")
SPLITS: tuple[Split, ...] = ("train", "test")

Message = dict[str, str]
"""A turn as TRL and chat templates read it: {"role": …, "content": …}."""


@dataclass(frozen=True, slots=True)
class ExamplePassage(Passage):
    """A passage of the index that an answer was written from, or might have been; `text` is empty once it changed or
    went from there.

    `everyone`: whether every user may read it. `verified`: whether it is a verified answer, so people's words.
    """

    everyone: bool = False
    verified: bool = False

    @classmethod
    def looked_up(cls, row: Mapping[str, Any]) -> "ExamplePassage":
        """A passage as it stands in the index, which no search has scored."""
        return cls(**{"document": "", "url": None, "score": 0.0, "ranks": {}, "similarity": 0.0, **row})

    @classmethod
    def searched(cls, passage: Passage, verified: bool) -> "ExamplePassage":
        """A passage that was found in what everyone may read."""
        values = {field.name: getattr(passage, field.name) for field in fields(passage)}
        return cls(**values, everyone=True, verified=verified)


@dataclass(frozen=True, slots=True)
class VoteRow:
    """One person's thumb; `reason` is that of the form behind a thumb down, if they filled it in."""

    person: str
    vote: Literal[1, -1]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """An answer that was voted on or corrected, with what people made of it.

    `question` stands alone. `prompted` is False where the prompt was deleted with somebody's data, or the model was not
    asked. `passages` are those that were found, in the order of the prompt, which holds the first of them. `correction`
    is the right answer as a reviewer approved it, None without one; `waiting` corrections nobody judged yet. `persons`
    are all whose words or votes are in it. `everyone`: whether every user may read its correction and its question.
    """

    id: str
    asked_at: datetime
    thread: str
    question: str
    text: str
    abstained: bool
    prompted: bool
    passages: Sequence[ExamplePassage]
    votes: Sequence[VoteRow] = ()
    correction: str | None = None
    waiting: int = 0
    persons: frozenset[str] = frozenset()
    everyone: bool = True


@dataclass(frozen=True, slots=True)
class Example:
    """One example of one kind, before its split. `oracle` are the indices of the passages that it rests on.

    An SFT example has a `completion`; a KTO one also a `label`; a DPO one the `completion` that was right and the one
    that was `rejected`.
    """

    id: str
    kind: Kind
    question: str
    passages: Sequence[ExamplePassage]
    completion: str
    asked_at: datetime
    thread: str
    answer_id: str | None
    persons: frozenset[str]
    oracle: frozenset[int] = frozenset()
    label: bool | None = None
    rejected: str | None = None
    corrected: bool = False
    synthetic: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """An example with its side and its cluster, and the line of the file that it became."""

    example: Example
    split: Split
    cluster: str
    line: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Options:
    """The knobs of a build. Shares are of 1; `max_tokens` are of prompt and completion together."""

    test_share: float = 0.15
    newest_share: float = 0.05
    oracle_share: float = 0.8
    per_person: int = 200
    per_question: int = 5
    max_tokens: int = 2048
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Dataset:
    """All lines of a dataset, `regression` among the held-out ones once more, and what was left out and why."""

    placed: Sequence[Placed]
    regression: Sequence[Mapping[str, object]]
    report: Mapping[str, int]
    splits: Mapping[str, Split]
    hash: str
