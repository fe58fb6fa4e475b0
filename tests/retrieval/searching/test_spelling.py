"""Typos: a word of the question with one letter wrong finds what the right one finds."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from psycopg import Connection

from retrieval.embedding import MiniLM, Vectors
from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import register_sources
from retrieval.searching.search import search
from retrieval.searching.spelling import WEIGHT, corrected, english_words, neighbours
from retrieval.searching.terms import Term

EMBEDDER = MiniLM()


@pytest.fixture
def indexed(conn: Connection, tmp_path: Path) -> Connection:
    """Pieces of equipment that are alike but for one rare word each."""
    for name in "spindle conveyor gripper turret palletizer chiller quill tailstock pump valve".split():
        (tmp_path / f"{name}.md").write_text(f"# Care\n\nThe {name} is checked by the crew in the first week.\n")
    (tmp_path / "codes.csv").write_text("Code,Meaning\nA203,Oil too hot\nA204,Level too low\nA205,Door open\n")
    (tmp_path / "german.md").write_text(
        "# Pflege\n\nDie Schließanlage wird von der Werkstatt im Frühjahr geprüft, und der Hobel.\n"
    )
    for place in ("Halle", "Werkstatt"):
        text = "Der Rotor wird von uns jährlich geölt, auch wenn eine Mutter fehlt, und nicht mit Butter."
        (tmp_path / f"{place}.md").write_text(f"# {place}\n\n{text}\n")
    index_sources(conn, EMBEDDER, register_sources(conn, [tmp_path], collection="x"), max_bytes=10**6)
    return conn


@pytest.mark.parametrize(
    ("question", "document"),
    [
        ("when is the spinlde checked", "spindle.md"),  # swapped
        ("when is the conveor checked", "conveyor.md"),  # missing
        ("when is the grippper checked", "gripper.md"),  # too many
        ("when is the turrit checked", "turret.md"),  # wrong
        ("when are the chillres checked", "chiller.md"),  # another form, swapped
        ("who looks after pallettizers", "palletizer.md"),  # another form, too many
        ("when is the pmup checked", "pump.md"),  # short, swapped
        ("when is the pumb checked", "pump.md"),  # short, wrong
        ("when is the valv checked", "valve.md"),  # short, missing
        ("wann wird die Schliessanlage geprüft", "german.md"),  # ß
        ("wann wird die Schließanlge geprüft", "german.md"),  # long, in another language
    ],
)
def test_one_wrong_letter_misses_nothing(indexed: Connection, question: str, document: str) -> None:
    """By words as well as on the whole."""
    first = search(indexed, EMBEDDER, question)[0]
    assert first.document == document
    assert first.ranks["lexical"] == 1


def test_what_is_known_stays(indexed: Connection) -> None:
    """A word that stands in the documents is meant, even if a more frequent one is near; so is a code."""
    terms = [Term("quill", 1), Term("a206", 0)]
    assert corrected(indexed, "quill A206", "english", terms, english_words()) == terms


def test_a_guess_counts_less_and_replaces_what_was_written(indexed: Connection) -> None:
    """The unknown word would else lower the share of the question that a passage can hold."""
    terms = [Term("check", 8), Term("spinld", 0), Term("unheard", 0)]
    found = corrected(indexed, "check the spinlde, unheard", "english", terms, english_words())
    assert found == [Term("check", 8), Term("unheard", 0), Term("spindl", 1, WEIGHT)]


def test_neighbours_of_a_word() -> None:
    """One edit, in the word's own letters."""
    assert {"pump", "pmu", "pmap", "pmuxp"} <= set(neighbours("pmup"))
    assert {"valve", "vavles", "avle"} <= set(neighbours("vavle"))
    assert "насос" in neighbours("нсаос")
    assert "насос" in neighbours("насас")
    assert "vavle" not in neighbours("vavle")


def test_a_short_word_that_may_mean_several_stays(conn: Connection, tmp_path: Path) -> None:
    """Four letters have many neighbours: swapped letters, or a single neighbour, tell what is meant."""
    for name in "belt bell held".split():
        (tmp_path / f"{name}.md").write_text(f"# Care\n\nThe {name} is checked by the crew in the first week.\n")
    index_sources(conn, EMBEDDER, register_sources(conn, [tmp_path], collection="x"), max_bytes=10**6)
    assert meant(conn, "belk", "english") == "belk"
    assert meant(conn, "blet", "english") == "belt"


def test_a_word_that_is_spelt_right_stays(indexed: Connection) -> None:
    """Every English word has neighbours: who asks about a drill does not mean the quill."""
    terms = [Term("drill", 0), Term("spindel", 0)]
    assert corrected(indexed, "drill spindel", "english", terms, english_words())[0] == terms[0]


class Other:
    """Another model than MiniLM, that has no list of words."""

    name, dimensions = "other", 384

    def embed(self, texts: Sequence[str]) -> Vectors:
        return EMBEDDER.embed(texts)


def test_whichever_model_is_searched_with(conn: Connection, tmp_path: Path) -> None:
    """What is spelt right stays with any of them: the drill is not the quill."""
    for name in ("quill", "spindle"):
        (tmp_path / f"{name}.md").write_text(f"# Care\n\nThe {name} is checked by the crew in the first week.\n")
    index_sources(conn, Other(), register_sources(conn, [tmp_path], collection="x"), max_bytes=10**6)
    assert {p.lexical for p in search(conn, Other(), "drill")} == {0.0}
    assert search(conn, Other(), "spinlde")[0].ranks["lexical"] == 1


@pytest.mark.parametrize(
    ("word", "term"),
    [
        ("rootr", "rotor"),  # what is near stands in two passages
        ("hebel", "hebel"),  # no hobel, which one passage holds
        ("kutter", "kutt"),  # is near two words
        ("schliesanlage", "schliessanlag"),  # long: hardly another word is so near
        ("motor", "motor"),  # a word that MiniLM knows
    ],
)
def test_other_languages_are_guessed_with_care(indexed: Connection, word: str, term: str) -> None:
    """No list tells their right words, so it takes one neighbour alone, in several passages or of a long word."""
    assert meant(indexed, word, "german") == term


def test_without_its_package_there_is_no_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then English is guessed with as much care."""
    monkeypatch.setattr("retrieval.embedding.find_spec", lambda name: None)
    english_words.cache_clear()
    try:
        assert english_words() is None
    finally:
        english_words.cache_clear()


def meant(conn: Connection, word: str, language: str) -> str:
    """The term that takes the place of a word that no passage holds."""
    (stem,) = conn.execute("SELECT (tsvector_to_array(to_tsvector(%s::regconfig, %s)))[1]", (language, word)).fetchone()
    (found,) = corrected(conn, word, language, [Term(stem, 0)], english_words())
    return found.lexeme
