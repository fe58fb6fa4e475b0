"""How the product judges what fine-tuning learns from: by the prompt, the evidence check and the search of its answers.

Composed here, for `finetune` knows none of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from finetune.dataset.guards import without_markers
from finetune.dataset.rows import Judges, Message, PassageRow
from finetune.dataset.splitting import connected
from retrieval.answering.chain import passages_for
from retrieval.answering.chat_model import token_counter
from retrieval.answering.draft import written_by_model
from retrieval.answering.groundedness.judge import Groundedness
from retrieval.answering.prompt import SMALL, PromptPlan
from retrieval.answering.statements import statements, without_citations
from retrieval.embedding import Embedder
from retrieval.indexing.sources import VERIFIED
from retrieval.searching.passage import Passage, Sentence
from retrieval.searching.reading import grown
from retrieval.searching.scope import Scope
from retrieval.text.sentences import split
from retrieval.text.words import numerals

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from psycopg_pool import ConnectionPool

ALIKE = 0.8
"""Cosine from which two questions with the same numbers are one: stricter than the clusters that people are shown, for
connections add up.
"""
WRITTEN_TOKENS = 80
EVERYONE = Scope(principals=("everyone",))
_ROLES = {"system": "system", "human": "user", "ai": "assistant"}
_ENDS = (".", "!", "?", "…")
_BLOCK = 512  # questions that are compared with all others at a time


def judges(pool: "ConnectionPool[Any]", embedder: Embedder, model: "BaseChatModel", plan: PromptPlan = SMALL) -> Judges:
    """The judgements of this product, on its index, with its model's tokenizer; `plan` is how that model is asked."""
    from finetune.dataset.storage import verified_passages

    with pool.connection() as conn:
        verified = verified_passages(conn, VERIFIED)

    def find(text: str) -> list[PassageRow]:
        with pool.connection() as conn:
            found = passages_for(conn, embedder, None, text, scope=EVERYONE)
        return [_row(passage, passage.content_hash in verified) for passage in found]

    def fit(passages: Sequence[PassageRow]) -> list[PassageRow]:
        given = [replace(_passage(replace(row, before="", after="")), chunk_id=i) for i, row in enumerate(passages)]
        with pool.connection() as conn:
            read = grown(conn, given, most=plan.passages, words=plan.words)
        return [replace(passages[one.chunk_id], before=one.before, after=one.after) for one in read]

    return Judges(
        rests_on=partial(rests_on, Groundedness(embedder)),
        written=written_by_model,
        statements=whole_statements,
        prompt=partial(prompt, plan),
        search=find,
        alike=lambda questions: alike(embedder, questions),
        fit=fit,
        tokens=_tokens(model),
    )


def rests_on(grounds: Groundedness, text: str, passages: Sequence[PassageRow]) -> frozenset[int]:
    """The passages that bear the statements of a text out, as an answer's are judged; none if one is not borne out."""
    said = [without_citations(statement)[0] for statement in statements([text])]
    judged = grounds.judge("", said, [_passage(row) for row in passages])
    if not all(one.shown for one in judged):
        return frozenset()
    return frozenset(place for one in judged for place in one.passages)


def whole_statements(text: str) -> list[str]:
    """The statements in what a model wrote, without the last if it was cut."""
    said = [without_citations(statement)[0] for statement in statements([text])]
    return [statement for statement in said if statement.endswith(_ENDS)]


def prompt(plan: PromptPlan, question: str, passages: Sequence[PassageRow]) -> list[Message]:
    """What the model is given, with control tokens broken."""
    messages = plan.messages([_passage(row) for row in passages], question)
    return [{"role": _ROLES[message.type], "content": without_markers(message.text)} for message in messages]


def alike(embedder: Embedder, questions: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of questions that ask the same: near in meaning, and with the same numbers. Quadratic in time only."""
    if not questions:
        return []
    vectors = embedder.embed(questions)
    numbers = [numerals(question) for question in questions]
    pairs = []
    for start in range(0, len(questions), _BLOCK):
        near = vectors[start : start + _BLOCK] @ vectors.T >= ALIKE
        for one, other in zip(*near.nonzero(), strict=True):
            if start + one < other and numbers[start + one] == numbers[other]:
                pairs.append((int(start + one), int(other)))
    return pairs


def like(embedder: Embedder, questions: Sequence[str]) -> list[str]:
    """A name for each question, the same for those that `alike` connects."""
    return [str(least) for least in connected(len(questions), alike(embedder, questions))]


def writer(model: "BaseChatModel") -> Callable[[list[Message]], str]:
    """Continues a conversation by a few sentences, without sampling."""

    def write(messages: list[Message]) -> str:
        turns = [(message["role"], message["content"]) for message in messages]
        return str(model.invoke(turns, max_tokens=WRITTEN_TOKENS).text)

    return write


def _tokens(model: "BaseChatModel") -> Callable[[Sequence[Message]], int]:
    """With the model's tokenizer; of one behind a server, a third of the characters, which is more."""
    count = token_counter(model)
    if count is None:
        return lambda messages: sum(len(message["content"]) // 3 + 8 for message in messages)
    return lambda messages: sum(count(message["content"]) + 8 for message in messages)  # 8: a turn's control tokens


def _passage(row: PassageRow) -> Passage:
    text = row.text or ""
    return Passage(
        chunk_id=0,
        document_id=row.document_id,
        ordinal=row.ordinal,
        document="",
        title=row.title,
        heading=row.heading,
        kind=row.kind,
        text=text,
        url=None,
        content_hash=row.content_hash,
        collection="",
        score=0.0,
        ranks={},
        similarity=0.0,
        sentences=[Sentence(sentence, 0.0, 0.0, 0.0) for sentence in split(text, row.kind)],
        before=row.before,
        after=row.after,
    )


def _row(passage: Passage, verified: bool) -> PassageRow:
    return PassageRow(
        content_hash=passage.content_hash,
        title=passage.title,
        heading=passage.heading,
        text=passage.text,
        everyone=True,
        verified=verified,
        kind=passage.kind,
        document_id=passage.document_id,
        ordinal=passage.ordinal,
    )
