"""How good are search and answers? Runs a question set through the chain and reports rates with 95 % intervals.

The format is one JSON object a line with `id`, `question`, `kind`, `sources` (documents that hold the answer), `expect`
(regular expressions that all match a right answer), optionally `answer` (a right one) and, for follow-ups, `history`. A
question without `sources` has no answer in the documents: the system must abstain and cite nothing.
"""

import json
import math
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from retrieval.answering.answer import Answer, Done, Event, Question, Turn

RESAMPLES = 2000


class QuestionSetError(ValueError):
    """The question set cannot be read; the message names the line."""


@dataclass(frozen=True, slots=True)
class LabelledQuestion:
    """A question with what a right answer is known to hold."""

    id: str
    question: str
    kind: str
    sources: Sequence[str]
    expect: Sequence[str]
    history: Sequence[Turn] = ()
    answer: str | None = None

    @property
    def answerable(self) -> bool:
        """Whether some document holds the answer."""
        return bool(self.sources)


@dataclass(frozen=True, slots=True)
class Row:
    """One question's outcome. `rank` is the place of the first right document among the passages, from 1."""

    id: str
    kind: str
    question: str
    answer: str
    abstained: bool
    rank: int | None
    answer_hit: bool
    cited: Sequence[str]
    seconds: float


@dataclass(frozen=True, slots=True)
class Rate:
    """A value in [0, 1] with its 95 % interval, over `n` questions; `value` is None where n is 0."""

    value: float | None
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        if self.value is None:
            return "-"
        return f"{self.value:.3f}  [{self.low:.3f}, {self.high:.3f}]  n={self.n}"


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one run and the row of every question."""

    figures: Mapping[str, Rate]
    rows: Sequence[Row]
    model: str
    adapter: str | None

    def as_dict(self) -> dict[str, Any]:
        """The report for JSON: the figures by name, model and adapter, and the rows under "questions"."""
        figures = {name: asdict(rate) for name, rate in self.figures.items()}
        return {
            **figures,
            "model": self.model,
            "adapter": self.adapter,
            "questions": [asdict(r) for r in self.rows],
        }

    def table(self) -> str:
        """The report as people read it: one line a figure, then the questions that were missed."""
        lines = [f"{_LABELS[name]:<26}{rate}" for name, rate in self.figures.items()]
        missed = [row for row in self.rows if not row.answer_hit]
        if missed:
            lines += ["", f"Missed {len(missed)} of {len(self.rows)}:"]
            lines += [f"  {row.id:<8}{_why(row):<20}{row.question[:80]}" for row in missed]
        return "\n".join(lines)


_LABELS = {
    "hit@1": "hit@1",
    "hit@5": "hit@5",
    "mrr": "MRR",
    "answer_hit_rate": "answer hit rate",
    "abstention_precision": "abstention precision",
    "abstention_recall": "abstention recall",
    "false_abstention_rate": "false abstention rate",
}


def load_questions(path: Path) -> list[LabelledQuestion]:
    """Read a question set; raises `QuestionSetError` that names the first line that is wrong."""
    questions = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            questions.append(_question(json.loads(line), number))
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError, re.error) as error:
            raise QuestionSetError(f"{path.name}, line {number}: not a question ({error!r}).") from error
    if not questions:
        raise QuestionSetError(f"{path.name} holds no questions.")
    return questions


def _question(entry: dict[str, Any], number: int) -> LabelledQuestion:
    for pattern in entry.get("expect", ()):
        re.compile(pattern)
    return LabelledQuestion(
        id=str(entry.get("id", number)),
        question=entry["question"],
        kind=entry.get("kind", "fact"),
        sources=tuple(entry.get("sources", ())),
        expect=tuple(entry.get("expect", ())),
        history=tuple(Turn(turn["role"], turn["content"]) for turn in entry.get("history") or ()),
        answer=entry.get("answer"),
    )


def evaluate(
    stream: Callable[[Question], Iterator[Event]],
    questions: Sequence[LabelledQuestion],
    collections: Sequence[str] | None = None,
    progress: Callable[[Row], None] = lambda row: None,
) -> Report:
    """Ask every question through `stream` (the chain's) and report; `progress` is called after each."""
    rows, answer = [], None
    for labelled in questions:
        answer = _ask(stream, Question(labelled.question, labelled.history, collections))
        rows.append(judge(labelled, answer))
        progress(rows[-1])
    return Report(
        figures=figures(questions, rows),
        rows=rows,
        model=answer.model if answer else "",
        adapter=answer.adapter if answer else None,
    )


def _ask(stream: Callable[[Question], Iterator[Event]], question: Question) -> Answer:
    for event in stream(question):
        if isinstance(event, Done):
            return event.answer
    raise RuntimeError("The chain ended without an answer.")


def judge(labelled: LabelledQuestion, answer: Answer) -> Row:
    """Compare one answer with what is known of its question."""
    documents = [passage.document for passage in answer.passages]
    rank = next((i for i, name in enumerate(documents, 1) if name in labelled.sources), None)
    if labelled.answerable:
        hit = not answer.abstained and all(re.search(p, answer.text, re.IGNORECASE) for p in labelled.expect)
    else:
        hit = answer.abstained and not answer.sources
    return Row(
        id=labelled.id,
        kind=labelled.kind,
        question=labelled.question,
        answer=answer.text,
        abstained=answer.abstained,
        rank=rank,
        answer_hit=hit,
        cited=[source.document for source in answer.sources],
        seconds=round(answer.timings.get("total", 0.0), 3),
    )


def figures(questions: Sequence[LabelledQuestion], rows: Sequence[Row]) -> dict[str, Rate]:
    """The seven rates; hit@k and MRR are of answerable questions, by document."""
    pairs = list(zip(questions, rows, strict=True))
    answerable = [row for labelled, row in pairs if labelled.answerable]
    unanswerable = [row for labelled, row in pairs if not labelled.answerable]
    abstained = [(labelled, row) for labelled, row in pairs if row.abstained]
    return {
        "hit@1": _proportion([row.rank == 1 for row in answerable]),
        "hit@5": _proportion([row.rank is not None and row.rank <= 5 for row in answerable]),
        "mrr": mean([1 / row.rank if row.rank else 0.0 for row in answerable]),
        "answer_hit_rate": _proportion([row.answer_hit for row in answerable]),
        "abstention_precision": _proportion([not labelled.answerable for labelled, _ in abstained]),
        "abstention_recall": _proportion([row.abstained for row in unanswerable]),
        "false_abstention_rate": _proportion([row.abstained for row in answerable]),
    }


def _proportion(outcomes: Sequence[bool]) -> Rate:
    """The share of outcomes that are true, with Wilson's score interval, which holds for few questions and at 0 and 1
    (JASA 22, 1927).
    """
    n = len(outcomes)
    if not n:
        return Rate(None, None, None, 0)
    p, z = sum(outcomes) / n, 1.959964
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Rate(p, max(0.0, centre - half), min(1.0, centre + half), n)


def mean(values: Sequence[float]) -> Rate:
    """The mean with the percentile bootstrap's interval; seeded, so that the same rows give the same interval."""
    n = len(values)
    if not n:
        return Rate(None, None, None, 0)
    generator = random.Random(0)  # noqa: S311 - resampling, no secret
    means = sorted(sum(generator.choices(values, k=n)) / n for _ in range(RESAMPLES))
    return Rate(sum(values) / n, means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES) - 1], n)


def _why(row: Row) -> str:
    if row.abstained:
        return "abstained"
    return "not found" if row.rank is None else f"found at {row.rank}"
