"""Examples that the model writes from the documents."""

from collections import Counter

from finetune.dataset.build import build
from finetune.dataset.rows import Example, Message, Options
from finetune.dataset.synthetic import written_from
from tests.finetune.dataset.samples import OTHER, grounding, passage

FACT = "Alarm 1 means the door stands open."
QUESTION = "Which alarm means that the door moved?"


def written(*texts: str) -> tuple[list[Example], Counter[str], list[list[Message]]]:
    """What a model that says these texts, one after the other, makes of one passage; the counts; what it was asked."""
    replies, heard, counts = iter(texts), [], Counter[str]()

    def write(messages: list[Message]) -> str:
        heard.append(messages)
        return next(replies)

    words = grounding(search=lambda text: [passage(OTHER), passage(FACT)])
    return list(written_from([passage(FACT)], write, words, counts)), counts, heard


def test_a_supported_pair_is_kept_and_marked() -> None:
    """The answer is written from what search found, the passage among it."""
    (example,), _, heard = written(f'Sure:\n"{QUESTION}"', FACT)
    assert (example.question, example.completion, example.synthetic) == (QUESTION, FACT, True)
    assert [given.text for given in example.passages] == [FACT, OTHER]
    assert FACT in heard[0][0]["content"]
    assert OTHER in heard[1][0]["content"]
    dataset = build([], grounding(), options=Options(test_share=0, oracle_share=1), synthetic=[example])
    assert [placed.example.synthetic for placed in dataset.placed] == [True]
    assert dataset.report["synthetic"] == 1


def test_what_the_passage_does_not_bear_out_is_left_out() -> None:
    """Also where another passage would, for then the question is not about this one."""
    for reply in ("It means rain in the night.", OTHER, ""):
        examples, counts, _ = written(QUESTION, reply)
        assert not examples
        assert counts["synthetic, left out: the passage does not say it"] == 1


def test_what_is_no_question_about_the_passage_is_left_out() -> None:
    """Too short, too long, or about nothing in it."""
    for reply in ("The door is open.", "Why?", "x " * 50 + "?", "What is the answer to this question?"):
        examples, counts, _ = written(reply)
        assert not examples
        assert counts["synthetic, left out: no question"] == 1


def test_a_statement_that_only_repeats_the_question_is_left_out() -> None:
    """The evidence check would let it through, for the passage has all its words."""
    replies = iter(["Which alarm means that the door is open?", FACT])
    words = grounding(search=lambda text: [passage(FACT)])
    assert not list(written_from([passage(FACT)], lambda messages: next(replies), words, Counter()))
