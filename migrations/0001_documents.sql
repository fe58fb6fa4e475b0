-- Collections, their sources, documents and passages, and how often words stand in these: what retrieval/ writes.
CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE collection (
    id         int GENERATED ALWAYS AS IDENTITY UNIQUE,
    name       text PRIMARY KEY,
    audience   text[] NOT NULL DEFAULT '{everyone}',
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE collection IS 'A named group of sources, and who may read it.';
COMMENT ON COLUMN collection.audience IS
    '''anyone'', ''everyone'', ''user:U…'', ''group:S…'', ''channel:C…'': whoever is one of them may read it, and '
    'nobody if it is empty';

CREATE TABLE source (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    collection    text NOT NULL REFERENCES collection (name),
    uri           text NOT NULL,
    include       text[] NOT NULL DEFAULT '{}',
    exclude       text[] NOT NULL DEFAULT '{}',
    every_minutes int CHECK (every_minutes >= 0),
    query         text,
    secret        text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    tried_at      timestamptz,
    scanned_at    timestamptz,
    error         text,
    UNIQUE (collection, uri)
);
COMMENT ON TABLE source IS 'Where documents come from, of whatever kind, and how and when it is looked through.';
COMMENT ON COLUMN source.uri IS 'an absolute path, or an address whose beginning says the kind';
COMMENT ON COLUMN source.include IS 'glob patterns of documents'' names; empty: all';
COMMENT ON COLUMN source.every_minutes IS 'null: at every scan; 0: only when somebody asks';
COMMENT ON COLUMN source.query IS 'of a source in a SQL database';
COMMENT ON COLUMN source.secret IS 'the name of a secret in the settings, never the secret';
COMMENT ON COLUMN source.tried_at IS 'when it was last looked through, or could not be';
COMMENT ON COLUMN source.scanned_at IS 'when it was last looked through';
COMMENT ON COLUMN source.error IS 'why it could not be, the last time';

CREATE TABLE document (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id   bigint NOT NULL REFERENCES source (id) ON DELETE CASCADE,
    name        text NOT NULL,
    title       text NOT NULL,
    url         text,
    language    regconfig NOT NULL DEFAULT 'english',
    version     text,
    raw_hash    bytea NOT NULL,
    modified_at timestamptz NOT NULL,
    indexed_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (source_id, name)
);
CREATE INDEX document_language ON document (language);  -- to name the languages without reading the documents
COMMENT ON TABLE document IS 'A document of a source, as it was last indexed. The row is there when its passages are.';
COMMENT ON COLUMN document.name IS 'the path within the source: what people are shown';
COMMENT ON COLUMN document.url IS 'where a person can open it, if anywhere';
COMMENT ON COLUMN document.version IS
    'what says that it is the same without its bytes being read: a file''s times, an ETag, a blob''s hash';
COMMENT ON COLUMN document.raw_hash IS 'sha256 of its bytes and of the parser''s version';

CREATE TABLE document_attempt (
    source_id bigint NOT NULL REFERENCES source (id) ON DELETE CASCADE,
    name      text NOT NULL,
    raw_hash  bytea NOT NULL,
    attempts  int NOT NULL,
    error     text,
    tried_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source_id, name)
);
COMMENT ON TABLE document_attempt IS
    'A document that was begun and not finished: one that ends or fails its worker is set aside after some attempts.';
COMMENT ON COLUMN document_attempt.raw_hash IS 'of the version that was tried; another one begins anew';
COMMENT ON COLUMN document_attempt.error IS 'what was raised; null: its process ended';

CREATE TABLE chunk (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id   bigint NOT NULL REFERENCES document (id) ON DELETE CASCADE,
    collection_id int NOT NULL REFERENCES collection (id),  -- the document's: a source never changes its collection
    ordinal       int NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('text', 'table', 'row', 'code')),
    heading       text[] NOT NULL,
    text          text NOT NULL,
    content_hash  bytea NOT NULL,
    lexemes       tsvector STORAGE MAIN NOT NULL,  -- rankers read many of these and few texts: a long text moves out
    length        int NOT NULL,
    UNIQUE (document_id, ordinal) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX chunk_collection ON chunk (collection_id);
CREATE INDEX chunk_content_hash ON chunk (content_hash);
CREATE INDEX chunk_lexemes ON chunk USING gin (lexemes);
COMMENT ON TABLE chunk IS 'A passage of a document: what search returns and an answer is written from.';
COMMENT ON COLUMN chunk.ordinal IS 'its place in the document, from 0';
COMMENT ON COLUMN chunk.heading IS 'the headings above it, outermost first';
COMMENT ON COLUMN chunk.text IS 'as people read it, without the headings';
COMMENT ON COLUMN chunk.content_hash IS 'sha256 of what is embedded: title, headings, text';
COMMENT ON COLUMN chunk.length IS 'lexemes with repetitions, for BM25';

CREATE TABLE sentence (
    chunk_id bigint NOT NULL REFERENCES chunk (id) ON DELETE CASCADE,
    ordinal  int NOT NULL,
    text     text NOT NULL,
    lexemes  tsvector NOT NULL,
    PRIMARY KEY (chunk_id, ordinal)
);
COMMENT ON TABLE sentence IS
    'A sentence, list item or table row of a passage: what a question is matched with and what an answer quotes.';
COMMENT ON COLUMN sentence.text IS 'word for word as in the passage';

-- Counts for BM25 are sums of rows: whoever changes chunks adds rows and changes none, so that writers never wait for
-- each other; rows are put together now and then. By triggers, because chunks go in many ways: with their document, its
-- source, or a swap.
CREATE TABLE lexeme_count (
    lexeme text COLLATE "C" NOT NULL,
    chunks int NOT NULL
);
CREATE INDEX lexeme_count_lexeme ON lexeme_count (lexeme) INCLUDE (chunks);
COMMENT ON TABLE lexeme_count IS 'A change in how many chunks hold a word; the sum of its rows is how many do.';

CREATE TABLE chunk_count (
    collection_id int NOT NULL,
    chunks        int NOT NULL,
    length        bigint NOT NULL
);
COMMENT ON TABLE chunk_count IS 'A change in how many chunks a collection has, and in their lengths together.';

CREATE FUNCTION count_added_chunks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lexeme_count SELECT u.lexeme, count(*) FROM added, unnest(lexemes) AS u GROUP BY u.lexeme;
    INSERT INTO chunk_count SELECT collection_id, count(*), sum(length) FROM added GROUP BY collection_id;
    RETURN NULL;
END
$$;
CREATE FUNCTION count_removed_chunks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lexeme_count SELECT u.lexeme, -count(*) FROM removed, unnest(lexemes) AS u GROUP BY u.lexeme;
    INSERT INTO chunk_count SELECT collection_id, -count(*), -sum(length) FROM removed GROUP BY collection_id;
    RETURN NULL;
END
$$;
CREATE FUNCTION count_changed_chunks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lexeme_count
    SELECT u.lexeme, sum(step)
    FROM removed r JOIN added a USING (id),
        LATERAL (SELECT lexeme, 1 AS step FROM unnest(a.lexemes)
                 UNION ALL SELECT lexeme, -1 FROM unnest(r.lexemes)) AS u
    WHERE a.lexemes <> r.lexemes
    GROUP BY u.lexeme HAVING sum(step) <> 0;
    INSERT INTO chunk_count
    SELECT collection_id, sum(chunks), sum(length)
    FROM (SELECT collection_id, 1 AS chunks, length FROM added
          UNION ALL SELECT collection_id, -1, -length FROM removed) AS u
    GROUP BY collection_id HAVING sum(chunks) <> 0 OR sum(length) <> 0;
    RETURN NULL;
END
$$;
CREATE TRIGGER chunk_added AFTER INSERT ON chunk REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_added_chunks();
CREATE TRIGGER chunk_removed AFTER DELETE ON chunk REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION count_removed_chunks();
CREATE TRIGGER chunk_changed AFTER UPDATE ON chunk REFERENCING OLD TABLE AS removed NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_changed_chunks();
