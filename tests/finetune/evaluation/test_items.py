"""Which questions an evaluation asks, and what must be known of every adapter."""

import json
from pathlib import Path

import pytest

from finetune.evaluation.guards import REQUIRED, guards_for
from finetune.evaluation.items import (
    DISTRACTED,
    GENERAL,
    GOLDEN,
    HELD_OUT,
    REGRESSION,
    UNANSWERABLE,
    EvaluationItem,
    items_of,
    per_author_cap,
)
from retrieval.answering.measuring.evaluation import LabelledQuestion
from retrieval.answering.prompt import REFUSAL


def line(example: str, question: str, answer: str = "Every 40 hours. [1]") -> str:
    prompt = [{"role": "user", "content": f"Question: {question}"}]
    completion = [{"role": "assistant", "content": answer}]
    return json.dumps({"prompt": prompt, "completion": completion, "question": question, "example": example}) + "\n"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Two held-out clusters, of one a second wording and an example of the same words; one corrected answer, whose
    example lost its passages.
    """
    (tmp_path / "test.sft.jsonl").write_text(
        line("a", "How often is the filter cleaned?")
        + line("b", "How often is the filter cleaned, please?")
        + line("c", "Who tightens the belt?")
        + line("d", "Who tightens the belt?")
        + line("s", "Where is the key?", REFUSAL)
    )
    (tmp_path / "regression.jsonl").write_text(line("r", "Where is the key?"))
    return tmp_path


GOLDEN_SET = [
    LabelledQuestion(id="g", question="What does A2 mean?", kind="fact", sources=["a.md"], expect=["pump"]),
    LabelledQuestion(id="h", question="What does B7 mean?", kind="fact", sources=["a.md"], expect=["door"]),
    LabelledQuestion(id="u", question="Who won?", kind="unanswerable", sources=[], expect=[], answer="I don't know."),
]


def test_sets_of_an_evaluation(dataset: Path) -> None:
    """Derived questions take the passages of another cluster; the golden set adds its own; each question once a set."""
    items = items_of(dataset, {"a": "1", "b": "1", "c": "2", "d": "2", "s": "3", "r": "3"}, GOLDEN_SET)
    sets: dict[str, list[EvaluationItem]] = {}
    for item in items:
        sets.setdefault(item.set, []).append(item)
    assert set(sets) == {HELD_OUT, REGRESSION, GOLDEN, UNANSWERABLE, DISTRACTED, GENERAL}
    assert {item.question: item.right for item in sets[HELD_OUT]} == {
        "Where is the key?": "Every 40 hours.",
        "How often is the filter cleaned?": "Every 40 hours.",
        "How often is the filter cleaned, please?": "Every 40 hours.",
        "Who tightens the belt?": "Every 40 hours.",
    }
    assert {(item.question, item.other_question) for item in sets[DISTRACTED]} == {
        ("Where is the key?", "How often is the filter cleaned?"),
        ("How often is the filter cleaned?", "Who tightens the belt?"),
        ("How often is the filter cleaned, please?", "Who tightens the belt?"),
        ("Who tightens the belt?", "Where is the key?"),
    }
    unanswerable = {item.id: item for item in sets[UNANSWERABLE]}
    assert unanswerable["u"].other_question is None
    assert unanswerable["u"].right is None
    assert unanswerable["s"].prompt
    assert len(sets[GENERAL]) >= 20


def test_what_must_be_known_of_every_adapter(dataset: Path, tmp_path: Path) -> None:
    """Also where nothing tells about it: then the gate decides nothing. Questions of people alone tell about all."""
    names = {guard.name for guard in REQUIRED}
    assert {"refused (unanswerable)", "kept", "grounded", "cited", "stopped", "brief", "general (general)"} == names
    nothing = items_of(tmp_path / "none", {}, [])
    assert {item.set for item in nothing} == {GENERAL}
    assert {guard.name for guard in guards_for(nothing)} == names
    golden = items_of(tmp_path / "none", {}, GOLDEN_SET)
    assert {item.set for item in golden} == {GOLDEN, UNANSWERABLE, DISTRACTED, GENERAL}
    more = {guard.name for guard in guards_for(items_of(dataset, {}, GOLDEN_SET))} - names
    assert {f"answer ({name})" for name in (GOLDEN, REGRESSION, DISTRACTED)} < more


@pytest.mark.parametrize(
    ("writers", "left"),
    [("AAAB", 2), ("AABB", 4), ("AAB", 3), ("AABBCC", 6), ("AAAABC", 3), ("", 0)],
)
def test_what_one_person_says_is_one_piece_of_evidence(writers: str, left: int) -> None:
    """If they wrote most of the corrections; two are not many, and half is not most."""
    clusters = {f"sft:{place}": f"c{place}" for place in range(len(writers))}
    written = {f"sft:{place}": writer for place, writer in enumerate(writers)}
    voiced = per_author_cap({**clusters, "thumb": "t"}, written)
    assert len(set(voiced.values())) == left + 1
    assert voiced["thumb"] == "t"
