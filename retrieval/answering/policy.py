"""How questions are answered: whose words lead, how much the model reads, and whether it judges its own passages."""

from dataclasses import dataclass
from typing import Literal

from retrieval.answering.abilities import Lead

Answers = Literal["auto", "model", "quotes"]


@dataclass(frozen=True, slots=True)
class Policy:
    """How questions are answered. `answers`: whose words lead, the model's or the documents'; "auto" goes by what
    `journeyman calibrate` measured of model and adapter, and before that by `untried`. `passage_tokens`: what the model
    is given to read, None for what fits it. `model_judges`: it is asked first whether that answers the question.
    """

    answers: Answers = "auto"
    untried: Lead = "quotes"
    passage_tokens: int | None = None
    model_judges: bool = False

    def leads(self, measured: Lead | None) -> bool:
        """Whether the model's words lead, with what was measured of it, if anything was."""
        return (self.answers if self.answers != "auto" else measured or self.untried) == "model"
