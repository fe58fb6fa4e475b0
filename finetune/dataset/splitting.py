"""Which examples are held out: whole clusters of near-duplicate questions and threads, and for good.

A paraphrase on the other side would make a model look better than it is. So would a question that was held out of one
dataset and trained on in the next: what was decided once is kept, and where a new question joins two clusters, both are
held out.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from finetune.dataset.guards import normal
from finetune.dataset.rows import Example, Options, Split


def question_key(question: str) -> str:
    """What is kept of a question so that it is known again, without its words."""
    return hashlib.sha256(normal(question).encode()).hexdigest()


def clusters(examples: Sequence[Example], alike: Sequence[tuple[int, int]]) -> list[str]:
    """The name of each example's cluster: connected by the same words, a thread, or a pair of `alike`.

    The name is the least key of its questions, so it does not depend on the order of the examples.
    """
    first: dict[tuple[str, str], int] = {}
    keys = [question_key(example.question) for example in examples]
    pairs = list(alike)
    for index, example in enumerate(examples):
        shared = [("question", keys[index])] + ([("thread", example.thread)] if example.thread else [])
        pairs += [(index, first.setdefault(link, index)) for link in shared]
    roots = connected(len(examples), pairs)
    names: dict[int, str] = {}
    for root, key in zip(roots, keys, strict=True):
        names[root] = min(key, names.get(root, key))
    return [names[root] for root in roots]


def connected(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """For each of so many things, the least that it is connected with by pairs (union-find with path halving)."""
    parent = list(range(count))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for pair in pairs:
        least, most = sorted(map(root, pair))
        parent[most] = least
    return [root(index) for index in range(count)]


def sides(
    examples: Sequence[Example], clusters: Mapping[str, str], decided: Mapping[str, Split], options: Options
) -> dict[str, Split]:
    """The side of each cluster: as decided before, else the newest are held out, and a share of the others. `clusters`
    are the names of those that examples belong to, by their ids.
    """
    questions: dict[str, set[str]] = defaultdict(set)
    newest: dict[str, float] = {}
    for example in examples:
        name = clusters[example.id]
        questions[name].add(question_key(example.question))
        newest[name] = max(newest.get(name, 0.0), example.asked_at.timestamp())
    split_of = _sides_before(questions, decided)
    new = [name for _, name in sorted((newest[name], name) for name in questions.keys() - split_of.keys())]
    of_people = {clusters[example.id] for example in examples if not example.synthetic}
    by_age = [name for name in new if name in of_people]
    late = set(by_age[len(by_age) - int(len(by_age) * options.newest_share) :])
    for name in new:
        split_of[name] = "test" if name in late or _chance(options.seed, name) < options.test_share else "train"
    return split_of


def _sides_before(questions: Mapping[str, Collection[str]], decided: Mapping[str, Split]) -> dict[str, Split]:
    """The sides of the clusters of which a question was decided; one that was held out has its whole cluster follow."""
    split_of: dict[str, Split] = {}
    for name, keys in questions.items():
        before = {decided[key] for key in keys if key in decided}
        if before:
            split_of[name] = "test" if "test" in before else "train"
    return split_of


def _chance(seed: int, name: str) -> float:
    """A number in [0, 1) that is always the same for a cluster."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
