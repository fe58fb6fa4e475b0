"""Identifiers: what a question and a document must spell alike to find each other."""

import pytest

from retrieval.text.lexemes import codes, identifiers


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("alarm 3", "ALARM:3 stops the machine"),
        ("what is alarm no. 3?", "Alarm Code in v1.1: 3\nMeaning: Abort during cycle"),
        ("ALARM:3", "Alarm 3 means that the cycle was aborted"),
        ("error 22", "error:22 is a missing feed rate"),
        ("error #22", "Error code 22: no feed rate"),
        ("hp 200 press", "The HP-200 is greased weekly"),
        ("hp200", "The HP 200 is greased weekly"),
        ("set $110", "$-Code: 110\nSetting: X-axis maximum rate"),
        ("set $110", "Send `$110=500.000` first"),
        ("m66", "M66 waits for an input"),
        ("Where is ON7 kept?", "The relay ON-7 is in drawer 3"),
        ("Where is ON-7 kept?", "Relay ON 7 is in drawer 3"),
        ("where is on7", "Relay ON_7, drawer 3"),
        ("ME 40 filter", "ME–40 is a filter"),
        ("what is up‑12", "UP12 starts the pump"),
        ("sn 88421b", "Serial SN-88421-B"),
        ("SN88421B", "Serial SN-88421/B"),
        ("CO2 limit", "CO₂ is below 400 ppm"),
        ("kp2k30", "Grease KP2K-30"),
    ],
)
def test_a_code_is_one_however_it_is_written(asked: str, written: str) -> None:
    """The question and the text share a lexeme that is more than a number."""
    assert set(codes(identifiers(asked))) & set(identifiers(written))


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("alarm 3", "alarm 30"),
        ("alarm 3", "error 3"),
        ("HP-200", "HP-2000"),
        ("ON-7", "It goes on 7 hours"),
        ("10²", "102"),
    ],
)
def test_another_code_is_another(asked: str, written: str) -> None:
    """A prefix or the same number of something else is not a match."""
    assert not set(codes(identifiers(asked))) & set(identifiers(written))


def test_numbers_alone_are_no_codes() -> None:
    """400 hours and 3.5 mm name nothing; common words before them make no names of them."""
    assert codes(identifiers("400 hours, of 3.5 or 10%")) == []
