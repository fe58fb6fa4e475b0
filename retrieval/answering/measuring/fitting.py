"""Fits how the chain answers to questions of which it is known: when to abstain, and whether the model rewrites."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retrieval.answering.abilities import note_ability
from retrieval.answering.answer import Question, Text
from retrieval.answering.chain import AnswerChain
from retrieval.answering.chat_model import adapter_of, name_of
from retrieval.answering.measuring.calibration import FittedCalibration, calibrate, store
from retrieval.answering.measuring.evaluation import LabelledQuestion
from retrieval.answering.measuring.leading_trial import LEAST as LEAST_LED
from retrieval.answering.measuring.leading_trial import LeadingTrial, tellable, try_leading
from retrieval.answering.measuring.rewriting_trial import LEAST, RewritingTrial, follow_ups, try_rewrites
from retrieval.answering.passages import passages_for
from retrieval.answering.question.followup import meaning_of, standalone
from retrieval.embedding import Embedder
from retrieval.searching.passage import Passage
from retrieval.searching.reranking import Reranker
from retrieval.searching.scope import Scope

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from psycopg import Connection


@dataclass(frozen=True, slots=True)
class PassageFinder:
    """What finds passages: an index, its embedder, what reorders, and which collections are searched."""

    conn: "Connection[Any]"
    embedder: Embedder
    reranker: Reranker | None
    scope: Scope

    def passages(self, labelled: LabelledQuestion, rewrite: str | None = None) -> list[Passage]:
        """The passages that a question is answered from, best first; `rewrite`: how it was rewritten, None: plainly."""
        question = Question(labelled.question, labelled.history)
        words = standalone(question) if rewrite is None else rewrite
        meaning = meaning_of(question, words)
        return passages_for(self.conn, self.embedder, self.reranker, words, scope=self.scope, meaning=meaning)


def fit_abstention(
    finding: PassageFinder,
    questions: Sequence[LabelledQuestion],
    target_risk: float | None,
    progress: Callable[[], None],
) -> FittedCalibration:
    """Fits abstention to labelled questions, and has the chain go by it from now on."""
    fitted = calibrate(finding.passages, questions, target_risk, progress)
    store(finding.conn, fitted)
    return fitted


def fit_rewriting(
    finding: PassageFinder,
    model: "Callable[[], BaseChatModel]",
    questions: Sequence[LabelledQuestion],
    progress: Callable[[], None],
) -> RewritingTrial | None:
    """Whether a model rewrites follow-ups better than the plain way, which the chain goes by from now on; None if the
    questions cannot tell. The model is loaded only where they can.
    """
    if len(follow_ups(questions)) < LEAST:
        return None
    answering = model()
    trial = try_rewrites(finding.passages, answering, questions, progress)
    if trial is not None:
        name, adapter = name_of(answering), adapter_of(answering)
        note_ability(finding.conn, name, adapter, rewrites=trial.able, figures=trial.as_dict())
    return trial


def fit_leading(
    conn: "Connection[Any]",
    chain: AnswerChain,
    model: "BaseChatModel",
    questions: Sequence[LabelledQuestion],
    collections: Sequence[str] | None,
    progress: Callable[[], None],
) -> LeadingTrial | None:
    """Whose words lead an answer, which the chain goes by from now on; None if the questions cannot tell.

    `chain` answers by `model`, whose words lead in it.
    """

    def ask(labelled: LabelledQuestion) -> Question:
        return Question(labelled.question, labelled.history, collections)

    def led(labelled: LabelledQuestion) -> str:
        return "".join(event.text for event in chain.stream(ask(labelled)) if isinstance(event, Text))

    lead = try_leading(led, lambda labelled: chain.quoted(ask(labelled)), questions, progress)
    if lead is not None:
        note_ability(conn, name_of(model), adapter_of(model), answers=lead.answers, figures=lead.as_dict())
    return lead


def tells_who_leads(questions: Sequence[LabelledQuestion]) -> bool:
    """Whether there are questions enough to tell whose words should lead."""
    return len(tellable(questions)) >= LEAST_LED
