"""A run of the evaluation goes on where it was cut off."""

from pathlib import Path
from typing import Any

import pytest

from finetune.evaluation.items import (
    HELD_OUT,
    EvaluationItem,
)
from finetune.evaluation.run import EvaluationRun


class CountingScorer:
    """Scores by counting, and breaks off when it is told to."""

    def __init__(self, limit: int) -> None:
        self.asked, self.limit = 0, limit

    def scores(self, item: EvaluationItem, model: Any) -> dict[str, float]:
        if self.asked == self.limit:
            raise KeyboardInterrupt
        self.asked += 1
        return {"answer": float(len(item.question))}


def test_an_evaluation_goes_on_where_it_was(tmp_path: Path) -> None:
    """Answers that were given are not asked for again; a question that not all arms answered, or whose line was half
    written, is, so that all read the same passages.
    """
    items = [EvaluationItem(str(number), HELD_OUT, "?" * number) for number in range(5)]
    arms = {"candidate": None, "base": None}
    with pytest.raises(KeyboardInterrupt):
        EvaluationRun(CountingScorer(7), items, tmp_path).run("beside base", arms)
    with (tmp_path / "beside_base.jsonl").open("a") as kept:
        kept.write('{"id": "3", "sc')
    told: list[str] = []
    again = CountingScorer(10)
    outcomes = EvaluationRun(again, items, tmp_path).run("beside base", arms, told.append)
    assert again.asked == 4
    assert told == ["candidate", "base"] * 5
    assert [outcome.scores["answer"] for outcome in outcomes["base"]] == [0, 1, 2, 3, 4]
    assert EvaluationRun(CountingScorer(0), items, tmp_path).run("beside base", arms) == outcomes
    assert (
        EvaluationRun(CountingScorer(15), items, tmp_path).run("beside base", {**arms, "active": None})["base"]
        == outcomes["base"]
    )
