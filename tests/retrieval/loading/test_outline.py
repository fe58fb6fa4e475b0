"""What every parser writes into: headings that lead nowhere, characters that nobody types."""

import pytest

from retrieval.loading.blocks import MAX_HEADING, Outline, ParsedDocument, clean


def outlined(*parts: tuple[int, str] | str) -> ParsedDocument:
    """A document of headings (level, text) and texts."""
    outline = Outline()
    for part in parts:
        if isinstance(part, str):
            outline.add("text", part)
        else:
            outline.heading(*part)
    return outline.document()


def shown(document: ParsedDocument) -> list[tuple[tuple[str, ...], str]]:
    return [(block.heading, block.text) for block in document.blocks]


def test_a_heading_with_nothing_below_it_is_a_text() -> None:
    """Under the headings above it, wherever it stands; one that leads to others is none."""
    document = outlined(
        (1, "Rules"), (2, "Who locks gate 7?"), (3, "The guard"), (2, "Night"), "Two men.", (2, "Call 88")
    )
    assert shown(document) == [
        (("Who locks gate 7?",), "The guard"),
        (("Night",), "Two men."),
        ((), "Call 88"),
    ]


def test_a_label_is_no_text() -> None:
    """What the parser calls a part is not what the document says."""
    outline = Outline()
    outline.heading(2, "Page 2", is_label=True)
    outline.heading(2, "Page 3", is_label=True)
    assert outline.document().blocks == ()


def test_the_end_of_a_long_heading_is_not_lost() -> None:
    """A heading is cut, so its whole text stands below it."""
    long = "The pump of hall four " * 10 + "opens at 9 bar"
    (block,) = outlined((1, long)).blocks
    assert len(block.heading[0] if block.heading else "") <= MAX_HEADING
    assert block.text == long


def test_notes_are_kept_once() -> None:
    outline = Outline()
    for note in ("row 3 is cut", "row 3 is cut", ""):
        outline.note(note)
    assert outline.document().notes == ("row 3 is cut",)


@pytest.mark.parametrize(
    ("given", "typed"),
    [
        ("e\ufb03cient \ufb02ow", "efficient flow"),
        ("Ku\u0308hlung", "Kühlung"),
        ("one\x0ctwo\x0bthree\u2028four\x85five", "one\ntwo\nthree\nfour\nfive"),
        ("می\u200cشود", "می\u200cشود"),
        ("ﻣﻀﺨﺔ", "مضخة"),
        ("so\u00adft\u200b, \u202fthin\U000e0041\U000e0042", "soft, \u202fthin"),
    ],
)
def test_letters_are_those_that_people_type(given: str, typed: str) -> None:
    """Composed, without ligatures; what ends a line ends it; joiners are part of a word, invisible signs are not."""
    assert clean(given) == typed
