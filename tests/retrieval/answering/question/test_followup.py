"""When a question leans on the one before."""

import pytest

from retrieval.answering.answer import Question, Turn
from retrieval.answering.question.followup import CONTEXT, meaning_of, standalone

HISTORY = (Turn("user", "What does alarm A204 mean?"), Turn("assistant", "Low oil pressure."))


@pytest.mark.parametrize(
    "text", ["and what should I do?", "Which of those has to be replaced first after the weekend shift?"]
)
def test_a_follow_up_brings_its_question_along(text: str) -> None:
    """Short ones and those with a word that points back are searched with the question before."""
    assert standalone(Question(text, HISTORY)) == f"What does alarm A204 mean? {text}"


@pytest.mark.parametrize(
    "text",
    [
        "und wie lange dauert das nach dem Wochenende in der zweiten Schicht?",
        "Welches Werkzeug brauche ich dafür bei der großen Presse in Halle zwei?",
        "Wie oft wird sie von der zweiten Schicht am Wochenende in Halle vier geschmiert?",
        "Wer prüft das vor dem Beginn der Schicht in der großen Halle am Tor?",
        "Und wie oft?",
        "Wie oft muss man die Dichtung wechseln?",
        "ואיפה שומרים את הגריז של המשאבה הגדולה באולם השני?",
        "מי בודק אותה לפני תחילת המשמרת באולם הגדול ליד השער?",
    ],
)
def test_follow_ups_in_other_languages(text: str) -> None:
    """German and Hebrew have words that point back, and common words that do not count."""
    assert standalone(Question(text, HISTORY)).startswith("What does")


@pytest.mark.parametrize(
    "text",
    [
        "Wie oft wird das neue Öl der Presse in Halle zwei im Labor geprüft?",
        "Gibt es in Halle vier eine Liste der Ersatzteile für das Förderband CV-12?",
        "Wo wechseln Sie die Filter der Kühlmittelpumpe in Halle zwei aus?",
        "¿Cuál es la presión máxima del acumulador de la prensa grande?",
        "Hvad er det højeste tryk i pressens akkumulator efter hovedrengøring?",
        "Which dies are kept on the upper shelf of the tool store in hall four?",
        "מה היא הכמות של נוזל הקירור במסוע הגדול לאחר החלפה מלאה של המיכל?",
    ],
)
def test_words_that_mean_something_else_do_not_lean(text: str) -> None:
    """An article is no pronoun, nor is one language's pronoun another one's "is"."""
    assert standalone(Question(text, HISTORY)) == text


def test_a_question_of_its_own_stays_alone() -> None:
    """Another subject in the same thread is not mixed with the first."""
    text = "How many litres of coolant does the conveyor line need after a complete change of the tank?"
    assert standalone(Question(text, HISTORY)) == text


def test_a_first_question_stays_alone() -> None:
    """Without history there is nothing to lean on."""
    assert standalone(Question("and that?")) == "and that?"


def test_a_very_long_post_is_shortened() -> None:
    """Its beginning and its end stay, so that the prompt keeps room for the passages."""
    text = " ".join(f"word{i}" for i in range(5000))
    short = standalone(Question(text)).split()
    assert len(short) <= 151
    assert (short[0], short[-1]) == ("word0", "word4999")


def test_a_follow_up_is_searched_by_itself_and_with_what_was_said() -> None:
    """At once, so that it need not be known whether it changes the subject; a first question is what it is."""
    question = Question("Which filter belongs to the coolant pump CP-20?", HISTORY)
    assert meaning_of(question, standalone(question)) == {
        question.text: 1.0,
        f"What does alarm A204 mean? Low oil pressure. {question.text}": CONTEXT,
    }
    first = Question(question.text)
    assert meaning_of(first, standalone(first)) is None


def test_a_rewrite_takes_the_place_of_the_question() -> None:
    """In both of the texts."""
    question, rewrite = Question("and then?", HISTORY), "What is done at alarm A204?"
    assert list(meaning_of(question, rewrite) or ()) == [
        rewrite,
        f"What does alarm A204 mean? Low oil pressure. {rewrite}",
    ]


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (
            "> The oil pressure is low [1]\n> at pump P3. [1]\n\nStop the pump. [1]",
            "The oil pressure is low at pump P3.",
        ),
        (
            "Yes. The unit switches itself off at 70 degrees. It is started again below 50 degrees.",
            "Yes. The unit switches itself off at 70 degrees.",
        ),
        ("The documents don't say. I searched all documents; the nearest I found is about tea.", ""),
    ],
)
def test_of_an_answer_its_beginning_is_taken_along(said: str, read: str) -> None:
    """Without marks and citations, and as far as it says something; one that says nothing is left out."""
    question = Question("and then?", (Turn("user", "Why?"), Turn("assistant", said)))
    expected = " ".join(part for part in ("Why?", read, "and then?") if part)
    assert list(meaning_of(question, standalone(question)) or ())[1] == expected
