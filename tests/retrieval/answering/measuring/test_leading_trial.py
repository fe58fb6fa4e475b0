"""Whose words lead is measured: questions with known answers, asked both ways."""

from retrieval.answering.draft import blockquote
from retrieval.answering.measuring.evaluation import LabelledQuestion
from retrieval.answering.measuring.leading_trial import LEAST, MOST, share_of_facts, tellable, try_leading

QUOTE = blockquote("The pump weighs 12 kg.", 1)


def labelled(n: int, *expect: str, answer: str | None = None) -> list[LabelledQuestion]:
    return [LabelledQuestion(str(i), "How heavy?", "fact", ["pump.md"], expect, answer=answer) for i in range(n)]


def test_a_model_that_says_as_much_itself_leads() -> None:
    """People lose nothing, and read an answer."""
    lead = try_leading(lambda _: "It weighs 12 kg. [1]\n\n" + QUOTE, lambda _: QUOTE, labelled(LEAST, "12"))
    assert lead is not None
    assert (lead.answers, lead.own, lead.gain.value) == ("model", 1, 0)
    assert lead.as_dict()["answers"] == "model"


def test_a_model_that_loses_the_answer_does_not_lead() -> None:
    """However much it says itself."""
    lead = try_leading(lambda _: "It is heavy. [1]\n", lambda _: QUOTE, labelled(LEAST, "12"))
    assert lead is not None
    assert (lead.answers, lead.gain.value) == ("quotes", -1)


def test_a_model_of_which_nothing_can_be_shown_does_not_lead() -> None:
    """Its answers are quotes anyway, and come later."""
    lead = try_leading(lambda _: QUOTE, lambda _: QUOTE, labelled(LEAST, "12"))
    assert lead is not None
    assert lead.answers == "quotes"


def test_too_few_questions_decide_nothing() -> None:
    """And of many some are asked, the same ones each time."""
    assert try_leading(lambda _: QUOTE, lambda _: QUOTE, labelled(LEAST - 1, "12")) is None
    many = labelled(MOST + 30, "12")
    assert len(tellable(many)) == MOST
    assert tellable(many) == tellable(many)


def test_how_much_of_a_right_answer_is_held() -> None:
    """By its facts where they are named, else by its words."""
    assert share_of_facts("It weighs 12 kg.", labelled(1, "12", "kg", "red", "old")[0]) == 0.5
    assert share_of_facts("The pump is red.", labelled(1, answer="A red pump of steel.")[0]) == 2 / 3
