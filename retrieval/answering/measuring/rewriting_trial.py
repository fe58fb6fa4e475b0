"""A model's rewrites of follow-ups on trial: do they find the right documents more often than the plain way?

`journeyman calibrate` tries them on labelled questions that have a history; what is decided is kept with the abilities
of the model (`retrieval.answering.abilities`), and the chain goes by it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from langchain_core.language_models import BaseChatModel

from retrieval.answering.answer import Question
from retrieval.answering.measuring.evaluation import LabelledQuestion, Rate, mean
from retrieval.answering.question.followup import standalone
from retrieval.answering.question.rewriting import rewritten
from retrieval.searching.passage import Passage

LEAST = 10
"""Follow-ups below which nothing is decided."""

Find = Callable[[LabelledQuestion, str], Sequence[Passage]]
"""From a question, and how it is asked, to the passages that the chain would answer from."""


@dataclass(frozen=True, slots=True)
class RewritingTrial:
    """What came out over so many `questions` with a history: hit@1 and hit@5, by document, of the plain way and of the
    model's; `gain` in the reciprocal rank of the first right document, paired; the share of questions that the model's
    words were taken for; and the median of `seconds` that it took for one.
    """

    questions: int
    plain: tuple[Rate, Rate]
    model: tuple[Rate, Rate]
    gain: Rate
    rewritten: float
    seconds: float

    @property
    def able(self) -> bool:
        """Whether the model proved better: rewriting takes time, so what may be chance is not worth it."""
        return self.gain.low is not None and self.gain.low > 0

    def as_dict(self) -> dict[str, Any]:
        """The trial with its decision, for JSON and to be kept in the database."""
        return {**asdict(self), "able": self.able}


def follow_ups(questions: Sequence[LabelledQuestion]) -> list[LabelledQuestion]:
    """The questions that rewrites can be tried on: those with a history and with an answer in the documents."""
    return [question for question in questions if question.history and question.answerable]


def try_rewrites(
    find: Find,
    model: BaseChatModel,
    questions: Sequence[LabelledQuestion],
    progress: Callable[[], None] = lambda: None,
) -> RewritingTrial | None:
    """Searches each follow-up among the questions in both ways; None where they are fewer than `LEAST`."""
    sample = follow_ups(questions)
    if len(sample) < LEAST:
        return None
    plain, ours, differs, seconds = [], [], [], []
    for labelled in sample:
        question = Question(labelled.question, labelled.history)
        before, started = standalone(question), time.monotonic()
        rewrite = rewritten(question, model)
        if rewrite != before:
            seconds.append(time.monotonic() - started)
        differs.append(rewrite != before)
        plain.append(_rank(find(labelled, before), labelled))
        ours.append(_rank(find(labelled, rewrite), labelled) if rewrite != before else plain[-1])
        progress()
    return RewritingTrial(
        questions=len(sample),
        plain=_hits(plain),
        model=_hits(ours),
        gain=mean([one - other for one, other in zip(ours, plain, strict=True)]),
        rewritten=sum(differs) / len(differs),
        seconds=round(median(seconds), 2) if seconds else 0.0,
    )


def _rank(passages: Sequence[Passage], labelled: LabelledQuestion) -> float:
    """The reciprocal place of the first right document; 0 if there is none."""
    places = (place for place, passage in enumerate(passages, 1) if passage.document in labelled.sources)
    return 1 / next(places, float("inf"))


def _hits(ranks: Sequence[float]) -> tuple[Rate, Rate]:
    return mean([float(rank == 1) for rank in ranks]), mean([float(rank >= 1 / 5) for rank in ranks])
