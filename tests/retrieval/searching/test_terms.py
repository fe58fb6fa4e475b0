"""Which passages are worth scoring by words: all, unless common words make them too many."""

import pytest

from retrieval.searching.terms import Term, candidates

CHUNKS = 10_000


def asked(**chunks: int) -> list[Term]:
    return [Term(lexeme, number) for lexeme, number in chunks.items()]


def test_a_rare_word_weighs_more_than_a_common_one() -> None:
    """And one that is everywhere still weighs more than nothing."""
    weights = [Term("word", chunks).idf(CHUNKS) for chunks in (0, 1, 100, CHUNKS)]
    assert weights == sorted(weights, reverse=True)
    assert weights[-1] > 0


def test_within_the_budget_any_word_will_do() -> None:
    """So that a small index is searched as if there were no budget; a word that is nowhere is left out."""
    terms = asked(pump=300, bleed=20, nowhere=0, oil=700)
    assert candidates(terms, CHUNKS, CHUNKS, budget=1020) == "'bleed' | 'pump' | 'oil'"


def test_over_the_budget_common_words_need_company() -> None:
    """The rarest that fit stand alone; of the others, the rarest with as few others as keep to what is left."""
    terms = asked(pump=3000, bleed=20, oil=4000, machine=5000)
    assert candidates(terms, CHUNKS, CHUNKS, budget=1020) == "'bleed' | 'pump' & 'oil' & ('machine')"
    assert candidates(terms, CHUNKS, CHUNKS, budget=2500) == "'bleed' | 'pump' & ('oil' | 'machine')"


def test_common_words_alone_may_be_too_many() -> None:
    """Then they are left to the passages that are near in meaning."""
    assert candidates(asked(pump=6000, machine=8000), CHUNKS, CHUNKS, budget=1000) == ""
    assert candidates(asked(machine=8000), CHUNKS, CHUNKS, budget=1000) == ""


@pytest.mark.parametrize(("visible", "expected"), [(10_000, ""), (5_000, "'pump'"), (10, "'pump'"), (0, "'pump'")])
def test_what_the_filter_takes_out_is_not_counted(visible: int, expected: str) -> None:
    """Where half may be seen, twice as many may match."""
    assert candidates(asked(pump=1900), CHUNKS, visible, budget=1000) == expected


def test_the_index_is_not_walked_for_ever() -> None:
    """However few may be seen, ten times the budget is the most that is taken out of the index."""
    assert candidates(asked(pump=10_001), 10**6, 10, budget=1000) == ""


def test_quotes_and_backslashes_are_part_of_a_word() -> None:
    """Nothing in a lexeme is an operator."""
    assert Term("o'ne\\il", 1).query == "'o''ne\\\\il'"
