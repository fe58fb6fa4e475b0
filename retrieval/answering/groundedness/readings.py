"""Passages and statements as the check of statements reads them: their words, each with its vector in context.

The reading of a passage is made once and kept; everything that a statement is compared with is computed from it. The
statements themselves are taken out of a model's text by retrieval.answering.statements.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from retrieval.answering.groundedness.forms import WordForm, squeezed, words
from retrieval.embedders import pinned
from retrieval.embedding import Embedder, Vectors
from retrieval.indexing.chunking import embedding_text, size
from retrieval.recent import RecentValues
from retrieval.searching.passage import Passage
from retrieval.text.sentences import split

BLOCK = 200
"""Word pieces, as estimated, that are encoded together: with a title they fit into what MiniLM reads."""
TELLING = 4
"""Letters of a word from which its pieces tell a language."""
LETTERS_A_PIECE = 3.0
"""Letters that a piece of a text's words has on average where the model knows its language (English 4 to 5, German 2.5,
Hebrew 1); names, which are rare in any language, left out.
"""
KEPT = 500
"""Passages whose readings are kept; of two hundred words each, 150 MB."""

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PassageReading:
    """A passage's words in order. `sentence_of` gives each word's sentence, `vectors` its unit vector, (words,
    dimensions), None where the embedder has none; `context` are the words of its title and headings; `plain` is all of
    it to look codes up in.
    """

    sentences: tuple[str, ...]
    words: tuple[WordForm, ...]
    sentence_of: Numbers
    vectors: Vectors | None
    context: tuple[WordForm, ...]
    plain: str


@dataclass(frozen=True, slots=True)
class StatementReading:
    """A statement's words with their vectors, (words, dimensions), None where the model does not know its language, and
    how rare each word is, from 0 to about 1.2. `capitals` says whether one makes a name, as it does not in German.
    `question_words` before it are its question's, with which a terse answer is judged.
    """

    text: str
    words: tuple[WordForm, ...]
    vectors: Vectors | None
    rarity: Vectors
    capitals: bool = True
    question_words: int = 0


class Reader:
    """Reads statements and passages with an embedder that gives vectors of words, or without. Safe from threads."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._readings = RecentValues[tuple[str, ...], PassageReading](KEPT)
        self._question: tuple[tuple[str, str], StatementReading] = (
            ("", ""),
            StatementReading("", (), None, np.zeros(0, np.float32)),
        )

    @property
    def model(self) -> Any:
        """The embedding model if it gives vectors of words and says where they stand, else None."""
        model = pinned(self._embedder)
        return model if hasattr(model, "token_vectors") and hasattr(model, "tokens") else None

    def passages(self, passages: Sequence[Passage]) -> list[PassageReading]:
        """A reading of each, from memory where it was read before."""
        model = self.model
        keys = [_key(passage, model) for passage in passages]
        readings = self._readings.among(keys)
        for key, passage in zip(keys, passages, strict=True):
            if key not in readings:
                readings[key] = _read(passage, model)
        self._readings.keep({key: readings[key] for key in keys})
        return [readings[key] for key in keys]

    def question(self, text: str) -> StatementReading:
        """A reading of a question, from memory while its statements follow each other."""
        name, (key, reading) = getattr(self.model, "name", ""), self._question
        if key != (name, text):
            (reading,) = self.statements([text])
            self._question = ((name, text), reading)
        return reading

    def statements(self, texts: Sequence[str]) -> list[StatementReading]:
        """Reads statements; returns one reading for each, in their order."""
        model = self.model
        of_texts = [tuple(words(text)) for text in texts]
        if model is None:
            return [StatementReading(t, w, None, rarity_by_length(w)) for t, w in zip(texts, of_texts, strict=True)]
        tokens, vectors = model.tokens(texts), model.token_vectors(texts)
        return [
            StatementReading(text, of_text, _of_words(of_text, 0, t.spans, v), _rarity(of_text, t))
            if _knows(of_text, t)
            else StatementReading(text, of_text, None, rarity_by_length(of_text), capitals=False)
            for text, of_text, t, v in zip(texts, of_texts, tokens, vectors, strict=True)
        ]


def _key(passage: Passage, model: Any) -> tuple[str, ...]:
    name = model.name if model else ""
    return (name, passage.title, passage.heading, passage.before, passage.text, passage.after, passage.kind)


def _read(passage: Passage, model: Any) -> PassageReading:
    texts = _sentences(passage)
    of_texts = [words(text) for text in texts]
    above = " > ".join(filter(None, (passage.title, passage.heading)))
    all_words = tuple(word for of_text in of_texts for word in of_text)
    vectors = _vectors(passage, texts, of_texts, model) if model else None
    return PassageReading(
        sentences=tuple(texts),
        words=all_words,
        sentence_of=np.repeat(np.arange(len(texts)), [len(of_text) for of_text in of_texts]),
        vectors=vectors,
        context=tuple(words(above)),
        plain=squeezed("\n".join([above, *texts])),
    )


def _sentences(passage: Passage) -> list[str]:
    texts = [sentence.text for sentence in passage.sentences] or split(passage.text, passage.kind) or [passage.text]
    return [*split(passage.before, "text"), *texts, *split(passage.after, "text")]


def _vectors(passage: Passage, texts: Sequence[str], of_texts: Sequence[Sequence[WordForm]], model: Any) -> Vectors:
    """The vectors of all words, each sentence read among its neighbours and under its title."""
    parts: list[Vectors] = []
    for block in _blocks(texts):
        block_text, starts = embedding_text(passage.title, (passage.heading,), ""), []
        for i in block:
            starts.append(len(block_text))
            block_text += texts[i] + "\n"
        (tokens,), (vectors,) = model.tokens([block_text]), model.token_vectors([block_text])
        parts += [_of_words(of_texts[i], start, tokens.spans, vectors) for i, start in zip(block, starts, strict=True)]
    return np.concatenate(parts) if parts else np.zeros((0, model.dimensions), dtype=np.float32)


def _blocks(texts: Sequence[str]) -> list[list[int]]:
    blocks: list[list[int]] = []
    room = 0
    for i, text in enumerate(texts):
        length = size(text)
        if not blocks or length > room:
            blocks.append([])
            room = BLOCK
        blocks[-1].append(i)
        room -= length
    return blocks


def _of_words(of_text: Sequence[WordForm], start: int, spans: Sequence[tuple[int, int]], vectors: Vectors) -> Vectors:
    """The unit vectors of words from those of the tokens that they consist of; zero for one that was cut off."""
    sums = np.zeros((len(of_text), vectors.shape[1]), dtype=np.float32)
    t = 0
    for i, word in enumerate(of_text):
        first, last = word.start + start, word.end + start
        while t < len(spans) and spans[t][1] <= first:
            t += 1
        at = t
        while at < len(spans) and spans[at][0] < last:
            sums[i] += vectors[at]
            at += 1
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.maximum(lengths, 1e-6))


def _knows(of_text: Sequence[WordForm], tokens: Any) -> bool:
    """Whether the model's vocabulary has the words of a text, or only their letters, which say nothing of its sense."""
    common = [word for word in of_text if not word.is_number and not word.written[0].isupper()]
    telling = [word for word in common if len(word.form) >= TELLING] or common
    pieces = sum(any(w.start <= start < w.end for w in telling) for start, _ in tokens.spans)
    return sum(word.end - word.start for word in telling) >= LETTERS_A_PIECE * pieces


_FIRST_WHOLE_WORD = 1996
"""BERT's vocabulary: from here on whole words, the most frequent first."""
_LEAST_RARE, _RAREST = 3.0, 9.5


def _rarity(of_text: Sequence[WordForm], tokens: Any) -> Vectors:
    """From the place of a word's pieces in the vocabulary, which is ordered by frequency."""
    rarity = np.zeros(len(of_text), dtype=np.float32)
    t = 0
    for i, word in enumerate(of_text):
        while t < len(tokens.spans) and tokens.spans[t][1] <= word.start:
            t += 1
        at, ranks = t, []
        while at < len(tokens.spans) and tokens.spans[at][0] < word.end:
            ranks.append(np.log(max(tokens.ids[at] - _FIRST_WHOLE_WORD, 0) + 2))
            at += 1
        rank = max(ranks, default=_RAREST) + (1.5 if len(ranks) > 1 else 0.0)
        rarity[i] = 1.0 if word.is_number else np.clip((rank - _LEAST_RARE) / (_RAREST - _LEAST_RARE), 0.0, 1.2)
    return rarity


_SAYING_LITTLE = frozenset(  # German, Hebrew, Swedish, French, Spanish
    (
        "der die das den dem des ein eine einen einem einer eines und oder ist sind wird werden wurde hat "
        "haben war dass bei im in am an auf aus für mit von vom zu zum zur nach über es er sie wir man kann "
        "können darf muss müssen soll als auch noch nur wenn sich dieser diese dieses "
        "של את על עם הוא היא הם הן זה זו זאת יש כי אם גם רק או אך כל כאשר "
        "och att det som en ett är för på med av till har om kan ska vid från de "
        "le la les un une du et est sont à au aux pour par sur dans que qui ce cette se il elle avec "
        "el los las una del y es son para por con su al lo "
    ).split()
)
"""Words without a subject of their own in languages other than English, whose are in retrieval.text.words."""


def rarity_by_length(of_text: Sequence[WordForm]) -> Vectors:
    """Estimates how rare words are without a vocabulary: short words say little, numbers much."""
    return np.array([1.0 if w.is_number else _by_length(w.form) for w in of_text], dtype=np.float32)


def _by_length(form: str) -> float:
    return 0.0 if form in _SAYING_LITTLE else min((len(form) - 1) / 5, 1.2)
