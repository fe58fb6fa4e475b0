-- What ranking and abstention are fitted to: the scale of a model's cosines, the languages of documents and questions,
-- and the questions that an admin calibrated with.

-- Of random passages with each other, so that any model's cosines can be brought to the scale that the weights of search
-- were fitted on. Null: not measured yet, or the default model's own. Written by retrieval/models.py.
ALTER TABLE embedding_model
    ADD COLUMN cosine_mean   real,
    ADD COLUMN cosine_spread real CHECK (cosine_spread > 0),
    ADD COLUMN measured_over bigint;  -- chunks that there were

CREATE INDEX document_language ON document (language);  -- to name the languages without reading the documents

-- Null: whatever language of the documents fits the question best.
ALTER TABLE channel ALTER COLUMN language DROP NOT NULL, ALTER COLUMN language DROP DEFAULT;
UPDATE channel SET language = NULL WHERE language = 'english'::regconfig;  -- what everybody had who chose nothing
