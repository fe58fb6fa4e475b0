"""Search must not become worse unseen: floors on the questions of a trade (zaragoza-construction-faq, CC-BY-4.0) and of
the example company.

Documents of the first are the answers without their questions; those of the second are of all formats. The floors are
the figures of the day when they were set, less what a harmless change may cost. The whole collection and others are
measured by benchmarks/retrieval_quality.py.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import psycopg
import pytest
from pgvector.psycopg import register_vector
from zaragoza_construction_faq import load

from journeyman.servers.stack import Stack
from retrieval.answering.answer import Question
from retrieval.answering.evidence.confidence import assess
from retrieval.answering.evidence.quotes import Quote, choose_quotes
from retrieval.answering.measuring.evaluation import LabelledQuestion, load_questions
from retrieval.answering.passages import passages_for
from retrieval.answering.question.followup import standalone
from retrieval.embedding import MiniLM
from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import register_sources
from retrieval.searching.passage import Passage
from retrieval.searching.reranking import LateInteraction
from retrieval.searching.search import search
from tests.conftest import clone

EXAMPLES = Path(__file__).parents[3] / "examples"
QUESTIONS = 150
K = 10


@pytest.fixture(scope="module")
def found(stack: Stack, template: str, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, list[Passage]]]:
    """For each question the name of its answer and what search finds."""
    folder, embedder = tmp_path_factory.mktemp("faq"), MiniLM()
    entries = load(lang="en")[:: 503 // QUESTIONS]
    for entry in entries:
        Path(folder, f"{entry['id']}.txt").write_text(entry["a"])
    with psycopg.connect(clone(stack, template), autocommit=True) as conn:
        register_vector(conn)
        index_sources(conn, embedder, register_sources(conn, [folder]), max_bytes=10**6)
        return [(f"{entry['id']}.txt", search(conn, embedder, entry["q"], k=60)) for entry in entries]


def ndcg(places: Sequence[int | None]) -> float:
    """nDCG@10 of one right document for each question, by its place from 1."""
    return mean(0.0 if place is None or place > K else 1 / math.log2(place + 1) for place in places)


def places(found: Sequence[tuple[str, Sequence[Passage]]], leg: str | None = None) -> list[int | None]:
    """Where the right answer came, in all or in one leg alone."""
    return [
        next(
            (
                place if leg is None else passage.ranks.get(leg)
                for place, passage in enumerate(passages, 1)
                if passage.document == name
            ),
            None,
        )
        for name, passages in found
    ]


def test_fused_is_at_least_as_good_as_each_leg(found: list[tuple[str, list[Passage]]]) -> None:
    """What one leg finds, the other must not bury. (0.828 where dense alone had 0.817, words 0.678.)"""
    fused = ndcg(places(found))
    assert fused >= ndcg(places(found, "dense"))
    assert fused >= ndcg(places(found, "lexical"))
    assert fused >= 0.81


def test_each_leg_is_as_good_as_it_was(found: list[tuple[str, list[Passage]]]) -> None:
    """Embedding and words, by themselves."""
    assert ndcg(places(found, "dense")) >= 0.80
    assert ndcg(places(found, "sentence")) >= 0.73
    assert ndcg(places(found, "lexical")) >= 0.66


@dataclass(frozen=True)
class Outcome:
    """What the chain has for a question before a model writes; `place` is that of the first right document, from 1."""

    labelled: LabelledQuestion
    place: int | None
    quotes: Sequence[Quote]
    answered: bool

    @property
    def is_quoted(self) -> bool:
        """Whether the quotes hold all that a right answer holds."""
        text = "\n".join(quote.text for quote in self.quotes)
        return self.answered and all(re.search(fact, text, re.IGNORECASE) for fact in self.labelled.expect)


@pytest.fixture(scope="module")
def company(stack: Stack, template: str) -> list[Outcome]:
    """The questions of the example company, asked of its documents."""
    embedder, outcomes = MiniLM(), []
    with psycopg.connect(clone(stack, template), autocommit=True) as conn:
        register_vector(conn)
        report = index_sources(conn, embedder, register_sources(conn, [EXAMPLES / "company"]), max_bytes=10**7)
        assert not report.failures
        for labelled in load_questions(EXAMPLES / "questions" / "company.jsonl"):
            found = passages_for(
                conn, embedder, LateInteraction(embedder), standalone(Question(labelled.question, labelled.history))
            )
            place = next((place for place, p in enumerate(found, 1) if p.document in labelled.sources), None)
            quotes = choose_quotes(labelled.question, found)
            outcomes.append(Outcome(labelled, place, quotes, assess(labelled.question, found).enough))
    return outcomes


def test_the_example_company_finds_its_documents(company: list[Outcome]) -> None:
    """Of its 22 questions that have an answer, how many find a right document first, and among five. (All of them.)"""
    places = [outcome.place for outcome in company if outcome.labelled.answerable]
    assert mean(place == 1 for place in places) >= 0.95
    assert mean(place is not None and place <= 5 for place in places) >= 0.95


def test_the_example_company_quotes_its_answers(company: list[Outcome]) -> None:
    """The quotes alone hold the answer, whatever a model makes of it. (Of 21.)"""
    assert mean(outcome.is_quoted for outcome in company if outcome.labelled.answerable) >= 0.9


def test_the_example_company_says_what_it_does_not_know(company: list[Outcome]) -> None:
    """Of the 4 questions without an answer most are refused, and of the 22 others hardly any. (3, and none.)"""
    assert sum(not outcome.answered for outcome in company if not outcome.labelled.answerable) >= 3
    assert sum(not outcome.answered for outcome in company if outcome.labelled.answerable) <= 1
