"""Pieces of text: characters stay whole, and stop strings are never shown in part."""

import random

import pytest

from finetune.model.generation import StopStrings, TextDecoder
from tests.finetune.conftest import tiny_tokenizer


def test_characters_stay_whole() -> None:
    """A character of several tokens comes as one piece, and the pieces joined are the text."""
    tokenizer = tiny_tokenizer()
    text = "Ölstand 🛢️ prüfen: 中文, then \u2028 go"
    decoder = TextDecoder(tokenizer)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    pieces = [decoder.push(token) for token in ids]
    assert "".join(pieces) + decoder.flush() == text
    assert not any("\ufffd" in piece for piece in pieces)
    assert len(ids) > len([piece for piece in pieces if piece])


def test_broken_bytes_come_at_last() -> None:
    """Any tokens at all, joined piece by piece, decode as they do at once; nothing is lost at the end."""
    tokenizer = tiny_tokenizer()
    chance = random.Random(7)
    for _ in range(50):
        ids = [chance.randrange(8, len(tokenizer)) for _ in range(30)]
        decoder = TextDecoder(tokenizer)
        text = "".join(decoder.push(token) for token in ids) + decoder.flush()
        assert text == tokenizer.decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize(
    ("pieces", "stops", "shown"),
    [
        (["a ", "b"], [], "a b"),
        (["one\n", "\ntwo"], ["\n\n"], "one"),
        (["one\n", "two"], ["\n\n"], "one\ntwo"),
        (["so END"], ["END", "so E"], ""),
        (["aaab"], ["aab"], "a"),
        (["ends with EN"], ["END"], "ends with EN"),
        (["text"], [""], "text"),
    ],
)
def test_stop_strings(pieces: list[str], stops: list[str], shown: str) -> None:
    """Text passes up to the first stop string; what only looked like one is shown after all."""
    filtered = StopStrings(stops)
    text = ""
    for piece in pieces:
        text += filtered.push(piece)
        assert shown.startswith(text)
        if filtered.ended:
            break
    assert text + filtered.flush() == shown
