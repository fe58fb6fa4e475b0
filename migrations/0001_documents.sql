-- Sources, documents and their passages: what retrieval/ reads and writes.
CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE collection (
    name       text PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- A folder or a file that a person asked us to index, and that is scanned again on schedule.
CREATE TABLE source (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection text NOT NULL REFERENCES collection (name),
    uri        text NOT NULL,            -- absolute path
    created_at timestamptz NOT NULL DEFAULT now(),
    scanned_at timestamptz,
    UNIQUE (collection, uri)
);

CREATE TABLE document (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id  bigint NOT NULL REFERENCES source (id) ON DELETE CASCADE,
    name       text NOT NULL,            -- path relative to the source's folder, what people are shown
    title      text NOT NULL,
    url        text,                     -- where a person can open it, if anywhere
    language   regconfig NOT NULL DEFAULT 'english',
    raw_hash   bytea NOT NULL,           -- sha256 of the file's bytes and of the parser's version
    modified_at timestamptz NOT NULL,
    indexed_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (source_id, name)
);

-- The cache of vectors, keyed by what was embedded: the same text is embedded once, over all documents and versions.
CREATE TABLE embedding (
    content_hash bytea NOT NULL,
    model        text NOT NULL,
    vector       halfvec NOT NULL,
    PRIMARY KEY (content_hash, model)
);

CREATE TABLE chunk (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id  bigint NOT NULL REFERENCES document (id) ON DELETE CASCADE,
    ordinal      int NOT NULL,           -- place in the document, from 0
    kind         text NOT NULL CHECK (kind IN ('text', 'table', 'row', 'code')),
    heading      text[] NOT NULL,        -- heading path, outermost first
    text         text NOT NULL,          -- as people read it, without the heading
    content_hash bytea NOT NULL,         -- sha256 of the text that was embedded (title, heading path, text)
    lexemes      tsvector NOT NULL,
    length       int NOT NULL,           -- lexemes with repetitions, for BM25
    model        text NOT NULL,
    vector       halfvec(384) NOT NULL,
    UNIQUE (document_id, ordinal) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX chunk_lexemes ON chunk USING gin (lexemes);
CREATE INDEX chunk_vector ON chunk USING hnsw (vector halfvec_cosine_ops);
CREATE INDEX chunk_content_hash ON chunk (content_hash);

-- A chunk's sentences, list items and table rows: what a question is matched with and what an answer quotes.
CREATE TABLE sentence (
    chunk_id bigint NOT NULL REFERENCES chunk (id) ON DELETE CASCADE,
    ordinal  int NOT NULL,
    text     text NOT NULL,              -- word for word as in the chunk
    lexemes  tsvector NOT NULL,
    vector   halfvec(384) NOT NULL,      -- of the text alone: with its headings it found less
    PRIMARY KEY (chunk_id, ordinal)
);
