"""Answers with their votes → examples → guards → clusters and sides → lines and a hash. No database, no model."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from finetune.dataset.guards import (
    Contamination,
    both_classes,
    capped,
    for_everyone,
    said,
    usable_answers,
    whole,
    without_conflicts,
    without_duplicates,
    without_one_text_for_all,
    without_personal_data,
)
from finetune.dataset.mixing import mixed
from finetune.dataset.rows import KINDS, SPLITS, AnswerRow, Dataset, Example, Judges, Message, Options, Placed, Split
from finetune.dataset.signals import examples_of
from finetune.dataset.splitting import clusters, question_key, sides
from finetune.dataset.votes import without_suspicious

Tell = Callable[[str], None]


def build(
    answers: Sequence[AnswerRow],
    judges: Judges,
    *,
    options: Options = Options(),  # noqa: B008 - frozen
    evaluation: Sequence[str] = (),
    decided: Mapping[str, Split] | None = None,
    synthetic: Sequence[Example] = (),
    counts: Counter[str] | None = None,
    tell: Tell = lambda _: None,
) -> Dataset:
    """The dataset of these answers. The same arguments give the same lines and the same hash.

    `evaluation` are questions of evaluation sets, which neither side may hold. `decided` are the sides of questions, by
    `question_key`, as datasets before left them; `Dataset.splits` says what to add. `counts`: what was counted before,
    for the report; `tell` hears each step.
    """
    counts = Counter[str]() if counts is None else counts
    counts["answers"] = len(answers)
    tell("Reading votes")
    read = [replace(answer, passages=tuple(judges.fit(answer.passages))) for answer in answers]
    usable = without_suspicious(usable_answers(read, counts), counts)
    examples = [example for answer in usable for example in examples_of(answer, judges, counts)]
    counts["synthetic"] = len(synthetic)
    examples = without_personal_data(for_everyone([*examples, *synthetic], counts), counts)
    examples.sort(key=lambda example: (example.asked_at, example.id))
    tell("Comparing questions")
    examples, names, meanings = _clustered(examples, judges, evaluation, counts)
    name_of = dict(zip((example.id for example in examples), names, strict=True))
    meaning_of = dict(zip((example.id for example in examples), meanings, strict=True))
    found = sides(examples, names, decided or {}, options)
    splits = {question_key(example.question): found[name_of[example.id]] for example in examples}

    def cluster(example: Example) -> str:
        return name_of[example.id]

    def prompt(example: Example) -> list[Message]:
        return judges.prompt(example.question, example.passages)

    examples = without_conflicts(examples, lambda example: meaning_of[example.id], counts)
    examples = without_one_text_for_all(examples, cluster, counts)
    examples = without_duplicates(examples, cluster, counts)
    examples = capped(examples, cluster, options.per_question, options.per_person, counts)
    tell("Measuring prompts")
    examples = [
        mixed(example, judges, options.oracle_share, options.seed) if example.kind == "sft" else example
        for example in examples
    ]
    examples = whole(examples, prompt, judges, options.max_tokens, counts)
    trained = both_classes([one for one in examples if found[cluster(one)] == "train"], counts)
    held_out = [example for example in examples if found[cluster(example)] == "test"]
    placed = [Placed(one, found[cluster(one)], cluster(one), _line(one, prompt(one))) for one in [*trained, *held_out]]
    regression = _regression(held_out, prompt)
    for one in placed:
        counts[f"{one.split}.{one.example.kind}"] += 1
    counts["regression"] = len(regression)
    counts["clusters"] = len({one.cluster for one in placed})
    report = {name: count for name, count in sorted(counts.items()) if count or "." in name}
    for split in SPLITS:
        for kind in KINDS:
            report.setdefault(f"{split}.{kind}", 0)
    return Dataset(placed, regression, report, splits, _hash(placed, regression))


def _clustered(
    examples: Sequence[Example], judges: Judges, evaluation: Sequence[str], counts: Counter[str]
) -> tuple[list[Example], list[str], list[str]]:
    """The examples that no evaluation set knows, with their clusters, and with those of like questions alone, for in a
    thread people ask about several things.

    A whole cluster goes if one question of it does: its others are paraphrases.
    """
    known = Contamination(evaluation)
    questions = list(dict.fromkeys(example.question for example in examples))
    place = {question: index for index, question in enumerate(questions)}
    near = judges.alike([*questions, *known.questions])
    pairs = [(one, other) for one, other in near if max(one, other) < len(questions)]
    seen = {min(pair) for pair in near if min(pair) < len(questions) <= max(pair)}
    seen |= {index for index, question in enumerate(questions) if known.holds(question)}
    first: dict[int, int] = {}
    for index, example in enumerate(examples):
        first.setdefault(place[example.question], index)
    linked = [(first[one], first[other]) for one, other in pairs]
    names = clusters(examples, linked)
    meanings = clusters([replace(example, thread="") for example in examples], linked)
    tainted = {name for example, name in zip(examples, names, strict=True) if place[example.question] in seen}
    counts["left out: questions of an evaluation set"] += sum(name in tainted for name in names)
    kept = [row for row in zip(examples, names, meanings, strict=True) if row[1] not in tainted]
    return [example for example, _, _ in kept], [name for _, name, _ in kept], [meaning for *_, meaning in kept]


def _line(example: Example, prompt: list[Message]) -> dict[str, object]:
    """In the conversational format of TRL."""
    if example.kind == "dpo":
        return {
            "prompt": prompt,
            "chosen": [said(example.completion)],
            "rejected": [said(example.rejected or "")],
            "question": example.question,
            "example": example.id,
        }
    line: dict[str, object] = {"prompt": prompt, "completion": [said(example.completion)]}
    if example.kind == "kto":
        line["label"] = bool(example.label)
    return line | {"question": example.question, "example": example.id}


def _regression(held_out: Sequence[Example], prompt: Callable[[Example], list[Message]]) -> list[dict[str, object]]:
    """What was answered wrongly and then corrected, on the side that is never trained on."""
    return [
        {
            "question": example.question,
            "prompt": prompt(example),
            "completion": [said(example.completion)],
            "rejected": [said(example.rejected or "")],
            "example": example.id,
        }
        for example in held_out
        if example.kind == "dpo"
    ]


def _hash(placed: Sequence[Placed], regression: Sequence[Mapping[str, object]]) -> str:
    lines = [[one.split, one.example.kind, one.line] for one in placed] + [["regression", line] for line in regression]
    texts = sorted(json.dumps(line, sort_keys=True, ensure_ascii=False) for line in lines)
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
