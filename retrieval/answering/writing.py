"""What is written into a draft, piece by piece: the model's statements that are borne out, quotes, and disagreements.

Each statement of a model is judged before it is shown. The chain says in which order these pieces stand.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from retrieval.answering.answer import Text
from retrieval.answering.disagreement.disagreements import disagreements
from retrieval.answering.draft import Draft, as_sentence, is_whole
from retrieval.answering.evidence.quotes import Quote
from retrieval.answering.groundedness.judge import Judgement
from retrieval.answering.prompt import again, refuses
from retrieval.answering.relevance import Relevance, relevance
from retrieval.answering.statements import Statement, numbered_statements, without_citations
from retrieval.answering.wording import holds, says_something
from retrieval.embedding import Embedder
from retrieval.searching.passage import Passage

MAX_STATEMENTS, MAX_STEPS = 5, 9
"""Statements of an answer that the model leads; a procedure has more, its steps."""
MAX_ADDED = 3
"""Statements of the model below quotes that lead."""
MAX_WRITTEN = 5
"""Statements that a weak model may write before it is stopped, shown or not: what comes so late seldom helps."""
MOST_DISAGREEMENTS = 2


class StatementJudge(Protocol):
    """Says of statements whether passages bear them out: `retrieval.answering.groundedness.judge.Groundedness`."""

    def judge(self, question: str, statements: Sequence[str], passages: Sequence[Passage]) -> list[Judgement]:
        """One judgement a statement, in their order."""


@dataclass(frozen=True, slots=True)
class StatementWriter:
    """Has a model write statements into drafts, and shows those that the judge lets through."""

    model: BaseChatModel
    embedder: Embedder
    judge: StatementJudge

    def lead(self, draft: Draft, messages: Sequence[BaseMessage]) -> Iterator[Text]:
        """Shows the model's statements; if more than half of what it wrote is refused, it is asked once more."""
        yield from self._state(draft, messages, most=MAX_STATEMENTS, most_written=MAX_STEPS)
        if len(draft.refused) > len(draft.statements):
            answer = AIMessage(" ".join([*draft.statements, *draft.refused]))
            objection = HumanMessage(again(draft.statements, draft.refused))
            conversation = [*messages, answer, objection]
            yield from self._state(draft, conversation, most=MAX_STATEMENTS, most_written=MAX_STATEMENTS)

    def add(self, draft: Draft, messages: Sequence[BaseMessage]) -> Iterator[Text]:
        """Shows what the model adds to quotes that lead."""
        yield from self._state(draft, messages, most=MAX_ADDED, most_written=MAX_WRITTEN)

    def _state(self, draft: Draft, messages: Sequence[BaseMessage], *, most: int, most_written: int) -> Iterator[Text]:
        """Shows the statements of the model that may be shown, until there are `most` or it wrote `most_written`."""
        chunks = self.model.stream(list(messages))
        before: set[str] = set()
        for statement in numbered_statements(_texts(chunks, draft)):
            if refuses(statement.text) or statement.text in before:  # it says that it cannot, or goes round in circles
                break
            before.add(statement.text)
            if judgement := self._checked(statement, draft):
                for evidence in judgement.evidence:
                    draft.rest_on(evidence.passage, evidence.text)
                yield draft.state(judgement.text, judgement.passages, is_step=statement.is_step)
            limit = MAX_STEPS if statement.is_step else most
            if len(draft.statements) >= limit or len(before) >= most_written:
                break
        if close := getattr(chunks, "close", None):
            close()

    def _checked(self, statement: Statement, draft: Draft) -> Judgement | None:
        """The judgement of the statement as a sentence; None if it must not be shown.

        Where the search alone was not sure that the passages answer, it must be grounded well enough to tell.
        """
        text, _ = without_citations(statement.text)
        if text.endswith("?") or (draft.finish == "length" and not is_whole(text)):
            return None  # it asks back, or was cut off
        sentence = as_sentence(text)
        if draft.repeats(sentence) or not says_something(sentence, draft.citable) or not draft.has_room_for(sentence):
            return None
        (judgement,) = self.judge.judge(draft.standalone, [sentence], draft.citable)
        nearly_verbatim = draft.leads or holds(draft.citable, sentence)
        tells = draft.is_sure or draft.is_enough(judgement.probability)
        if not (judgement.shown and nearly_verbatim and tells):
            draft.refused.append(sentence)
            return None
        passages = [draft.citable[place] for place in judgement.passages]
        about = statement.is_step or self._relevance(draft).is_about(sentence, passages, leads=draft.leads)
        return judgement if about else None

    def _relevance(self, draft: Draft) -> Relevance:
        """The relevance to the draft's question, made when the first statement comes and kept with the draft."""
        if draft.relevance is None:
            draft.relevance = relevance(self.embedder, draft.question.text, draft.standalone, draft.passages)
        return draft.relevance


def write_quotes(draft: Draft, quotes: Sequence[Quote]) -> Iterator[Text]:
    """Shows the documents' own words."""
    for quote in quotes:
        yield draft.quote(quote.text, draft.place_of(quote.passage))


def write_evidence(draft: Draft) -> Iterator[Text]:
    """Shows the words of the passages that the statements above rest on."""
    for place, text in draft.evidence():
        yield draft.quote(text, place)


def write_disagreements(draft: Draft, quotes: Sequence[Quote]) -> Iterator[Text]:
    """Says where documents state different things about what is asked: both are named, the newer one first."""
    for disagreement in disagreements(draft.standalone, draft.passages, quotes)[:MOST_DISAGREEMENTS]:
        sides = (disagreement.newer, disagreement.older)
        yield draft.note(str(disagreement), [(draft.place_of(side.passage), side.text) for side in sides])


def _texts(chunks: Iterator[BaseMessage], draft: Draft) -> Iterator[str]:
    """The text of what the model streams, and why it ended."""
    for chunk in chunks:
        draft.finish = chunk.response_metadata.get("finish_reason") or draft.finish
        yield str(chunk.text)
