"""Whether a model rewrites follow-ups better than the plain way, on questions of which the documents are known."""

from collections.abc import Sequence
from typing import Any

import pytest

from retrieval.answering.answer import Turn
from retrieval.answering.measuring.evaluation import LabelledQuestion
from retrieval.answering.measuring.rewriting_trial import LEAST, follow_ups, try_rewrites
from retrieval.searching.passage import Passage
from tests.retrieval.answering.question.test_rewriting import Says
from tests.retrieval.samples import passage

HISTORY = (Turn("user", "Where does the pump stand?"), Turn("assistant", "In hall 3."))
GOOD = "What colour is the pump?"


def labelled(n: int, **more: Any) -> list[LabelledQuestion]:
    fields = {"kind": "followup", "sources": ["pump.md"], "expect": [], "history": HISTORY, **more}
    return [LabelledQuestion(id=str(place), question="and the colour?", **fields) for place in range(n)]


def finds(right: str) -> Any:
    """A search that has the right document first for one text alone, else at the second place."""

    def find(_: LabelledQuestion, asked: str) -> Sequence[Passage]:
        both = [passage(document="pump.md"), passage(document="door.md")]
        return both if asked == right else both[::-1]

    return find


def test_a_model_whose_rewrites_find_more_is_able() -> None:
    """By the place of the right document, and for as many questions as it takes to know."""
    trial = try_rewrites(finds(GOOD), Says(text=GOOD), labelled(LEAST))
    assert trial is not None
    assert trial.able
    assert (trial.plain[0].value, trial.model[0].value, trial.model[1].value) == (0, 1, 1)
    assert (trial.gain.value, trial.rewritten) == (0.5, 1)
    assert trial.as_dict()["able"] is True


@pytest.mark.parametrize("text", ["It is blue.", GOOD])
def test_a_model_that_does_not_prove_better_is_not(text: str) -> None:
    """It answers, so that nothing of it is used; or what it makes of them finds no more."""
    trial = try_rewrites(finds("anything"), Says(text=text), labelled(LEAST))
    assert trial is not None
    assert not trial.able
    assert trial.gain.value == 0
    assert trial.rewritten == (text == GOOD)


def test_too_few_follow_ups_decide_nothing() -> None:
    """First questions, and those without an answer in the documents, are none."""
    model = Says(text=GOOD)
    others = [*labelled(LEAST, history=()), *labelled(LEAST, sources=[])]
    assert follow_ups(others) == []
    assert try_rewrites(finds(GOOD), model, [*labelled(LEAST - 1), *others]) is None
    assert model.asked == []
