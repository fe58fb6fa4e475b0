"""Whose words lead an answer, the model's or the documents', on trial over labelled questions.

`journeyman calibrate` asks each question both ways; what is decided is kept with the abilities of the model and its
adapter (`retrieval.answering.abilities`), and the chain goes by it.
"""

import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from retrieval.answering.abilities import Lead
from retrieval.answering.draft import written_by_model
from retrieval.answering.measuring.evaluation import LabelledQuestion, Rate, mean
from retrieval.text.words import content, is_covered

LEAST, MOST = 8, 40
"""Questions below which nothing is decided, and those that are asked at most: each costs the model an answer."""
OWN_WORDS = 0.5
"""Share of the answers in which a model that leads must be able to say something itself."""

Ask = Callable[[LabelledQuestion], str]
"""From a question to the text of its answer."""


@dataclass(frozen=True, slots=True)
class LeadingTrial:
    """What came out over so many `questions`: how much of a right answer stands in an answer of `quotes` alone and in
    one that the `model` leads, the paired `gain` of the second, the share of these that show `own` words, and the
    median of `seconds` that one took.
    """

    questions: int
    quotes: Rate
    model: Rate
    gain: Rate
    own: float
    seconds: float

    @property
    def answers(self) -> Lead:
        """Whose words are to lead: the model's, if people lose nothing by it and read them."""
        return "model" if (self.gain.value or 0.0) >= 0 and self.own >= OWN_WORDS else "quotes"

    def as_dict(self) -> dict[str, Any]:
        """The trial with its decision, for JSON and to be kept in the database."""
        return {**asdict(self), "answers": self.answers}


def tellable(questions: Sequence[LabelledQuestion]) -> list[LabelledQuestion]:
    """The questions whose right answer is known, at most `MOST` of them, the same ones each time."""
    candidates = [question for question in questions if question.answerable and (question.expect or question.answer)]
    return random.Random(0).sample(candidates, MOST) if len(candidates) > MOST else candidates  # noqa: S311 - no secret


def try_leading(
    led: Ask, quoted: Ask, questions: Sequence[LabelledQuestion], progress: Callable[[], None] = lambda: None
) -> LeadingTrial | None:
    """Asks each question that is `tellable` both ways; None where they are fewer than `LEAST`."""
    sample = tellable(questions)
    if len(sample) < LEAST:
        return None
    of_quotes, of_model, own, seconds = [], [], [], []
    for labelled in sample:
        of_quotes.append(share_of_facts(quoted(labelled), labelled))
        started = time.monotonic()
        text = led(labelled)
        seconds.append(time.monotonic() - started)
        of_model.append(share_of_facts(text, labelled))
        own.append(bool(written_by_model(text)))
        progress()
    return LeadingTrial(
        questions=len(sample),
        quotes=mean(of_quotes),
        model=mean(of_model),
        gain=mean([one - other for one, other in zip(of_model, of_quotes, strict=True)]),
        own=sum(own) / len(own),
        seconds=round(median(seconds), 2),
    )


def share_of_facts(text: str, labelled: LabelledQuestion) -> float:
    """The share of the facts of a right answer that a text holds; where none are named, of its words."""
    if labelled.expect:
        return sum(bool(re.search(fact, text, re.IGNORECASE)) for fact in labelled.expect) / len(labelled.expect)
    words, there = content(labelled.answer or ""), content(text)
    return sum(is_covered(word, there) for word in words) / len(words) if words else 0.0
