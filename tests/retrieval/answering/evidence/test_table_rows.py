"""A table row as it is quoted: what answers, and which row it is."""

from collections.abc import Sequence

import pytest

from retrieval.answering.evidence.table_rows import quoted_row

PART = "part: BR-12\nname: Brake disc\nweight_kg: 7.5\nprice_eur: 84\nstock: 4\nshelf: C-01-2"


@pytest.mark.parametrize(
    ("question", "quoted"),
    [
        ("How many BR-12 are in stock?", "stock: 4 · part: BR-12"),
        ("On which shelf is BR-12, and how many are in stock?", "stock: 4 · shelf: C-01-2 · part: BR-12"),
        ("What is the weight of the brake disc?", "weight_kg: 7.5 · name: Brake disc"),
        ("Tell me about BR-12", " · ".join([*PART.split("\n")[1:], "part: BR-12"])),
    ],
)
def test_the_cells_that_answer_lead(question: str, quoted: str) -> None:
    """Then those that say which row it is; no others, unless no column is asked for."""
    assert quoted_row(question, PART) == quoted


def test_a_cell_that_is_nearer_than_those_asked_for_by_name_answers_too() -> None:
    """People name a column in other words than its own."""
    nearest = {"price_eur: 84": 0.9, "stock: 4": 0.5}

    def nearness(cells: Sequence[str]) -> list[float]:
        return [nearest.get(cell, 0.1) for cell in cells]

    quoted = quoted_row("How many BR-12 are in stock, and what do they cost?", PART, nearness)
    assert quoted == "price_eur: 84 · stock: 4 · part: BR-12"


def test_a_row_of_which_all_is_known_is_quoted_as_it_is() -> None:
    """There is nothing else to lead."""
    assert quoted_row("Is BR-12 the brake disc?", "part: BR-12\nname: Brake disc") == "part: BR-12 · name: Brake disc"
