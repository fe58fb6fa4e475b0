"""An index of any size to measure search on: text of made-up words, and vectors in clusters, both from one seed.

Words follow Zipf's law, a third of a passage's from its subject's own, and as many stop words again as in English. The
vectors' spectrum and density are those of all-MiniLM-L6-v2 on the Cranfield abstracts (half of the variance in 13
dimensions, 80 % in 66; there 17 and 74; a median cosine of 0.65 to the nearest and 0.5 to the tenth of 1,400; there
0.68 and 0.53): HNSW finds in them what it finds in text, no more and no less.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pgvector import HalfVector
from pgvector.psycopg import register_vector
from psycopg import Connection, sql

from retrieval.embedding import Vectors
from retrieval.indexing.models import Model, index_vectors, require_active

DIMENSIONS = 384
VOCABULARY = 50_000
SUBJECT_WORDS = 60
CHUNKS_A_SUBJECT = 100
CHUNKS_A_DOCUMENT = 20
SENTENCES = 4
BATCH = 10_000
STOP_WORDS = "the of and to in is that for it with as on be by this are from at not or".split()
COLLECTIONS = {"thousandth": 0.001, "hundredth": 0.01, "tenth": 0.1, "rest": 1.0}
"""Shares of the chunks, of which the first three do to filter by. Half of a collection's documents are about subjects
that no other has, the other half about any."""

_SCALE = np.arange(1, DIMENSIONS + 1) ** -0.5
_COLLECTIONS = "INSERT INTO collection (name) SELECT unnest(%s::text[])"
_SOURCES = "INSERT INTO source (collection, uri) SELECT name, '/' || name FROM collection"
_DOCUMENTS = """
INSERT INTO document (source_id, name, title, raw_hash, modified_at)
SELECT s.id, 'document ' || n, 'Document ' || n, '', now() - n * interval '1 hour'
FROM unnest(%s::text[]) WITH ORDINALITY AS d (collection, n) JOIN source s USING (collection) ORDER BY n
"""
_STAGING = """
CREATE TEMPORARY TABLE staging (number int, text text, vector halfvec(384), piece int);
CREATE TEMPORARY TABLE staged_sentence (number int, ordinal int, text text)
"""
# A transaction's rows have consecutive ids in the order of their numbers; triggers are off, the counts come at the end.
_CHUNKS = """
INSERT INTO chunk (id, document_id, collection_id, ordinal, kind, heading, text, content_hash, lexemes, length)
OVERRIDING SYSTEM VALUE
SELECT number + 1, d.id, c.id, number %% %(a_document)s, 'text', ARRAY['Part ' || number %% 7], text,
    sha256(convert_to(text, 'UTF8')), lexemes,
    (SELECT sum(cardinality(positions)) FROM unnest(lexemes))
FROM staging JOIN document d ON d.id = 1 + number / %(a_document)s
    JOIN source s ON s.id = d.source_id JOIN collection c ON c.name = s.collection,
    LATERAL (SELECT to_tsvector('english', text) AS lexemes) AS words
ORDER BY number
"""
_CHUNK_VECTORS = """
INSERT INTO {chunk_vectors} (chunk_id, model_id, collection_id, vector)
SELECT number + 1, {model}, c.collection_id, s.vector FROM staging s JOIN chunk c ON c.id = s.number + 1 ORDER BY number
"""
_SENTENCES = """
INSERT INTO sentence (chunk_id, ordinal, text, lexemes)
SELECT number + 1, ordinal, text, to_tsvector('english', text) FROM staged_sentence ORDER BY number, ordinal
"""
# The passage's vector again: what is measured is how long it takes to read them.
_SENTENCE_VECTORS = """
INSERT INTO {sentence_vectors} (chunk_id, ordinal, model_id, vector)
SELECT s.number + 1, s.ordinal, {model}, v.vector FROM staged_sentence s JOIN staging v USING (number)
ORDER BY s.number, s.ordinal
"""
_COUNTS = """
INSERT INTO lexeme_count SELECT u.lexeme, count(*) FROM chunk, unnest(lexemes) AS u GROUP BY u.lexeme ORDER BY 1;
INSERT INTO chunk_count SELECT collection_id, count(*), sum(length) FROM chunk GROUP BY collection_id
"""


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question whose vector is known; `chunk` is the number of the passage that it was made from."""

    text: str
    vector: npt.NDArray[np.float32]
    chunk: int


class KnownVectors:
    """An embedder that knows the questions' vectors, so that no embedding is measured."""

    name = "synthetic"
    dimensions = DIMENSIONS

    def __init__(self, questions: Sequence[AskedQuestion]) -> None:
        self._vectors = {question.text: question.vector for question in questions}

    def embed(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self._vectors[text] for text in texts])


class SyntheticCorpus:
    """`size` passages, the same for the same seed."""

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = size
        generator = np.random.default_rng(seed)
        self._seed = seed
        self._words = _vocabulary(generator)
        self._odds = _zipf(VOCABULARY)
        self._subjects = max(1, size // CHUNKS_A_SUBJECT)
        self._centres = (generator.standard_normal((self._subjects, DIMENSIONS)) * _SCALE).astype(np.float32)
        # Of all ranks alike: a subject's own words are rare as well as common ones.
        ranks = np.exp(generator.uniform(np.log(10), np.log(VOCABULARY), (self._subjects, SUBJECT_WORDS)))
        self._subject_words = ranks.astype(int)
        documents = -(-size // CHUNKS_A_DOCUMENT)
        self.subject_of_document = generator.integers(0, self._subjects, documents)
        self.collection_of_document = self._collections(generator, documents)

    def batches(self) -> Iterator[tuple[int, list[str], Vectors]]:
        """The first number, the texts and the vectors of BATCH passages at a time."""
        for start in range(0, self.size, BATCH):
            numbers = np.arange(start, min(start + BATCH, self.size))
            generator = np.random.default_rng((self._seed, start))
            subjects = self.subject_of_document[numbers // CHUNKS_A_DOCUMENT]
            yield start, self._texts(generator, subjects), self._vectors(generator, subjects)

    def questions(self, number: int) -> list[AskedQuestion]:
        """Questions that share words and meaning with one passage each."""
        generator = np.random.default_rng((self._seed, self.size, 1))
        wanted = set(generator.choice(self.size, number, replace=False).tolist())
        questions = []
        for start, texts, vectors in self.batches():
            for chunk in sorted(wanted & set(range(start, start + len(texts)))):
                words = [word for word in texts[chunk - start].rstrip(".").split() if word not in STOP_WORDS]
                asked = generator.choice(words, size=int(generator.integers(3, 8)))
                noise = generator.standard_normal(DIMENSIONS) * _SCALE * 0.4
                vector = vectors[chunk - start] + noise
                text = " ".join(["what", "is", "the", *asked, "of", "the", f"q{chunk}x"])
                questions.append(AskedQuestion(text, (vector / np.linalg.norm(vector)).astype(np.float32), chunk))
        generator.shuffle(questions)  # type: ignore[arg-type]
        return questions

    def _texts(self, generator: np.random.Generator, subjects: npt.NDArray[np.int64]) -> list[str]:
        lengths = np.clip(generator.lognormal(np.log(50), 0.5, len(subjects)), 6, 150).astype(int)
        words = generator.choice(VOCABULARY, lengths.sum(), p=self._odds)
        of_subject = self._subject_words[np.repeat(subjects, lengths), _ranks(generator, lengths.sum())]
        words = np.where(generator.random(lengths.sum()) < 1 / 3, of_subject, words)
        stops = generator.integers(0, len(STOP_WORDS), lengths.sum())
        texts, at = [], 0
        for length in lengths:
            pairs = zip(stops[at : at + length], words[at : at + length], strict=True)
            texts.append(" ".join(f"{STOP_WORDS[stop]} {self._words[word]}" for stop, word in pairs) + ".")
            at += length
        return texts

    def _vectors(self, generator: np.random.Generator, subjects: npt.NDArray[np.int64]) -> Vectors:
        vectors = self._centres[subjects] + generator.standard_normal((len(subjects), DIMENSIONS)) * _SCALE
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    def _collections(self, generator: np.random.Generator, documents: int) -> list[str]:
        shares = np.array(list(COLLECTIONS.values()))
        shares[-1] -= shares[:-1].sum()
        names = np.array(list(COLLECTIONS))
        by_subject = generator.choice(names, self._subjects, p=shares)[self.subject_of_document]
        alone = generator.choice(names, documents, p=shares)
        return np.where(generator.random(documents) < 0.5, by_subject, alone).tolist()


def load(conn: Connection, corpus: SyntheticCorpus, *, indexes: bool = True) -> Model:
    """Writes the corpus into an empty, migrated database, with all that search needs; `conn` is in autocommit mode."""
    register_vector(conn)
    with conn.transaction():
        model = require_active(conn, KnownVectors.name, DIMENSIONS)
        tables = {
            "chunk_vectors": model.chunk_vectors,
            "sentence_vectors": model.sentence_vectors,
            "model": sql.Literal(model.id),
        }
        hnsw = sql.Identifier(f"chunk_vector_{model.id}_hnsw")
        conn.execute(sql.SQL("DROP INDEX chunk_lexemes, chunk_content_hash, {}").format(hnsw))
        conn.execute("ALTER TABLE chunk DISABLE TRIGGER USER")
        conn.execute(_COLLECTIONS, [list(COLLECTIONS)])
        conn.execute(_SOURCES)
        conn.execute(_DOCUMENTS, [corpus.collection_of_document])
    conn.execute(_STAGING)
    for start, texts, vectors in corpus.batches():
        with conn.transaction():
            _stage(conn, start, texts, vectors)
            conn.execute(_CHUNKS, {"a_document": CHUNKS_A_DOCUMENT})
            conn.execute(sql.SQL(_CHUNK_VECTORS).format(**tables))
            conn.execute(_SENTENCES)
            conn.execute(sql.SQL(_SENTENCE_VECTORS).format(**tables))
            conn.execute("TRUNCATE staging, staged_sentence")
    conn.execute("SELECT setval(pg_get_serial_sequence('chunk', 'id'), max(id)) FROM chunk")
    conn.execute("ALTER TABLE chunk ENABLE TRIGGER USER")
    conn.execute(_COUNTS)
    conn.execute("SET maintenance_work_mem = '2GB'")
    conn.execute("SET max_parallel_maintenance_workers = 2")
    conn.execute("CREATE INDEX chunk_lexemes ON chunk USING gin (lexemes)")
    conn.execute("CREATE INDEX chunk_content_hash ON chunk (content_hash)")
    index_vectors(conn, model)
    conn.execute("VACUUM (ANALYZE)")
    return model


def _stage(conn: Connection, start: int, texts: Sequence[str], vectors: Vectors) -> None:
    with conn.cursor() as cursor:
        with cursor.copy("COPY staging (number, text, vector) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["int4", "text", "halfvec"])
            for number, (text, vector) in enumerate(zip(texts, vectors, strict=True), start):
                copy.write_row((number, text, HalfVector(vector)))
        with cursor.copy("COPY staged_sentence (number, ordinal, text) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(["int4", "int4", "text"])
            for number, text in enumerate(texts, start):
                words = text.split()
                step = -(-len(words) // SENTENCES)
                for ordinal, at in enumerate(range(0, len(words), step)):
                    copy.write_row((number, ordinal, " ".join(words[at : at + step])))


def _vocabulary(generator: np.random.Generator) -> list[str]:
    """Different words of two to four syllables, the more frequent the shorter."""
    syllables = [a + b + c for a in "bcdfghklmnprstvz" for b in "aeiou" for c in ("", "n", "r", "l")]
    words: dict[str, None] = {}
    while len(words) < VOCABULARY:
        count = 2 + (len(words) > 2_000) + (len(words) > 20_000)
        words["".join(generator.choice(syllables, count))] = None
    return list(words)


def _zipf(number: int) -> npt.NDArray[np.float64]:
    weights = 1 / (np.arange(number) + 20) ** 1.05
    return weights / weights.sum()


def _ranks(generator: np.random.Generator, number: int) -> npt.NDArray[np.int64]:
    return generator.choice(SUBJECT_WORDS, number, p=_zipf(SUBJECT_WORDS))
