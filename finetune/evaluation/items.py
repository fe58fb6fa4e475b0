"""What is asked in an evaluation: items of several sets, of what a dataset holds out and of the golden questions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.dataset.general import general_questions
from finetune.evaluation.scoring import bare
from retrieval.answering.prompt import REFUSAL

if TYPE_CHECKING:
    from retrieval.answering.measuring.evaluation import LabelledQuestion

HELD_OUT, GOLDEN, REGRESSION = "held out", "golden", "corrected before"
DISTRACTED, UNANSWERABLE, GENERAL = "distracted", "unanswerable", "general"
DECIDING = JUDGED = (HELD_OUT, GOLDEN)
"""The sets by whose questions an adapter must be better: those of the others are derived from them."""
MOST_DERIVED = 40
"""Questions of the sets that are derived from others: more would tell little more and take long."""
LOUD = 3
"""Clusters of which one person wrote the corrections, from which they count as one if they are most."""


@dataclass(frozen=True, slots=True)
class EvaluationItem:
    """A question of an evaluation; `right` is an answer that a person approved, `expect` what a right one holds.

    `prompt` are the turns to answer where a dataset has fixed them. `other_question` is the one whose passages are read
    beside the item's own, or in their place.
    """

    id: str
    set: str
    question: str
    cluster: str = ""
    right: str | None = None
    expect: Sequence[str] = ()
    prompt: Sequence[Mapping[str, str]] = ()
    other_question: str | None = None
    history: Sequence[Any] = field(default=())

    @property
    def group(self) -> str:
        """What it is alike with: its cluster, or it alone."""
        return self.cluster or self.id


def items_of(folder: Path, clusters: Mapping[str, str], golden: "Sequence[LabelledQuestion]") -> list[EvaluationItem]:
    """The questions of a dataset's held-out side and of a golden set, with those that are derived from them."""
    held_out_lines = [_item(line, HELD_OUT, clusters) for line in whole_lines(folder / "test.sft.jsonl")]
    corrected = [_item(line, REGRESSION, clusters) for line in whole_lines(folder / "regression.jsonl")]
    # Where the dataset took the right passage away, what is right is to say so; the answer stands in the correction.
    silent = [replace(item, set=UNANSWERABLE, right=None) for item in held_out_lines if item.right == REFUSAL]
    held_out = {item.question: replace(item, set=HELD_OUT) for item in corrected}
    held_out |= {item.question: item for item in held_out_lines if item.right != REFUSAL}
    labelled_items = [_golden_item(labelled) for labelled in golden]
    answerable = [item for item in labelled_items if item.set == GOLDEN and (item.expect or item.right)]
    derived = _derived(list(held_out.values()) or answerable)
    return [*held_out.values(), *corrected, *labelled_items, *silent, *derived, *_general_items()]


def per_author_cap(clusters: Mapping[str, str], writers: Mapping[str, str]) -> dict[str, str]:
    """The clusters, of which those that one person corrected are one where it is most of what was corrected: however
    much somebody says, it is one person's word, and proves no more.
    """
    clusters_of: dict[str, set[str]] = {}
    for example, writer in writers.items():
        clusters_of.setdefault(writer, set()).add(clusters.get(example, example))
    corrected = set().union(*clusters_of.values())
    loud = {writer for writer, names in clusters_of.items() if len(names) >= LOUD and len(names) > len(corrected) / 2}
    return {example: writers[example] if writers.get(example) in loud else name for example, name in clusters.items()}


def whole_lines(file: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file up to the first that is not whole, for the last may have been cut off; none without a
    file.
    """
    rows: list[dict[str, Any]] = []
    for line in file.read_text("utf-8").splitlines() if file.is_file() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            break
    return rows


def _item(line: Mapping[str, Any], kind: str, clusters: Mapping[str, str]) -> EvaluationItem:
    right = bare(line["completion"][0]["content"])
    cluster = clusters.get(line["example"], line["example"])
    return EvaluationItem(line["example"], kind, line["question"], cluster, right, prompt=line["prompt"])


def _golden_item(labelled: "LabelledQuestion") -> EvaluationItem:
    return EvaluationItem(
        labelled.id,
        GOLDEN if labelled.answerable else UNANSWERABLE,
        labelled.question,
        right=labelled.answer if labelled.answerable else None,
        expect=labelled.expect,
        history=labelled.history,
    )


def _derived(items: Sequence[EvaluationItem]) -> list[EvaluationItem]:
    """The items with the passages of another question beside their own, and in place of them."""
    derived = []
    for item, other in _pairs(items)[:MOST_DERIVED]:
        derived.append(replace(item, set=DISTRACTED, other_question=other.question, prompt=()))
        derived.append(replace(item, set=UNANSWERABLE, other_question=other.question, prompt=()))
    return derived


def _pairs(items: Sequence[EvaluationItem]) -> list[tuple[EvaluationItem, EvaluationItem]]:
    """Each item with the next one that is about something else."""
    pairs = []
    for place, item in enumerate(items):
        others = [*items[place + 1 :], *items[:place]]
        other = next((other for other in others if other.group != item.group), None)
        if other is not None:
            pairs.append((item, other))
    return pairs


def _general_items() -> list[EvaluationItem]:
    return [
        EvaluationItem(f"g{number}", GENERAL, general.question, expect=general.expect)
        for number, general in enumerate(general_questions())
    ]
