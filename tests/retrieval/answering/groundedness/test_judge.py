"""Statements are judged by passages: what they hold, what they lack, and what they deny; in several languages."""

import threading
import time
from collections.abc import Sequence
from itertools import pairwise

import pytest

from retrieval.answering.groundedness.judge import Groundedness, Judgement
from retrieval.answering.statements import statements_of
from retrieval.embedding import MiniLM, Vectors
from retrieval.searching.passage import Passage
from tests.retrieval.answering.groundedness.statements_of_other_languages import GERMAN, HEBREW, Case


def passage(title: str, text: str, kind: str = "text", heading: str = "") -> Passage:
    """A passage with nothing known of it but its text and what stands above it."""
    return Passage(
        chunk_id=0,
        document_id=0,
        ordinal=0,
        document="",
        title=title,
        heading=heading,
        kind=kind,
        text=text,
        url=None,
        content_hash="",
        collection="",
        score=0.0,
        ranks={},
        similarity=0.0,
    )


PUMP = passage(
    "GX-200 pump",
    "The pump is serviced every 500 operating hours. The oil pressure must be between 2 and 4 bar. Do not open the "
    "valve while the pump is running. The pump was built by Grundfos in Denmark. Its firmware is updated with the "
    "command `pump-cli flash --image v4`.",
)
ALARMS = passage(
    "Alarms",
    "| Code | Meaning | Action |\n| --- | --- | --- |\n| A204 | Oil too hot | wait 20 minutes |\n"
    "| A311 | Filter clogged | replace the filter |",
)
QUESTION = "How is the pump looked after?"


@pytest.fixture(scope="module")
def judge() -> Groundedness:
    """With the real embedding model, in one thread."""
    return Groundedness(MiniLM(workers=1))


def judged(judge: Groundedness, text: str, *passages: Passage, question: str = QUESTION) -> Judgement:
    """The judgement of one statement."""
    (found,) = judge.judge(question, [text], passages or (PUMP, ALARMS))
    return found


@pytest.mark.parametrize(
    "text",
    [
        "The pump is serviced every 500 operating hours.",
        "The pump needs service every 500 operating hours.",
        "Do not open the valve while the pump is running.",
        "The valve must not be opened while the pump is running.",
        "The oil pressure must be between 2 and 4 bar.",
        "Grundfos built the pump in Denmark.",
    ],
)
def test_what_a_passage_says_is_shown(judge: Groundedness, text: str) -> None:
    """In its words or in others."""
    found = judged(judge, text)
    assert found.shown
    assert found.passages[0] == 0


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("number", "The pump is serviced every 600 operating hours."),
        ("number", "The oil pressure must be between 2 and 6 bar."),
        ("unit", "The pump is serviced every 500 operating days."),
        ("unit", "The oil pressure must be between 2 and 4 psi."),
        ("name", "The pump was built by Siemens in Denmark."),
        ("code", "Its firmware is updated with the command `pump-cli flash --image v5`."),
        ("denial added", "The pump is not serviced every 500 operating hours."),
        ("denial dropped", "Open the valve while the pump is running."),
        ("about something else", "The cafeteria opens at noon on weekdays."),
    ],
)
def test_what_is_changed_is_not_shown(judge: Groundedness, what: str, text: str) -> None:
    """One number, unit, code or name, or a denial, makes it another statement."""
    assert not judged(judge, text).shown, what


def test_two_passages_together(judge: Groundedness) -> None:
    """A statement that combines what two passages say rests on both, and each is cited with its own words."""
    text = "The pump is serviced every 500 operating hours, and alarm A311 says that the filter is clogged."
    found = judged(judge, text)
    assert found.shown
    assert set(found.passages) == {0, 1}
    assert {evidence.passage for evidence in found.evidence} == {0, 1}


def test_evidence_stands_word_for_word(judge: Groundedness) -> None:
    """As it stands in the passage, neighbouring sentences with what is between them."""
    found = judged(judge, "The pump was built by Grundfos in Denmark.")
    assert found.evidence[0].text == "The pump was built by Grundfos in Denmark."
    assert all(evidence.text in (PUMP, ALARMS)[evidence.passage].text for evidence in found.evidence)


@pytest.mark.parametrize(("text", "shown"), [("500 operating hours", True), ("600 operating hours", False)])
def test_terse_answers_are_judged_with_their_question(judge: Groundedness, text: str, shown: bool) -> None:
    """The values are their own."""
    assert judged(judge, text, question="How often is the pump serviced?").shown is shown


def test_a_terse_yes_with_a_value(judge: Groundedness) -> None:
    """What follows the yes has to be borne out."""
    question = "Is the oil pressure at most 4 bar?"
    assert judged(judge, "Between 2 and 4 bar.", question=question).shown
    assert not judged(judge, "Between 2 and 9 bar.", question=question).shown


def test_a_value_of_another_row(judge: Groundedness) -> None:
    """In a table a value belongs to its row."""
    assert judged(judge, "Alarm A311: filter clogged, replace the filter.").shown
    assert not judged(judge, "Alarm A311: oil too hot, wait 20 minutes.").shown


def test_headings_are_context(judge: Groundedness) -> None:
    """What the sentences are about stands above them."""
    under = passage("GX-200 pump", "Every 500 operating hours, by a fitter.", heading="Service")
    assert judged(judge, "The GX-200 pump is serviced every 500 operating hours.", under).shown
    other = passage("Canteen", "Every 500 operating hours, by a fitter.", heading="Menu")
    assert not judged(judge, "The GX-200 pump is serviced every 500 operating hours.", other).shown


def test_nothing_bears_out_without_passages(judge: Groundedness) -> None:
    """No passages, no evidence."""
    (found,) = judge.judge(QUESTION, ["The pump is serviced every 500 operating hours."], [])
    assert (found.shown, found.probability, found.passages, found.evidence) == (False, 0.0, (), ())


def test_long_passages(judge: Groundedness) -> None:
    """What stands far down in a long passage counts as much; lists, links and code are no obstacle."""
    filler = "\n".join(f"{i}. See [page {i}](https://example.com/{i}) for part {i} of the list." for i in range(1, 90))
    long = passage("Manual", f"{filler}\n\n```\nrun --all\n```\n\nThe gearbox holds 3 liters of oil.")
    assert judged(judge, "The gearbox holds 3 liters of oil.", long).shown
    assert not judged(judge, "The gearbox holds 7 liters of oil.", long).shown


def shares(judge: Groundedness, cases: Sequence[Case]) -> tuple[float, float]:
    """The share of true statements, and of false ones, that are shown."""
    counts = {True: [0, 0], False: [0, 0]}
    for case in cases:
        passages = [passage(title, text) for title, text in case.passages]
        for truth, texts in ((True, case.true), (False, case.false)):
            for found in judge.judge(case.question, texts, passages):
                counts[truth][0] += found.shown
                counts[truth][1] += 1
    return counts[True][0] / counts[True][1], counts[False][0] / counts[False][1]


@pytest.mark.parametrize("cases", [GERMAN, HEBREW], ids=["German", "Hebrew"])
def test_other_languages(judge: Groundedness, cases: Sequence[Case]) -> None:
    """Words of a language that the embedding model does not know carry by their letters."""
    true, false = shares(judge, cases)
    assert true >= 0.9
    assert false <= 0.15


class Counting(MiniLM):
    """Counts the texts that it reads."""

    read = 0

    def token_vectors(self, texts: Sequence[str]) -> list[Vectors]:
        Counting.read += len(texts)
        return super().token_vectors(texts)


def test_passages_are_read_once() -> None:
    """The statements that follow cost the reading of themselves alone, in any order of passages."""
    judge = Groundedness(Counting(workers=1))
    judge.judge(QUESTION, ["The oil pressure must be between 2 and 4 bar."], [PUMP, ALARMS])
    before = Counting.read
    judge.judge(QUESTION, ["The pump was built by Grundfos in Denmark."], [PUMP, ALARMS])
    assert Counting.read - before == 1
    judge.judge(QUESTION, ["Alarm A311: the filter is clogged."], [ALARMS, PUMP])
    assert Counting.read - before == 2


def test_repeated_calls_are_fast(judge: Groundedness) -> None:
    """A bound that a slow machine keeps: of processor time, a statement of an answer that goes on."""
    judged(judge, "The pump is serviced every 500 operating hours.")
    times = []
    for n in range(20):
        started = time.process_time()
        judged(judge, f"The pump number {n} is serviced every 500 operating hours.")
        times.append(time.process_time() - started)
    assert sorted(times)[10] < 0.1


def test_several_threads(judge: Groundedness) -> None:
    """The same judgement from each."""
    alone = judged(judge, "The oil pressure must be between 2 and 4 bar.")
    fresh = Groundedness(MiniLM(workers=1))
    found: list[Judgement] = []
    threads = [
        threading.Thread(target=lambda: found.append(judged(fresh, "The oil pressure must be between 2 and 4 bar.")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(abs(one.probability - alone.probability) < 0.01 for one in found)
    assert all(one.passages == other.passages for one, other in pairwise(found))


class Lettered:
    """An embedder of another kind, without vectors of words."""

    name = "api:other"
    dimensions = 2

    def embed(self, texts: Sequence[str]) -> Vectors:
        raise AssertionError("the check needs no vectors of whole texts")


def test_other_embedders_go_by_letters() -> None:
    """Where there are no vectors of words, the words themselves decide."""
    judge = Groundedness(Lettered())
    assert judged(judge, "The pump is serviced every 500 operating hours.").shown
    assert not judged(judge, "The pump is serviced every 600 operating hours.").shown


def test_a_model_as_judge_adds_what_it_thinks(judge: Groundedness) -> None:
    """With the weights as they are it changes nothing; the place is there."""
    text = "The pump needs service every 500 operating hours."
    (alone,) = judge.judge(QUESTION, [text], [PUMP])
    (beside,) = judge.judge(QUESTION, [text], [PUMP], judge_probability=[0.99])
    assert beside.probability >= alone.probability


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("It is red. It holds 5 [1][3].", ["It is red.", "It holds 5."]),
        ("**Access**: You need it.\n* **One**: two.", ["Access: You need it.", "One: two."]),
        ("## Key facts\nIt runs.", ["Key facts", "It runs."]),
        (
            "It is caused by: 1. Blocked ducts 2. Old oil. 3. Dust.",
            ["It is caused by:", "Blocked ducts", "Old oil.", "Dust."],
        ),
        ("The limit is 5. More is refused.", ["The limit is 5.", "More is refused."]),
        ("", []),
    ],
)
def test_statements_of_a_text(text: str, statements: list[str]) -> None:
    """Without citations, bullets, numbers of a list and marks of emphasis."""
    assert statements_of(text) == statements


def test_a_terse_answer_to_a_question_in_other_words(judge: Groundedness) -> None:
    """What a question calls things need not stand in the passages; its codes and names are no claim of the answer's."""
    manual = passage(
        "Serial port",
        "Set the baud rate to 115200 as 8-N-1. The port sends 27 characters at most. Other speeds are of no use.",
    )
    question = "what speed do I pick in PuTTY for the com port, I only see garbage otherwise"
    assert judged(judge, "115200", manual, question=question).shown
    assert not judged(judge, "9600", manual, question=question).shown


def test_a_number_may_be_written_in_several_ways(judge: Groundedness) -> None:
    """Digits in groups, and cents that are none, change nothing; a version is no such number."""
    prices = passage("Plans", "The large plan costs $1,040.00 a month for 25 users. It comes with version 6.15.0.")
    assert judged(judge, "The large plan costs $1040 a month for 25 users.", prices).shown
    assert not judged(judge, "The large plan comes with version 6.15.", prices).shown


SEARCH = passage(
    "Homing",
    "Homing fail. Could not find the limit switch within the search distance. It is defined as 1.5 * max_travel on "
    "search. The filter FX-9 is changed every 800 hours. Feed overrides may be set between 10% and 200%.",
)


@pytest.mark.parametrize(
    ("text", "question", "shown"),
    [
        # What could not be found is there all the same: the denial is of the finding.
        ("The search distance for the home switch is defined as 1.5 * max_travel.", "How far does it search?", True),
        ("The limit switch could be found within the search distance.", "Was it found?", False),
        # The number of a code counts nothing, so that no unit follows it.
        ("Change the FX-9 filter every 800 hours.", "What of the filter?", True),
        ("Change the FX-8 filter every 800 hours.", "What of the filter?", False),
        # The name is theirs, what is said of it is not.
        ("The FX-9 filter is a warning light.", "What of the filter?", False),
        # How somebody asked need not stand in the documents.
        (
            "The operator can crank the feed override up to 200% here.",
            "how high can the operator crank the feed override here?",
            True,
        ),
        (
            "The operator can crank the feed override up to 300% here.",
            "how high can the operator crank the feed override here?",
            False,
        ),
    ],
)
def test_what_is_said_counts_and_not_how_it_is_named_or_asked(
    judge: Groundedness, text: str, question: str, shown: bool
) -> None:
    """Names, codes and the question's words speak for a statement less than what it says itself."""
    assert judged(judge, text, SEARCH, question=question).shown is shown
