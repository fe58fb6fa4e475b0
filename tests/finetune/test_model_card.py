"""What somebody finds in an adapter's folder."""

import pytest

from finetune.model_card import SCORES, model_card, scores_chart

SETS = {
    "golden": {"answer": {"candidate": 0.61, "base": 0.5, "n": 30}},
    "general": {"general": {"candidate": 0.9, "active": 0.8, "base": 0.9, "n": 24}, "length": {"base": 31.5, "n": 24}},
}


@pytest.mark.parametrize(("sets", "shown"), [(SETS, True), ({}, False)])
def test_card_shows_the_scores(sets: dict[str, dict[str, dict[str, float]]], shown: bool) -> None:
    """Those of every arm, in a table and in a picture, where there was an evaluation."""
    text = model_card("round-7", {"base": "embedded", "losses": [2.0, 1.0]}, {"sets": sets}, "refuse", "Not better.")
    assert (f"({SCORES})" in text) is shown
    assert ("| golden | answer | 0.61 |  | 0.5 | 30 |" in text) is shown
    picture = scores_chart(sets)
    assert (picture is not None and picture.startswith(b"\x89PNG")) is shown
