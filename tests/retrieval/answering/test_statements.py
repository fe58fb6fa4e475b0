"""A stream of text to whole statements."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from retrieval.answering.statements import statements, without_citations

TEXT = "Answer: Set valve V2 to 3.5 bar. Order MS-0417. See e.g. Table 2 [1]. - Then wait!\n2. Close it"


def test_statements_are_whole_and_without_labels() -> None:
    """Labels, bullets and numbers in front go; abbreviations and decimals end nothing."""
    assert list(statements([TEXT])) == [
        "Set valve V2 to 3.5 bar.",
        "Order MS-0417.",
        "See e.g. Table 2 [1].",
        "Then wait!",
        "Close it",
    ]


@given(st.lists(st.integers(1, len(TEXT) - 1), max_size=8))
def test_it_does_not_matter_how_the_text_is_cut_into_pieces(cuts: list[int]) -> None:
    """Tokens may end anywhere."""
    edges = [0, *sorted(set(cuts)), len(TEXT)]
    pieces = [TEXT[a:b] for a, b in pairwise(edges)]
    assert "".join(pieces) == TEXT
    assert list(statements(pieces)) == list(statements([TEXT]))


def test_a_statement_comes_as_soon_as_it_is_complete() -> None:
    """The reader does not wait for the end."""
    taken: list[str] = []

    def pieces():  # type: ignore[no-untyped-def]
        for piece in ("One thing. ", "Another ", "thing."):
            taken.append(piece)
            yield piece

    first = next(statements(pieces()))
    assert first == "One thing."
    assert len(taken) <= 2


def test_citations_are_taken_off() -> None:
    """[n] and [n, m] anywhere in the statement."""
    assert without_citations("Use oil [1] and grease [2, 3].") == ("Use oil and grease.", [1, 2, 3])
