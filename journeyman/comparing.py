"""The arms of a comparison: the same questions, the same passages, with and without documents and adapter."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from finetune.evaluation.comparison import ARMS, EXAMPLES, Comparison, Written, compare
from finetune.evaluation.scoring import about_tokens, worth
from journeyman.errors import WrongInput

if TYPE_CHECKING:
    from retrieval.answering.answer import Event, Question
    from retrieval.answering.evaluation import LabelledQuestion, Row

    Stream = Callable[[Question], Iterator[Event]]


def chosen_arms(asked: str | None, *, adapter: bool, examples: bool = False) -> list[str]:
    """The names in `asked`, separated by commas; None: all that can be had, with an `adapter` and verified answers as
    `examples`. Raises WrongInput.
    """
    if asked is None:
        return [arm for arm in ARMS if (adapter or "finetuned" not in arm) and (examples or arm != EXAMPLES)]
    names = [name.strip() for name in asked.split(",") if name.strip()]
    if unknown := [name for name in names if name not in ARMS]:
        raise WrongInput(f"There is no arm {unknown[0]!r}: choose from {', '.join(ARMS)}.")
    if len(set(names)) < 2:
        raise WrongInput("A comparison needs at least two arms, such as --arms base,rag.")
    if not adapter and any("finetuned" in name for name in names):
        raise WrongInput("There is no adapter to compare: name one with --adapter, or leave those arms out.")
    if not examples and EXAMPLES in names:
        raise WrongInput("There are no verified answers to show as examples: leave that arm out.")
    return list(dict.fromkeys(names))


def run(
    arms: "Mapping[str, Stream]",
    questions: "Sequence[LabelledQuestion]",
    collections: Sequence[str] | None,
    progress: Callable[[], None],
    examples: int | None = None,
    clusters: "Sequence[str] | None" = None,
    *,
    training_seconds: float | None = None,
    count: Callable[[str], int] | None = None,
) -> Comparison:
    """Asks every arm every question. `progress` is called after each answer; `clusters` names what is alike; `count`
    counts the tokens of a text.
    """
    from retrieval.answering.evaluation import evaluate

    answers = {}
    for name, stream in arms.items():
        tokens: list[int] = []
        report = evaluate(counted(stream, count, tokens), questions, collections, lambda _: progress())
        groups = clusters or [""] * len(questions)
        answers[name] = [_written(*one) for one in zip(questions, report.rows, groups, tokens, strict=True)]
    return compare(answers, examples, training_seconds)


def counted(stream: "Stream", count: Callable[[str], int] | None, tokens: list[int]) -> "Stream":
    """The same answers, of each of which it is noted how many tokens its prompt and its text have."""
    from retrieval.answering.answer import Done

    tokens_of = count or about_tokens

    def asked(question: "Question") -> "Iterator[Event]":
        for event in stream(question):
            if isinstance(event, Done):
                tokens.append(tokens_of(event.answer.prompt) + tokens_of(event.answer.text))
            yield event

    return asked


def _written(labelled: "LabelledQuestion", row: "Row", cluster: str, tokens: int) -> Written:
    return Written(
        id=labelled.id,
        question=labelled.question,
        answerable=labelled.answerable,
        answer=row.answer,
        abstained=row.abstained,
        score=_score(labelled, row),
        seconds=row.seconds,
        cluster=cluster,
        tokens=tokens,
    )


def _score(labelled: "LabelledQuestion", row: "Row") -> float:
    if labelled.answerable and (labelled.expect or labelled.answer is not None):
        return worth(row.answer, expect=labelled.expect, right=labelled.answer, abstained=row.abstained)
    return float(row.answer_hit)
