"""What a quote can be: whole sentences, items and rows, each word for word in its passage."""

import pytest

from retrieval.text.sentences import MAX_WORDS, split


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("Oil it. Then wait 5 min.", "text", ["Oil it.", "Then wait 5 min."]),
        ("Wrapped prose goes\non here.", "text", ["Wrapped prose goes\non here."]),
        ("- first item\n- second item", "text", ["first item", "second item"]),
        ("1. Close valve V2.\n2. Wait.", "text", ["Close valve V2.", "Wait."]),
        ("Code: E1\nMeaning: Too hot", "row", ["Code: E1\nMeaning: Too hot"]),
        ("| Code | Meaning |\n| E1 | Too hot |", "table", ["| Code | Meaning |", "| E1 | Too hot |"]),
        ("Run this:\n\n```\nstart --now\nstop\n```", "text", ["Run this:", "start --now", "stop"]),
        ("---\n***\n", "text", []),
    ],
)
def test_pieces(text: str, kind: str, expected: list[str]) -> None:
    """Prose by sentences, lists by items, tables by rows, code by lines; marks alone are nothing."""
    assert split(text, kind) == expected


def test_a_long_sentence_is_cut_at_its_pauses_and_loses_nothing() -> None:
    """What is too long to be quoted is cut where it pauses; every word is still there, in order."""
    sentence = "; ".join(f"set valve {i} to {i} bar and wait until the needle rests" for i in range(12)) + "."
    parts = split(sentence, "text")
    assert len(parts) > 1
    assert all(len(part.split()) <= MAX_WORDS for part in parts)
    assert " ".join(parts) == sentence


def test_every_piece_stands_in_the_text() -> None:
    """A piece is a part of the passage as it stands."""
    text = "The press (see V2) holds 12 t. Check: oil, filter.\n\n- Item one. With two sentences.\n- Item two"
    assert all(piece in text for piece in split(text, "text"))
