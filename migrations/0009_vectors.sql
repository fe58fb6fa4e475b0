-- Who may read a collection; vectors by model, beside the chunks that they were made of; and how many chunks hold a
-- word, for BM25. What retrieval/ reads and writes.

ALTER TABLE collection
    ADD COLUMN id int GENERATED ALWAYS AS IDENTITY UNIQUE,
    -- 'everyone', 'user:U…', 'group:S…', 'channel:C…': whoever is one of them may read it, and nobody if it is empty.
    ADD COLUMN audience text[] NOT NULL DEFAULT '{everyone}';

-- A model whose vectors are kept. Questions are embedded with the active one.
CREATE TABLE embedding_model (
    id         int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL UNIQUE,
    dimensions int NOT NULL CHECK (dimensions BETWEEN 1 AND 4000),  -- 4000: the most that HNSW takes of a halfvec
    state      text NOT NULL CHECK (state IN ('building', 'active', 'retired')),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX embedding_model_active ON embedding_model ((true)) WHERE state = 'active';

DROP INDEX chunk_vector;

-- The vectors that are searched. One partition a model, chunk_vector_<model_id>, with an HNSW index of its own on
-- vector::halfvec(<dimensions>): retrieval/models.py makes them.
CREATE TABLE chunk_vector (
    chunk_id      bigint NOT NULL REFERENCES chunk (id) ON DELETE CASCADE,
    model_id      int NOT NULL,
    collection_id int NOT NULL,          -- the chunk's, so that a filter needs no join
    vector        halfvec NOT NULL,
    PRIMARY KEY (chunk_id, model_id)
) PARTITION BY LIST (model_id);
CREATE INDEX chunk_vector_collection ON chunk_vector (collection_id);

-- Of the sentence's text alone: with its headings it found less. Read for the chunks that are scored, never searched.
CREATE TABLE sentence_vector (
    chunk_id bigint NOT NULL REFERENCES chunk (id) ON DELETE CASCADE,
    ordinal  int NOT NULL,
    model_id int NOT NULL,
    vector   halfvec NOT NULL,
    PRIMARY KEY (chunk_id, ordinal, model_id)
) PARTITION BY LIST (model_id);

ALTER TABLE chunk ADD COLUMN collection_id int REFERENCES collection (id);  -- a source never changes its collection
UPDATE chunk SET collection_id = n.id
FROM document d JOIN source s ON s.id = d.source_id JOIN collection n ON n.name = s.collection
WHERE d.id = chunk.document_id;
ALTER TABLE chunk ALTER COLUMN collection_id SET NOT NULL;
CREATE INDEX chunk_collection ON chunk (collection_id);

-- What is there is kept. The model with most chunks is the one that questions are embedded with.
INSERT INTO embedding_model (name, dimensions, state)
SELECT model, 384, CASE WHEN row_number() OVER (ORDER BY count(*) DESC, model) = 1 THEN 'active' ELSE 'retired' END
FROM chunk GROUP BY model ORDER BY count(*) DESC, model;
DO $$
DECLARE
    model int;
BEGIN
    FOR model IN SELECT id FROM embedding_model LOOP
        EXECUTE format('CREATE TABLE chunk_vector_%s PARTITION OF chunk_vector FOR VALUES IN (%s)', model, model);
        EXECUTE format('CREATE TABLE sentence_vector_%s PARTITION OF sentence_vector FOR VALUES IN (%s)', model, model);
    END LOOP;
END
$$;
INSERT INTO chunk_vector (chunk_id, model_id, collection_id, vector)
SELECT c.id, m.id, c.collection_id, c.vector FROM chunk c JOIN embedding_model m ON m.name = c.model ORDER BY c.id;
INSERT INTO sentence_vector (chunk_id, ordinal, model_id, vector)
SELECT s.chunk_id, s.ordinal, m.id, s.vector
FROM sentence s JOIN chunk c ON c.id = s.chunk_id JOIN embedding_model m ON m.name = c.model
ORDER BY s.chunk_id, s.ordinal;
DO $$
DECLARE
    model int;
BEGIN
    FOR model IN SELECT id FROM embedding_model LOOP
        EXECUTE format('CREATE INDEX chunk_vector_%s_hnsw ON chunk_vector_%s
                        USING hnsw ((vector::halfvec(384)) halfvec_cosine_ops)', model, model);
    END LOOP;
END
$$;
ALTER TABLE chunk DROP COLUMN model, DROP COLUMN vector;
ALTER TABLE sentence DROP COLUMN vector;
-- Rankers read lexemes of many chunks and the text of few: where a row is too long for its page, the text moves out.
ALTER TABLE chunk ALTER COLUMN lexemes SET STORAGE MAIN;
-- Rewritten, so that the columns that are gone take no room.
CLUSTER chunk USING chunk_pkey;
CLUSTER sentence USING sentence_pkey;

-- In how many chunks a word stands: the sum of its rows. Whoever changes chunks adds rows and changes none, so that
-- writers never wait for each other; rows are put together now and then.
CREATE TABLE lexeme_count (
    lexeme text COLLATE "C" NOT NULL,
    chunks int NOT NULL
);
CREATE INDEX lexeme_count_lexeme ON lexeme_count (lexeme) INCLUDE (chunks);

-- How many chunks a collection has, and their lengths together: sums of rows, too.
CREATE TABLE chunk_count (
    collection_id int NOT NULL,
    chunks        int NOT NULL,
    length        bigint NOT NULL
);

-- Triggers, because chunks go in many ways: with their document, its source, or a swap.
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

INSERT INTO lexeme_count SELECT u.lexeme, count(*) FROM chunk, unnest(lexemes) AS u GROUP BY u.lexeme ORDER BY 1;
INSERT INTO chunk_count SELECT collection_id, count(*), sum(length) FROM chunk GROUP BY collection_id;
