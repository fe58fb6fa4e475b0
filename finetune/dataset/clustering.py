"""Examples by what their questions have in common: clusters, which one side of a dataset holds whole.

What an evaluation set asks goes out of the dataset here, with its whole cluster.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from finetune.dataset.grounding import Grounding
from finetune.dataset.guards import Contamination
from finetune.dataset.rows import Example
from finetune.dataset.splitting import clusters


@dataclass(frozen=True, slots=True)
class Clustering:
    """Examples, and the names of what they belong to by their ids: `clusters` connect like questions and threads,
    `meanings` like questions alone, for in a thread people ask about several things.
    """

    examples: Sequence[Example]
    clusters: Mapping[str, str]
    meanings: Mapping[str, str]

    def cluster(self, example: Example) -> str:
        """The name of an example's cluster."""
        return self.clusters[example.id]

    def meaning(self, example: Example) -> str:
        """The name of what an example's question asks."""
        return self.meanings[example.id]


def clustered(
    examples: Sequence[Example], grounding: Grounding, evaluation: Sequence[str], counts: Counter[str]
) -> Clustering:
    """The examples in clusters, without those that the questions of `evaluation` know: a whole cluster goes if one
    question of it does, for its others are paraphrases.
    """
    contamination = Contamination(evaluation)
    questions = list(dict.fromkeys(example.question for example in examples))
    near = grounding.alike([*questions, *contamination.questions])
    links = _links(examples, questions, near)
    names = clusters(examples, links)
    meanings = clusters([replace(example, thread="") for example in examples], links)
    evaluated = _evaluated(questions, near, contamination)
    tainted = {name for example, name in zip(examples, names, strict=True) if example.question in evaluated}
    counts["left out: questions of an evaluation set"] += sum(name in tainted for name in names)
    rows = [row for row in zip(examples, names, meanings, strict=True) if row[1] not in tainted]
    return Clustering(
        [example for example, _, _ in rows],
        {example.id: name for example, name, _ in rows},
        {example.id: meaning for example, _, meaning in rows},
    )


def _links(
    examples: Sequence[Example], questions: Sequence[str], near: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Pairs of indices of the first examples of questions that are near each other."""
    first: dict[str, int] = {}
    for index, example in enumerate(examples):
        first.setdefault(example.question, index)
    pairs = [pair for pair in near if max(pair) < len(questions)]
    return [(first[questions[index]], first[questions[other]]) for index, other in pairs]


def _evaluated(questions: Sequence[str], near: Sequence[tuple[int, int]], contamination: Contamination) -> set[str]:
    """The questions that an evaluation set asks: in the same words, or near one of its own, which stand behind ours in
    `near`.
    """
    by_meaning = {questions[min(pair)] for pair in near if min(pair) < len(questions) <= max(pair)}
    return by_meaning | {question for question in questions if contamination.holds(question)}
