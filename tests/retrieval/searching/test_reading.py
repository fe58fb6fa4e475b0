"""What the model reads: passages grown by their neighbours, each once, and no more than the budget."""

from dataclasses import replace
from pathlib import Path

import pytest
from pgvector.psycopg import register_vector
from psycopg import Connection

from retrieval.answering.groundedness.judge import Groundedness
from retrieval.answering.passages import PASSAGES, passages_for
from retrieval.answering.prompt import numbered
from retrieval.embedding import MiniLM
from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import register_sources
from retrieval.searching.passage import Passage
from retrieval.searching.reading import distinct, grown
from retrieval.searching.search import search
from tests.retrieval.samples import passage

EMBEDDER = MiniLM()
STEPS = [
    f"Step {number}: " + f"turn valve {number} of the coolant circuit slowly until the gauge shows {number} bar. " * 8
    for number in range(1, 7)
]
MANUAL = "# Venting\n\n## Steps\n\n" + "\n\n".join(STEPS) + "\n\n## Afterwards\n\nClean the filter of the pump.\n"


@pytest.fixture
def found(conn: Connection, tmp_path: Path) -> list[Passage]:
    """All passages of a manual whose section is too long for one, in the order in which they stand."""
    register_vector(conn)
    (tmp_path / "venting.md").write_text(MANUAL)
    index_sources(conn, EMBEDDER, register_sources(conn, [tmp_path]), max_bytes=10**6)
    passages = search(conn, EMBEDDER, "Which gauge pressure at which valve?", k=20)
    return sorted(passages, key=lambda one: one.ordinal)


def test_a_passage_grows_by_its_neighbours(conn: Connection, found: list[Passage]) -> None:
    """What follows first, then what stands before; of the same section alone."""
    middle = found[2]
    (read,) = grown(conn, [middle], most=4, words=len(middle.text.split()) + 250)
    assert (read.before, read.after) == (found[1].text, found[3].text)
    assert read.reading == f"{found[1].text}\n\n{middle.text}\n\n{found[3].text}"
    last = next(one for one in found if one.heading == "Afterwards")
    assert grown(conn, [last], most=4, words=1000) == [last]


def test_the_budget_holds(conn: Connection, found: list[Passage]) -> None:
    """The first passages come first; neighbours get what is left."""
    words = len(found[0].text.split())
    assert [read.reading for read in grown(conn, found, most=4, words=words)] == [found[0].text]
    assert grown(conn, [found[2]], most=4, words=words + 10)[0].reading == found[2].text
    for budget in (200, 400, 800):
        read = grown(conn, [found[0], found[4]], most=4, words=budget)
        assert sum(len(one.reading.split()) for one in read) <= max(budget, words)


def test_no_text_is_read_twice(conn: Connection, found: list[Passage]) -> None:
    """Neither a neighbour that is a passage itself, nor one of two passages."""
    read = grown(conn, [found[1], found[3]], most=4, words=10_000)
    assert [one.after for one in read] == [found[2].text, found[4].text]
    assert [one.before for one in read] == [found[0].text, ""]


def test_near_duplicates_are_read_once() -> None:
    """The better one stays; another number makes another passage."""
    one = passage(
        ("Grease the bearing of the coolant pump every 400 hours with KP2K-30, and wipe off what is left.", 1)
    )
    again = passage(
        ("Grease the bearing of the coolant pump every 400 hours with KP2K-30 and wipe off what is left", 1)
    )
    other = passage(
        ("Grease the bearing of the coolant pump every 800 hours with KP2K-30, and wipe off what is left.", 1)
    )
    assert distinct([one, again, other]) == [one, other]


def test_a_statement_may_rest_on_what_was_read_around_a_passage() -> None:
    """The passage carries its number."""
    read = replace(passage(("Grease the bearing.", 1)), after="Close valve V9 before the seal is changed.")
    said = ["Valve V9 is closed before the seal is changed.", "Valve V8 is closed before the seal is changed."]
    judged = Groundedness(MiniLM()).judge("", said, [read])
    assert [one.shown for one in judged] == [True, False]


def test_the_prompt_holds_it() -> None:
    """Under the passage's own number and headings."""
    read = replace(passage(("Grease the bearing.", 1), heading="Care"), before="Stop the pump.", after="Wipe it off.")
    text = "Pump > Care\nStop the pump.\n\nGrease the bearing.\n\nWipe it off."
    assert numbered([read]) == f'<passage number="1">\n{text}\n</passage>'


def test_a_short_text_means_what_it_stands_under() -> None:
    """The torque of the fan says nothing about the pump; a long text says the same under any title."""
    short, long = ("The bearing takes 35 Nm.", 1), ("Grease which was not approved harms the bearing of it. " * 5, 1)
    for text, kept in ((short, 2), (long, 1)):
        pump = passage(text, heading="Care")
        assert len(distinct([pump, replace(pump, chunk_id=2, title="Fan")])) == kept


def test_copies_leave_room_for_what_else_is_found(conn: Connection, tmp_path: Path) -> None:
    """However many documents hold nearly the same notice, the other passages are there to read."""
    hand = "first second third fourth fifth sixth seventh eighth ninth tenth eleventh".split()
    for word in hand:
        text = (
            f"Before the {word} shift begins, whoever works at the press checks the light curtain with a black rod at "
            "three places, writes the outcome into the book beside the door, and tells the foreman what failed."
        )
        (tmp_path / f"{word}.md").write_text(f"# Light curtain\n\n{text}\n")
    (tmp_path / "rod.md").write_text("# Tools\n\nThe black test rod has a diameter of 14 mm.\n")
    index_sources(conn, EMBEDDER, register_sources(conn, [tmp_path]), max_bytes=10**6)
    question = "How is the light curtain of the press checked before the shift?"
    assert "rod.md" not in [one.document for one in search(conn, EMBEDDER, question, k=PASSAGES)]
    assert [one.document for one in passages_for(conn, EMBEDDER, None, question)][1:] == ["rod.md"]
