"""What `journeyman groundedness` does: read answers with their passages from a file, and judge their statements."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from journeyman.errors import WrongInput
from retrieval.answering.groundedness.judge import Groundedness, Judgement
from retrieval.answering.statements import statements_of
from retrieval.searching.passage import Passage, passage_of


class AnswersUnreadable(WrongInput):
    """The file of answers cannot be read; the message names the line."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A question, the passages that its answer was written from, and the answer."""

    question: str
    passages: Sequence[Passage]
    answer: str


def read_answers(path: Path) -> list[Answered]:
    """The lines of a JSONL file, each with `question`, `passages` ([{title, text}]) and `answer`.

    Raises AnswersUnreadable, which names the first line that is wrong.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise AnswersUnreadable(f"{path.name} is not UTF-8 text ({error.reason}).") from error
    answers = [_answered(line, f"{path.name}, line {n}") for n, line in enumerate(lines, 1) if line.strip()]
    if not answers:
        raise AnswersUnreadable(f"{path.name} holds no answers.")
    return answers


def judge_answers(
    judge: Groundedness, answers: Iterable[Answered], progress: Callable[[], None] = lambda: None
) -> list[list[Judgement]]:
    """The judgements of each answer's statements; `progress` is called after each answer."""
    judgements = []
    for answered in answers:
        judgements.append(judge.judge(answered.question, statements_of(answered.answer), answered.passages))
        progress()
    return judgements


def as_dict(judgements: Sequence[Judgement]) -> dict[str, Any]:
    """One answer's statements as JSON; passages are numbered from 1."""
    return {
        "statements": [
            {
                "text": judgement.text,
                "shown": judgement.shown,
                "probability": judgement.probability,
                "passages": [index + 1 for index in judgement.passages],
                "evidence": [{"passage": e.passage + 1, "text": e.text} for e in judgement.evidence],
            }
            for judgement in judgements
        ]
    }


def _answered(line: str, place: str) -> Answered:
    try:
        entry = json.loads(line)
    except json.JSONDecodeError as error:
        raise AnswersUnreadable(f"{place}: not JSON ({error.msg} at column {error.colno}).") from error
    if not isinstance(entry, dict):
        raise AnswersUnreadable(f"{place}: not an object with question, passages and answer.")
    passages = entry.get("passages")
    if not isinstance(passages, list):
        raise AnswersUnreadable(f"{place}: `passages` is not a list of objects with title and text.")
    return Answered(
        question=_text(entry, "question", place),
        passages=[_passage(passage, i, place) for i, passage in enumerate(passages, 1)],
        answer=_text(entry, "answer", place),
    )


def _text(entry: dict[str, Any], name: str, place: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str):
        raise AnswersUnreadable(f"{place}: `{name}` is missing or no text.")
    return value


def _passage(entry: Any, number: int, place: str) -> Passage:
    """A passage of a file; of what a search knows of one it has its title and its text."""
    if not isinstance(entry, dict) or not isinstance(entry.get("text"), str):
        raise AnswersUnreadable(f"{place}: passage {number} has no `text`.")
    title = entry.get("title") or ""
    if not isinstance(title, str):
        raise AnswersUnreadable(f"{place}: the `title` of passage {number} is no text.")
    return passage_of(number, title, entry["text"])
