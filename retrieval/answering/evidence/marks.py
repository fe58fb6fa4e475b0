"""Marks that tell whether passages answer a question, each the more the better, from what search and reranking return.

All of it is arithmetic on what is there already: nothing is embedded for it. What was tried beside, and which domains
they were chosen on: docs/experiments.md.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher

from retrieval.answering.question.answer_type import answer_type
from retrieval.answering.question.mentions import missing_mentions
from retrieval.searching.passage import Passage
from retrieval.text.words import COMMON, WORD

READ = 5
"""Passages that the marks and the quotes are taken from: in further ones more was wrong than right."""
NUMBERS = 3
"""Passages in which a number is looked for."""
BEST = 4
"""Words of the question whose match counts, the nearest ones. The mean of all would say of a long question in plain
words, where a short one has nothing else, that nothing answers it.
"""
SPELT = 0.8
"""Least likeness of a word and the stem that search has corrected it to."""
ENDING = 5
"""Most letters that a word has more than its stem."""


@dataclass(frozen=True, slots=True)
class Marks:
    """`score`: by search, of the passage that comes first. `words`: how near the best passage comes to the words of the
    question, in their context, those that count weighted by how rare they are; None where words were not compared.
    `sentence`: the best sentence, by its nearness and the words it shares. `mentioned`: 1 unless the question names
    what no passage holds. `number`: 1 unless it asks for a number and the first passages hold none.
    """

    score: float
    words: float | None
    sentence: float
    mentioned: float
    number: float

    def values(self, names: Sequence[str]) -> tuple[float, ...]:
        """The marks of these names, in their order. Raises ValueError for one that was not measured."""
        by_name = asdict(self)
        if lacking := [name for name in names if by_name[name] is None]:
            raise ValueError(f"{', '.join(lacking)} was not measured")
        return tuple(by_name[name] for name in names)


def marks(question: str, passages: Sequence[Passage]) -> Marks:
    """Measures the marks of a question that was searched. `question` is what is asked now: of a follow-up the last
    message alone.
    """
    top = passages[:READ]
    return Marks(
        score=top[0].score if top else 0.0,
        words=_words(question, top),
        sentence=max((s.similarity + s.overlap for passage in top for s in passage.sentences), default=0.0),
        mentioned=float(not missing_mentions(question, passages)),
        number=float(not _lacks_number(question, top[:NUMBERS])),
    )


def _lacks_number(question: str, passages: Sequence[Passage]) -> bool:
    answer = answer_type(question)
    return answer.is_number and not any(answer.is_in(s.text) for passage in passages for s in passage.sentences)


def _words(question: str, passages: Sequence[Passage]) -> float | None:
    """The highest mean, over the passages, of how near the best-matched words come, each as rare as it counts."""
    compared = [passage for passage in passages if passage.matches]
    if not compared:
        return None
    own = {word.lower() for word in WORD.findall(question)}
    rarity = {**compared[0].holds, **compared[0].lacks}
    texts = {match.word.lower() for match in compared[0].matches}
    weights = {word: rareness(word, rarity) for word in texts if word in own} or dict.fromkeys(texts, 1.0)
    if not any(weights.values()):
        weights = {word: float(word not in COMMON) for word in weights}
    return max(_nearness(passage, weights) for passage in compared)


def _nearness(passage: Passage, weights: Mapping[str, float]) -> float:
    pairs = [(match.nearness, weights.get(match.word.lower(), 0.0)) for match in passage.matches]
    best = sorted(((nearness, weight) for nearness, weight in pairs if weight), reverse=True)[:BEST]
    total = sum(weight for _, weight in best)
    return sum(nearness * weight for nearness, weight in best) / total if total else 0.0


def rareness(word: str, rarity: Mapping[str, float]) -> float:
    """How rare a lower-cased word is by the stems of the question: of the one that it begins with, or was corrected to;
    0 for one without, which says nothing (how, the, wird).
    """
    stems = [idf for stem, idf in rarity.items() if _is_form(word, stem)]
    if not stems and len(word) >= ENDING:
        stems = [idf for stem, idf in rarity.items() if SequenceMatcher(None, word, stem).ratio() >= SPELT]
    return max(stems, default=0.0)


def _is_form(word: str, stem: str) -> bool:
    """Whether a word has a stem, of which the last letters may differ (carry, carri)."""
    same = next(
        (place for place, (a, b) in enumerate(zip(word, stem, strict=False)) if a != b), min(len(word), len(stem))
    )
    return same >= max(min(3, len(stem)), len(stem) - 1) and abs(len(word) - len(stem)) <= ENDING


def logit(probability: float) -> float:
    """The log odds of a probability, which is kept away from 0 and 1."""
    bounded = min(0.99, max(0.01, probability))
    return math.log(bounded / (1 - bounded))
