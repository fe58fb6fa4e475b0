"""The figures of an evaluation."""

from finetune.evaluation.figures import ABSTAINING, figures
from finetune.evaluation.gate import Outcome
from finetune.evaluation.items import (
    HELD_OUT,
    UNANSWERABLE,
)


def test_figures_are_means_by_set_and_arm() -> None:
    """With the number of questions that they are of; and of refusals, how many were right and how many were due."""
    arms = {
        "candidate": [
            Outcome("1", {"answer": 1.0, "kept": 0.0}, HELD_OUT),
            Outcome("2", {"answer": 0.0, "kept": 1.0}, HELD_OUT),
            Outcome("3", {"refused": 1.0}, UNANSWERABLE),
        ],
        "base": [
            Outcome("1", {"answer": 0.0, "kept": 1.0}, HELD_OUT),
            Outcome("2", {"answer": 0.0, "kept": 1.0}, HELD_OUT),
            Outcome("3", {"refused": 0.0}, UNANSWERABLE),
        ],
    }
    assert figures(arms) == {
        HELD_OUT: {"answer": {"candidate": 0.5, "base": 0, "n": 2}, "kept": {"candidate": 0.5, "base": 1, "n": 2}},
        UNANSWERABLE: {"refused": {"candidate": 1, "base": 0, "n": 1}},
        ABSTAINING: {"precision": {"candidate": 0.5, "n": 3}, "recall": {"candidate": 1, "base": 0, "n": 3}},
    }
