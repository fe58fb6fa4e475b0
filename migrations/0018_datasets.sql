-- What fine-tuning learnt from: frozen datasets, the example rows in them, and which questions are held out for good.
-- Written by finetune/dataset/storage.py.

-- A dataset whose files lie in <home>/datasets/<id>. The row is there when the files are.
CREATE TABLE dataset (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash       text NOT NULL,            -- sha256 of all rows: the same rows are the same dataset
    created_at timestamptz NOT NULL DEFAULT now(),
    report     jsonb NOT NULL,           -- what became of how many votes and corrections
    stale_at   timestamptz,              -- when a person in it had their data deleted: it trains nothing more
    swept_at   timestamptz               -- when its files were deleted for that
);
CREATE UNIQUE INDEX dataset_hash ON dataset (hash) WHERE stale_at IS NULL;

-- Where each example comes from, so that what a person or a document had a part in can be found and taken out.
CREATE TABLE dataset_example (
    dataset_id bigint NOT NULL REFERENCES dataset (id) ON DELETE CASCADE,
    example    text NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('sft', 'kto', 'dpo')),
    split      text NOT NULL CHECK (split IN ('train', 'test')),
    cluster    text NOT NULL,            -- of near-duplicate questions and threads, which are never parted
    answer_id  uuid REFERENCES answer (id) ON DELETE SET NULL,
    persons    text[] NOT NULL,          -- who asked, voted or wrote
    sources    text[] NOT NULL,          -- content hashes of the passages in the prompt, hexadecimal
    synthetic  boolean NOT NULL,         -- written by a model, not by people
    PRIMARY KEY (dataset_id, example)
);
CREATE INDEX dataset_example_persons ON dataset_example USING gin (persons);
CREATE INDEX dataset_example_answer ON dataset_example (answer_id);

-- On which side a question stands, from the first dataset on: what was held out is never trained on later.
CREATE TABLE question_split (
    question   text PRIMARY KEY,         -- sha256 of its words: no text of anybody
    split      text NOT NULL CHECK (split IN ('train', 'test')),
    decided_at timestamptz NOT NULL DEFAULT now()
);
