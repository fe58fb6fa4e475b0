-- Vectors of passages and sentences, by embedding model, so that another model is built while the old one answers: what
-- retrieval/ reads and writes.
CREATE TABLE embedding_model (
    id            int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL UNIQUE,
    dimensions    int NOT NULL CHECK (dimensions BETWEEN 1 AND 4000),  -- the most that HNSW takes of a halfvec
    state         text NOT NULL CHECK (state IN ('building', 'active', 'retired')),
    created_at    timestamptz NOT NULL DEFAULT now(),
    activated_at  timestamptz DEFAULT now(),
    cosine_mean   real,
    cosine_spread real CHECK (cosine_spread > 0),
    measured_over bigint
);
CREATE UNIQUE INDEX embedding_model_active ON embedding_model ((true)) WHERE state = 'active';
COMMENT ON TABLE embedding_model IS 'A model whose vectors are kept. Questions are embedded with the active one.';
COMMENT ON COLUMN embedding_model.activated_at IS 'when it was last switched to: a rollback goes to the one before';
COMMENT ON COLUMN embedding_model.cosine_mean IS
    'of random passages with each other: brings its cosines to the scale that the weights of search were fitted on; '
    'null: not measured yet, or the default model''s own';
COMMENT ON COLUMN embedding_model.measured_over IS 'chunks that there were';

CREATE TABLE embedding (
    content_hash bytea NOT NULL,
    model        text NOT NULL,
    vector       halfvec NOT NULL,
    unused_since timestamptz,
    PRIMARY KEY (content_hash, model)
);
CREATE INDEX embedding_unused ON embedding (unused_since) WHERE unused_since IS NOT NULL;
COMMENT ON TABLE embedding IS
    'A cached vector, keyed by what was embedded: the same text is embedded once, over all documents and versions.';
COMMENT ON COLUMN embedding.unused_since IS 'since when nothing in the index needs it; it goes after some days';

-- One partition a model, chunk_vector_<model_id>, with an HNSW index of its own on vector::halfvec(<dimensions>): made
-- with the model.
CREATE TABLE chunk_vector (
    chunk_id      bigint NOT NULL REFERENCES chunk (id) ON DELETE CASCADE,
    model_id      int NOT NULL,
    collection_id int NOT NULL,  -- the chunk's, so that a filter needs no join
    vector        halfvec NOT NULL,
    PRIMARY KEY (chunk_id, model_id)
) PARTITION BY LIST (model_id);
CREATE INDEX chunk_vector_collection ON chunk_vector (collection_id);
COMMENT ON TABLE chunk_vector IS 'The vector of a chunk by a model: what is searched.';

CREATE TABLE sentence_vector (
    chunk_id bigint NOT NULL REFERENCES chunk (id) ON DELETE CASCADE,
    ordinal  int NOT NULL,
    model_id int NOT NULL,
    vector   halfvec NOT NULL,
    PRIMARY KEY (chunk_id, ordinal, model_id)
) PARTITION BY LIST (model_id);
COMMENT ON TABLE sentence_vector IS
    'The vector of a sentence by a model, of its text alone: with its headings it found less. Read for chunks that are '
    'scored, never searched.';
