"""What examples are grounded in: the search, the prompt and the check of statements of the chain that will serve what
learns from them. `build` judges every answer and every correction by it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from finetune.dataset.guards import without_markers
from finetune.dataset.likeness import alike
from finetune.dataset.rows import ExamplePassage, Message
from finetune.dataset.storage import verified_passages
from retrieval.answering.chat_model import token_counter
from retrieval.answering.groundedness.judge import Groundedness
from retrieval.answering.passages import passages_for
from retrieval.answering.prompt import SMALL, PromptPlan
from retrieval.answering.statements import statements, without_citations
from retrieval.embedding import Embedder
from retrieval.indexing.sources import VERIFIED
from retrieval.searching.passage import Passage
from retrieval.searching.reading import grown
from retrieval.searching.scope import Scope

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from psycopg_pool import ConnectionPool

EVERYONE = Scope(principals=("everyone",))
TURN_TOKENS = 8
"""Control tokens of one turn, at most."""
_ROLES = {"system": "system", "human": "user", "ai": "assistant"}
_ENDS = (".", "!", "?", "…")


class Grounding:
    """Judges examples over the index in `pool`'s database, as everybody may read it; `model` is what will learn, and
    `plan` is how it is asked.
    """

    def __init__(
        self, pool: "ConnectionPool[Any]", embedder: Embedder, model: "BaseChatModel", plan: PromptPlan = SMALL
    ) -> None:
        self._pool, self._embedder, self._plan = pool, embedder, plan
        self._groundedness, self._count = Groundedness(embedder), token_counter(model)
        with pool.connection() as conn:
            self._verified = verified_passages(conn, VERIFIED)

    def search(self, text: str) -> list[ExamplePassage]:
        """The passages that a question with these words would be answered from, best first."""
        with self._pool.connection() as conn:
            passages = passages_for(conn, self._embedder, None, text, scope=EVERYONE)
        return [ExamplePassage.searched(passage, passage.content_hash in self._verified) for passage in passages]

    def fitting(self, passages: Sequence[ExamplePassage]) -> list[ExamplePassage]:
        """The first of the passages with what stands around them, as many as a prompt holds."""
        alone = [replace(passage, chunk_id=place, before="", after="") for place, passage in enumerate(passages)]
        with self._pool.connection() as conn:
            grown_passages = grown(conn, alone, most=self._plan.passages, words=self._plan.words)
        return [
            replace(passages[passage.chunk_id], before=passage.before, after=passage.after)
            for passage in grown_passages
        ]

    def rests_on(self, text: str, passages: Sequence[Passage]) -> frozenset[int]:
        """The indices of the passages that bear out every statement of a text; none if one is not borne out."""
        return supporting(self._groundedness, text, passages)

    def prompt(self, question: str, passages: Sequence[Passage]) -> list[Message]:
        """What the model is given, with control tokens broken."""
        return prompt(self._plan, question, passages)

    def alike(self, questions: Sequence[str]) -> list[tuple[int, int]]:
        """Pairs of indices of questions that ask the same."""
        return alike(self._embedder, questions)

    def tokens(self, messages: Sequence[Message]) -> int:
        """How many tokens the model reads; of one behind a server, a third of the characters, which is more."""
        contents = [message["content"] for message in messages]
        if self._count is None:
            return sum(len(content) // 3 + TURN_TOKENS for content in contents)
        return sum(self._count(content) + TURN_TOKENS for content in contents)


def supporting(groundedness: Groundedness, text: str, passages: Sequence[Passage]) -> frozenset[int]:
    """The indices of the passages that bear the statements of a text out, as an answer's are judged; none if one
    statement is not borne out.
    """
    claims = [without_citations(statement)[0] for statement in statements([text])]
    judgements = groundedness.judge("", claims, passages)
    if not all(judgement.shown for judgement in judgements):
        return frozenset()
    return frozenset(index for judgement in judgements for index in judgement.passages)


def prompt(plan: PromptPlan, question: str, passages: Sequence[Passage]) -> list[Message]:
    """The turns that a model is given to answer a question from passages, with control tokens broken."""
    messages = plan.messages(passages, question)
    return [{"role": _ROLES[message.type], "content": without_markers(message.text)} for message in messages]


def whole_statements(text: str) -> list[str]:
    """The statements in what a model wrote, without the last if it was cut."""
    claims = [without_citations(statement)[0] for statement in statements([text])]
    return [claim for claim in claims if claim.endswith(_ENDS)]
