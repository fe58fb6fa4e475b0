"""Answers with their votes → examples → guards → clusters and sides → lines and a hash. No database, no model."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from finetune.dataset.clustering import Clustering, clustered
from finetune.dataset.grounding import Grounding
from finetune.dataset.guards import (
    both_classes,
    capped,
    for_everyone,
    untruncated,
    usable_answers,
    without_conflicts,
    without_duplicates,
    without_one_text_for_all,
    without_personal_data,
)
from finetune.dataset.lines import line, lines_hash, regression_line
from finetune.dataset.mixing import mixed
from finetune.dataset.rows import KINDS, SPLITS, AnswerRow, Dataset, Example, Message, Options, Placed, Split
from finetune.dataset.signals import examples_of
from finetune.dataset.splitting import question_key, sides
from finetune.dataset.votes import without_suspicious


def build(
    answers: Sequence[AnswerRow],
    grounding: Grounding,
    *,
    options: Options = Options(),  # noqa: B008 - frozen
    evaluation: Sequence[str] = (),
    decided: Mapping[str, Split] | None = None,
    synthetic: Sequence[Example] = (),
    counts: Counter[str] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Dataset:
    """The dataset of these answers. The same arguments give the same lines and the same hash.

    `evaluation` are questions of evaluation sets, which neither side may hold. `decided` are the sides of questions, by
    `question_key`, as datasets before left them; `Dataset.splits` says what to add. `counts`: what was counted before,
    for the report; `tell` hears each step.
    """
    counts = Counter[str]() if counts is None else counts
    tell("Reading votes")
    examples = _examples(answers, synthetic, grounding, counts)
    tell("Comparing questions")
    clustering = clustered(examples, grounding, evaluation, counts)
    split_of = sides(clustering.examples, clustering.clusters, decided or {}, options)
    examples = _selected(clustering, options, counts)
    tell("Measuring prompts")
    examples = _prompted(examples, grounding, options, counts)
    placed = _placed(examples, clustering, split_of, grounding, counts)
    regression = [
        regression_line(row.example, _prompt(grounding, row.example))
        for row in placed
        if (row.split, row.example.kind) == ("test", "dpo")
    ]
    splits = {question_key(example.question): split_of[clustering.cluster(example)] for example in clustering.examples}
    return Dataset(placed, regression, _report(placed, regression, counts), splits, lines_hash(placed, regression))


def _examples(
    answers: Sequence[AnswerRow], synthetic: Sequence[Example], grounding: Grounding, counts: Counter[str]
) -> list[Example]:
    """What votes, corrections and the documents teach, without what nobody may learn, oldest first."""
    counts["answers"] = len(answers)
    counts["synthetic"] = len(synthetic)
    prompted = [replace(answer, passages=tuple(grounding.fitting(answer.passages))) for answer in answers]
    usable = without_suspicious(usable_answers(prompted, counts), counts)
    examples = [example for answer in usable for example in examples_of(answer, grounding, counts)]
    examples = without_personal_data(for_everyone([*examples, *synthetic], counts), counts)
    return sorted(examples, key=lambda example: (example.asked_at, example.id))


def _selected(clustering: Clustering, options: Options, counts: Counter[str]) -> list[Example]:
    """The examples that agree with each other, each once, and no more than their share of a question or a person."""
    examples = without_conflicts(clustering.examples, clustering.meaning, counts)
    examples = without_one_text_for_all(examples, clustering.cluster, counts)
    examples = without_duplicates(examples, clustering.cluster, counts)
    return capped(examples, clustering.cluster, options.per_question, options.per_person, counts)


def _prompted(
    examples: Sequence[Example], grounding: Grounding, options: Options, counts: Counter[str]
) -> list[Example]:
    """The examples with their passages as they will be trained on, without those that are too long for it."""
    mixes = [
        mixed(example, grounding, options.oracle_share, options.seed) if example.kind == "sft" else example
        for example in examples
    ]
    return untruncated(mixes, lambda example: _prompt(grounding, example), grounding.tokens, options.max_tokens, counts)


def _placed(
    examples: Sequence[Example],
    clustering: Clustering,
    split_of: Mapping[str, Split],
    grounding: Grounding,
    counts: Counter[str],
) -> list[Placed]:
    """The examples with their sides and lines: what is trained on first, then what is held out."""
    by_split: dict[Split, list[Example]] = {split: [] for split in SPLITS}
    for example in examples:
        by_split[split_of[clustering.cluster(example)]].append(example)
    by_split["train"] = both_classes(by_split["train"], counts)
    return [
        Placed(example, split, clustering.cluster(example), line(example, _prompt(grounding, example)))
        for split in SPLITS
        for example in by_split[split]
    ]


def _report(
    placed: Sequence[Placed], regression: Sequence[Mapping[str, object]], counts: Counter[str]
) -> dict[str, int]:
    """What was counted, by name, with the number of examples on each side, of each kind, also where there are none."""
    counts.update(f"{row.split}.{row.example.kind}" for row in placed)
    counts["regression"] = len(regression)
    counts["clusters"] = len({row.cluster for row in placed})
    report = {name: count for name, count in sorted(counts.items()) if count or "." in name}
    return report | {f"{split}.{kind}": counts[f"{split}.{kind}"] for split in SPLITS for kind in KINDS}


def _prompt(grounding: Grounding, example: Example) -> list[Message]:
    return grounding.prompt(example.question, example.passages)
