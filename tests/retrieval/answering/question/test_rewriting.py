"""A follow-up rewritten by the model: used if it keeps what was asked and adds nothing of its own."""

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from retrieval.answering.answer import Question, Turn
from retrieval.answering.question.followup import standalone
from retrieval.answering.question.rewriting import rewritten

HISTORY = (
    Turn("user", "At which oil temperature does power unit PU-63 switch itself off?"),
    Turn("assistant", "At 70 °C with alarm A204."),
)
FOLLOW_UP = Question("and at what temperature may it be started again?", HISTORY)


class Says(BaseChatModel):
    """A model that says one thing, and notes what it is asked."""

    text: str
    asked: list[str] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "says"

    def _generate(self, messages: list[BaseMessage], *args: Any, **more: Any) -> ChatResult:
        self.asked.append(str(messages[-1].content))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.text))])


def test_a_good_rewrite_is_used() -> None:
    """And the model was told what was said before."""
    model = Says(text="At what temperature may power unit PU-63 be started again?\nBecause it is hot.")
    assert rewritten(FOLLOW_UP, model) == "At what temperature may power unit PU-63 be started again?"
    assert "PU-63 switch itself off?" in model.asked[0]
    assert "70 °C" in model.asked[0]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "At what pressure may power unit PU-63 be started again?",  # drops temperature, invents pressure
        "At what temperature may power unit PU-64 be started again?",  # another machine
        "The unit may be started at 50 °C.",  # answers
        "May it be started again?",  # drops what was asked
        "At what temperature may it be started again? " * 8,  # does not stop
    ],
)
def test_a_rewrite_that_drops_or_invents_is_not_used(text: str) -> None:
    """The plain fallback: the question after the one before."""
    assert rewritten(FOLLOW_UP, Says(text=text)) == standalone(FOLLOW_UP)


@pytest.mark.parametrize(
    ("before", "said", "asked", "text"),
    [
        ("Which colours are there?", "Yellow to white.", "And which is the hardest?", "What is the hardest colour?"),
        ("Can I rent a harness?", "Yes, for 3 euros.", "Is there a rope I could use?", "Is a rope available for rent?"),
        ("Was kostet die Sauna?", "Acht Euro.", "Und wann hat sie offen?", "Wann hat die Sauna offen?"),
        ("Why is PVC out?", "Its fumes are poisonous.", "Why isn't it cut then?", "Why isn't PVC cut?"),
    ],
)
def test_a_rewrite_may_say_it_in_its_own_words(before: str, said: str, asked: str, text: str) -> None:
    """A word of its own, or one that is left out: it asks the same."""
    question = Question(asked, (Turn("user", before), Turn("assistant", said)))
    assert rewritten(question, Says(text=f"Rewritten question: {text}")) == text


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("and why may it not be started?", "Why may power unit PU-63 be started?"),  # lost its "not"
        ("and with alarm A207?", "What happens with power unit PU-63?"),  # lost a code
        ("und wann darf sie wieder starten?", "When may power unit PU-63 start again?"),  # another language
        ("and at what oil level?", "The power unit switches itself off at oil level 70."),  # answers
    ],
)
def test_a_rewrite_that_asks_something_else_is_not_used(asked: str, text: str) -> None:
    """However much of it comes from the conversation."""
    question = Question(asked, HISTORY)
    assert rewritten(question, Says(text=text)) == standalone(question)


def test_a_rewrite_that_still_leans_is_searched_behind_the_question_before_it() -> None:
    """What it names is kept, and what it leaves open is not lost."""
    text = "At what temperature may the unit be started again after it switched off?"
    asked = rewritten(FOLLOW_UP, Says(text=text))
    assert asked == f"{HISTORY[0].text} {text}"


def test_what_stands_alone_is_not_rewritten() -> None:
    """The model is not asked: it would take time for nothing."""
    model = Says(text="Something.")
    for question in (
        Question("How often is the bearing of the coolant pump greased?", HISTORY),
        Question("and at what temperature?"),
    ):
        assert rewritten(question, model) == standalone(question)
    assert model.asked == []


def test_a_model_that_fails_costs_the_rewrite_alone() -> None:
    """The answer may still come of the quotes."""

    class Broken(Says):
        def _generate(self, messages: list[BaseMessage], *args: Any, **more: Any) -> ChatResult:
            raise ConnectionError("no model")

    assert rewritten(FOLLOW_UP, Broken(text="")) == standalone(FOLLOW_UP)
