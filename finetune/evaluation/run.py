"""A run of the evaluation that the gate decides by: the same questions to a model with each adapter, as it serves them.

A question is put to all arms before the next one, over passages that are found once for all of them. What the arms made
of a question is kept in a file, so that a run that was cut off goes on where it was.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO

from finetune.evaluation.gate import Outcome
from finetune.evaluation.items import EvaluationItem, whole_lines

Scores = Mapping[str, Mapping[str, float]]
"""The scores of one item: by arm, then by name."""


class ItemScorer(Protocol):
    """Scores what a model answers to an item: `finetune.evaluation.scorer.Scorer`."""

    def scores(self, item: EvaluationItem, model: Any) -> Mapping[str, float]:
        """The scores of the answer by name."""


class EvaluationRun:
    """Puts `items` to models, has `scorer` score their answers and keeps the scores in `folder`."""

    def __init__(self, scorer: ItemScorer, items: Sequence[EvaluationItem], folder: Path) -> None:
        self._scorer, self._items, self._folder = scorer, items, folder

    def run(
        self, name: str, arms: Mapping[str, Any], advance: Callable[[str], None] = lambda _: None
    ) -> dict[str, list[Outcome]]:
        """What each arm made of each question; `name` is what this is kept under.

        `advance` is called with the arm after each answer; what it raises ends the run.
        """
        outcomes: dict[str, list[Outcome]] = {arm: [] for arm in arms}
        for item, scores in self._scores(name, arms, advance):
            for arm in arms:
                outcomes[arm].append(Outcome(item.id, scores[arm], item.set, item.cluster))
        return outcomes

    def _scores(
        self, name: str, arms: Mapping[str, Any], advance: Callable[[str], None]
    ) -> Iterator[tuple[EvaluationItem, Scores]]:
        """The scores of each item: those that are kept, or new ones, which are kept from then on."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{re.sub(r'[^A-Za-z0-9-]', '_', name)}.jsonl"
        rows = whole_lines(file)
        before = {(row["set"], row["id"]): row["scores"] for row in rows if row["scores"].keys() == arms.keys()}
        with file.open("w", encoding="utf-8") as stream:  # anew, because the last line may have been cut off
            for item in self._items:
                scores: dict[str, Mapping[str, float]] = before.get((item.set, item.id), {})
                for arm, model in arms.items():
                    if arm not in scores:
                        scores[arm] = self._scorer.scores(item, model)
                    advance(arm)
                _keep(stream, item, scores)
                yield item, scores


def _keep(stream: TextIO, item: EvaluationItem, scores: Scores) -> None:
    stream.write(json.dumps({"set": item.set, "id": item.id, "scores": scores}) + "\n")
    stream.flush()
