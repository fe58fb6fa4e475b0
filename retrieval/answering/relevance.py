"""Whether a statement that is borne out also answers: true sentences about other things are left out.

How near it is to the question tells little by itself, for the details of a right answer may be far from its
question: of 961 sentences that people and large models answered with, and 346 others of the passages that they had,
the cosine orders 82 % of the pairs rightly (docs/experiments.md). So little is asked of a model that keeps to the
question, and much of one that was found to be weak.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from retrieval.embedders import embed_query
from retrieval.embedding import Embedder, Vectors
from retrieval.searching.passage import Passage
from retrieval.text.lexemes import codes, identifiers

LEAST = 0.12
"""Least cosine with the question, of a model that leads: below lie 7 % of the 961 and 22 % of the others."""
LEAST_ADDED, BEHIND = 0.35, 0.2
"""What a weak model adds to quotes must be this near, and at most so far behind the nearest sentence found."""


@dataclass(frozen=True, slots=True)
class Relevance:
    """Judges statements by their nearness to a question.

    `vectors` are its own, as it was asked and as it stands alone, of shape (2, dimensions), `codes` what it names;
    `nearest` is the cosine of the nearest sentence that was found.
    """

    embedder: Embedder
    vectors: Vectors
    codes: frozenset[str]
    nearest: float

    def is_about(self, statement: str, passages: Sequence[Passage], *, leads: bool) -> bool:
        """Whether the statement, which rests on `passages`, may stand in an answer.

        More is asked where the model does not lead: then what the question names must stand in these passages, too.
        """
        near = float(np.max(self.vectors @ self.embedder.embed([statement])[0]))
        if leads:
            return near >= LEAST
        return near >= max(LEAST_ADDED, self.nearest - BEHIND) and self._names(statement, passages)

    def _names(self, statement: str, passages: Sequence[Passage]) -> bool:
        """Whether a code of the question, if it has any, stands in the statement or in what it rests on."""
        texts = [statement, *(f"{passage.title} {passage.heading} {passage.text}" for passage in passages)]
        return not self.codes or any(self.codes & frozenset(identifiers(text)) for text in texts)


def relevance(embedder: Embedder, question: str, standalone: str, passages: Sequence[Passage]) -> Relevance:
    """Prepares the relevance of statements to a question, for which these passages were found."""
    vectors = np.stack([embed_query(embedder, text) for text in (question, standalone)])
    similarities = [sentence.similarity for passage in passages for sentence in passage.sentences]
    codes_of_question = frozenset(codes(identifiers(standalone)))
    return Relevance(embedder, vectors, codes_of_question, max(similarities, default=0.0))
