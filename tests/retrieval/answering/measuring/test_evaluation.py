"""Question sets, how an answer is judged, and the intervals of the rates."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from retrieval.answering.answer import Answer, Done, Event, Question, Source
from retrieval.answering.measuring.evaluation import LabelledQuestion, QuestionSetError, evaluate, judge, load_questions
from tests.retrieval.samples import passage

FACT = LabelledQuestion("q1", "How often?", "fact", ("pump.md",), (r"\b400\b", "hours"))
NONE = LabelledQuestion("q2", "Who won?", "unanswerable", (), ())


def answered(
    text: str, *, abstained: bool = False, cited: bool = True, documents: tuple[str, ...] = ("pump.md",)
) -> Answer:
    sources = [Source(1, "pump.md", "Pump", "", None, "q")] if cited else []
    passages = [passage(("x", 0.1), document=name, chunk_id=i) for i, name in enumerate(documents)]
    return Answer("q", "q", text, abstained, sources, passages, "p", "m", None, {"total": 1.0})


def test_a_hit_needs_every_pattern() -> None:
    """One of two is a miss; case does not matter."""
    assert judge(FACT, answered("Every 400 HOURS [1]")).answer_hit
    assert not judge(FACT, answered("Every 400 days [1]")).answer_hit


def test_an_unanswerable_question_wants_abstention_without_sources() -> None:
    """Anything else is a miss."""
    assert judge(NONE, answered("The documents don't say.", abstained=True, cited=False)).answer_hit
    assert not judge(NONE, answered("The documents don't say.", abstained=True)).answer_hit
    assert not judge(NONE, answered("Jena won.")).answer_hit


def test_the_rank_is_of_the_first_right_document() -> None:
    """Among the passages, from 1; None if it is not there."""
    assert judge(FACT, answered("x", documents=("a", "pump.md", "pump.md"))).rank == 2
    assert judge(FACT, answered("x", documents=("a",))).rank is None


def test_the_report_of_a_run() -> None:
    """Every figure with its interval, for people and as JSON, and a row per question."""

    def stream(question: Question) -> Iterator[Event]:
        known = question.text == FACT.question
        yield Done(answered("400 hours") if known else answered("none", abstained=True, cited=False))

    seen: list[str] = []
    report = evaluate(stream, [FACT, NONE], progress=lambda row: seen.append(row.id))
    figures = json.loads(json.dumps(report.as_dict()))
    for name in ("hit@1", "hit@5", "mrr", "answer_hit_rate", "abstention_precision", "abstention_recall"):
        assert figures[name]["value"] == 1.0
        assert 0 <= figures[name]["low"] <= 1.0 <= figures[name]["high"]
    assert figures["false_abstention_rate"]["value"] == 0.0
    assert [row["id"] for row in figures["questions"]] == seen == ["q1", "q2"]
    assert "answer hit rate" in report.table()


def test_wilson_s_interval() -> None:
    """8 of 10: 0.490 to 0.943, as in the literature."""

    def stream(question: Question) -> Iterator[Event]:
        yield Done(answered(question.text))

    questions = [
        LabelledQuestion(str(i), "right" if i < 8 else "left", "fact", ("pump.md",), ("right",)) for i in range(10)
    ]
    rate = evaluate(stream, questions).figures["answer_hit_rate"]
    assert (round(rate.low or 0, 3), round(rate.high or 0, 3)) == (0.490, 0.943)


@pytest.mark.parametrize("line", ["{", "[]", '{"id": 1}', '{"question": "q", "expect": ["("]}', '"text"'])
def test_a_line_that_is_not_a_question_is_named(tmp_path: Path, line: str) -> None:
    """The message says which line of which file."""
    path = tmp_path / "set.jsonl"
    path.write_text('{"question": "fine"}\n' + line + "\n")
    with pytest.raises(QuestionSetError, match=r"set\.jsonl, line 2"):
        load_questions(path)


def test_an_empty_set_is_an_error(tmp_path: Path) -> None:
    """Nothing to ask is a mistake, not a perfect score."""
    path = tmp_path / "set.jsonl"
    path.write_text("\n")
    with pytest.raises(QuestionSetError, match="no questions"):
        load_questions(path)
