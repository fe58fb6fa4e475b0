"""The model itself as judge: do the passages answer the question, and do they bear a statement out?

Its verdict is the probability that it would say yes, from the logits of its first token. What it is asked begins as the
request for the answer does, with the rules, the passages and the question, so that a server which keeps what it has
read reads a few words more for it and nothing twice.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from langchain_core.messages import BaseMessage, HumanMessage

from retrieval.answering.prompt import SMALL, PromptPlan
from retrieval.searching.passage import Passage

_ANSWERS = "Can the question be answered from the passages? Reply only yes or no."
_BEARS_OUT = "Do the passages say so? Reply only yes or no."


@runtime_checkable
class SaysHowSure(Protocol):
    """A chat model that tells how likely its answer begins with yes; None where it cannot."""

    def probability_of_yes(self, messages: Sequence[BaseMessage]) -> float | None: ...


class ModelJudge:
    """Asks `model`, by the plan of the answer's request; `before` is what stands there before the passages, as examples
    do.
    """

    def __init__(self, model: SaysHowSure, plan: PromptPlan = SMALL, before: str = "") -> None:
        self._model, self._plan, self._before = model, plan, before

    def answers(self, question: str, passages: Sequence[Passage]) -> float | None:
        """How likely the passages answer the question, in [0, 1]. Raises whatever the model does."""
        return self._model.probability_of_yes(self._asked(question, passages, _ANSWERS))

    def bears_out(self, question: str, passages: Sequence[Passage], statement: str) -> float | None:
        """How likely the passages say what `statement` says in answer to the question, in [0, 1]."""
        return self._model.probability_of_yes(self._asked(question, passages, f"Answer: {statement}\n{_BEARS_OUT}"))

    def _asked(self, question: str, passages: Sequence[Passage], what: str) -> list[BaseMessage]:
        """The answer's own request up to the end of its question, and then `what`."""
        *rules, turn = self._plan.messages(passages, question, self._before)
        end = turn.text.rindex(question) + len(question)
        return [*rules, HumanMessage(f"{turn.text[:end]}\n{what}")]


def judge_of(model: object, plan: PromptPlan = SMALL, before: str = "") -> ModelJudge | None:
    """The model as judge, if it is one that says how sure it is."""
    return ModelJudge(model, plan, before) if isinstance(model, SaysHowSure) else None
