"""The model as judge of what the passages say."""

from collections.abc import Sequence

from langchain_core.messages import BaseMessage

from retrieval.answering.model_judge import judge_of
from retrieval.answering.prompt import answer_prompt, numbered
from tests.retrieval.samples import passage

QUESTION = "how often is the bearing greased?"
PASSAGES = [passage(("The bearing is greased every 400 hours.", 0.8)), passage(("The seal is MS-0417.", 0.2))]


class Sure:
    """Says yes with a probability that is given, and keeps what it was asked."""

    def __init__(self, probability: float | None) -> None:
        self.probability = probability
        self.asked: list[str] = []

    def probability_of_yes(self, messages: Sequence[BaseMessage]) -> float | None:
        self.asked.append("\n".join(message.text for message in messages))
        return self.probability


def test_it_is_asked_with_the_beginning_of_the_answers_request() -> None:
    """Rules, passages and question stand first, as in the request for the answer: a server reads them once."""
    model = Sure(0.9)
    judge = judge_of(model)
    assert judge is not None
    assert judge.answers(QUESTION, PASSAGES) == 0.9
    assert judge.bears_out(QUESTION, PASSAGES, "Every 400 hours.") == 0.9
    turns = answer_prompt().format_messages(passages=numbered(PASSAGES), question=QUESTION)
    answer = "\n".join(turn.text for turn in turns)
    shared = answer[: answer.rindex(QUESTION) + len(QUESTION)]
    assert all(asked.startswith(shared) for asked in model.asked)
    assert "Every 400 hours." in model.asked[1][len(shared) :]


def test_what_stands_before_the_passages_stays_there() -> None:
    """Examples in the answer's request are in the judge's, too."""
    model = Sure(0.5)
    judge = judge_of(model, before="<example>As we say it.</example>\n")
    assert judge is not None
    judge.answers(QUESTION, PASSAGES)
    assert model.asked[0].index("As we say it.") < model.asked[0].index("400 hours")


def test_the_question_is_the_one_behind_the_passages() -> None:
    """A passage that holds its words does not cut the request short."""
    model = Sure(0.5)
    judge = judge_of(model)
    assert judge is not None
    judge.bears_out(QUESTION, [passage((f"Somebody asked: {QUESTION} Nobody knew.", 0.5))], "Often.")
    assert model.asked[0].index("Nobody knew.") < model.asked[0].rindex(QUESTION) < model.asked[0].index("Often.")


def test_no_verdict_stays_none() -> None:
    """A server without logprobs gives none, and a model that cannot judge is no judge."""
    judge = judge_of(Sure(None))
    assert judge is not None
    assert judge.bears_out(QUESTION, PASSAGES, "Often.") is None
    assert judge_of(object()) is None
