-- The learning loop: frozen datasets, rounds, the adapters that came out of them, and which of those answers: what
-- finetune/ writes.
CREATE TABLE dataset (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    hash       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    report     jsonb NOT NULL,
    stale_at   timestamptz,
    swept_at   timestamptz
);
CREATE UNIQUE INDEX dataset_hash ON dataset (hash) WHERE stale_at IS NULL;
COMMENT ON TABLE dataset IS
    'A frozen dataset, whose files lie in <home>/datasets/<id>. The row is there when the files are.';
COMMENT ON COLUMN dataset.hash IS 'sha256 of all rows: the same rows are the same dataset';
COMMENT ON COLUMN dataset.report IS 'what became of how many votes and corrections';
COMMENT ON COLUMN dataset.stale_at IS 'when a person in it had their data deleted: it trains nothing more';
COMMENT ON COLUMN dataset.swept_at IS 'when its files were deleted for that';

CREATE TABLE dataset_example (
    dataset_id bigint NOT NULL REFERENCES dataset (id) ON DELETE CASCADE,
    example    text NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('sft', 'kto', 'dpo')),
    split      text NOT NULL CHECK (split IN ('train', 'test')),
    cluster    text NOT NULL,
    answer_id  uuid REFERENCES answer (id) ON DELETE SET NULL,
    persons    text[] NOT NULL,
    sources    text[] NOT NULL,
    synthetic  boolean NOT NULL,
    PRIMARY KEY (dataset_id, example)
);
CREATE INDEX dataset_example_persons ON dataset_example USING gin (persons);
CREATE INDEX dataset_example_answer ON dataset_example (answer_id);
COMMENT ON TABLE dataset_example IS
    'Where an example of a dataset comes from: what a person or a document had a part in can be found and taken out.';
COMMENT ON COLUMN dataset_example.cluster IS 'of near-duplicate questions and threads, which are never parted';
COMMENT ON COLUMN dataset_example.persons IS 'who asked, voted or wrote';
COMMENT ON COLUMN dataset_example.sources IS 'content hashes of the passages in the prompt, hexadecimal';
COMMENT ON COLUMN dataset_example.synthetic IS 'written by a model, not by people';

CREATE TABLE question_split (
    question   text PRIMARY KEY,
    split      text NOT NULL CHECK (split IN ('train', 'test')),
    decided_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE question_split IS
    'On which side a question stands, from the first dataset on: what was held out is never trained on later.';
COMMENT ON COLUMN question_split.question IS 'sha256 of its words: no text of anybody';

CREATE TABLE training_round (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id     bigint,
    started_by text NOT NULL,
    requested  jsonb NOT NULL,
    state      text NOT NULL DEFAULT 'open' CHECK (state IN
                   ('open', 'not enough', 'promoted', 'proved', 'refused', 'inconclusive', 'failed', 'cancelled')),
    reason     text,
    dataset_id bigint REFERENCES dataset (id),
    clusters   int,
    cost       jsonb,
    began_at   timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz
);
CREATE UNIQUE INDEX training_round_job ON training_round (job_id);
COMMENT ON TABLE training_round IS 'A round of fine-tuning: what was asked for, what it cost and how it ended.';
COMMENT ON COLUMN training_round.job_id IS 'its job (kind ''finetune''), which may be forgotten; the round is not';
COMMENT ON COLUMN training_round.requested IS 'method, quantization and the like';
COMMENT ON COLUMN training_round.reason IS 'why it ended like this, in a sentence';
COMMENT ON COLUMN training_round.clusters IS 'of questions that no round before has trained on';
COMMENT ON COLUMN training_round.cost IS 'what it was thought to cost, and what it did';

CREATE TABLE adapter (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL UNIQUE,
    round_id   bigint REFERENCES training_round (id),
    parent_id  bigint REFERENCES adapter (id),
    dataset_id bigint REFERENCES dataset (id),
    base       text NOT NULL,
    sha256     text NOT NULL,
    lineage    jsonb NOT NULL,
    metrics    jsonb NOT NULL DEFAULT '{}',
    decision   text NOT NULL CHECK (decision IN ('promote', 'refuse', 'inconclusive')),
    reason     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE adapter IS
    'An adapter whose folder <home>/adapters/<name> is whole: what it was made of, and what the gate said.';
COMMENT ON COLUMN adapter.parent_id IS 'which answered when this one was trained';
COMMENT ON COLUMN adapter.base IS 'the model that it belongs to, as the settings name it';
COMMENT ON COLUMN adapter.sha256 IS 'of its weights';
COMMENT ON COLUMN adapter.lineage IS 'all that it was made of and with';
COMMENT ON COLUMN adapter.metrics IS 'of candidate, active and base on each set';

CREATE TABLE adapter_switch (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT now(),
    by        text NOT NULL,
    kind      text NOT NULL CHECK (kind IN ('promote', 'try', 'rollback')),
    active_id bigint REFERENCES adapter (id),
    trial_id  bigint REFERENCES adapter (id),
    percent   int NOT NULL DEFAULT 0 CHECK (percent BETWEEN 0 AND 100),
    reason    text NOT NULL
);
COMMENT ON TABLE adapter_switch IS
    'A change of what answers. The last row holds, and none is changed, so that a rollback forgets nothing.';
COMMENT ON COLUMN adapter_switch.by IS 'a person''s id, ''schedule'', or ''watch'' for an automatic rollback';
COMMENT ON COLUMN adapter_switch.active_id IS 'null: the model as it comes';
COMMENT ON COLUMN adapter_switch.trial_id IS 'which answers some people';

CREATE TABLE round_message (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    round_id bigint NOT NULL REFERENCES training_round (id) ON DELETE CASCADE,
    channel  text NOT NULL,
    ts       text,
    person   text,
    owner    bigint
);
COMMENT ON TABLE round_message IS 'The Slack message that shows a round, until it has shown its end; written by bot/.';
COMMENT ON COLUMN round_message.ts IS 'null until it is posted';
COMMENT ON COLUMN round_message.person IS 'who asked for it, and is told directly where the bot cannot post';
COMMENT ON COLUMN round_message.owner IS 'the bot that is at work on it, as in answer';

CREATE TABLE comparison (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    made_at   timestamptz NOT NULL DEFAULT now(),
    questions text NOT NULL,
    model     text NOT NULL,
    adapter   text,
    report    jsonb NOT NULL,
    chart     bytea
);
COMMENT ON TABLE comparison IS
    'What came out of a question set with the model alone, with documents, with an adapter, and with both.';
COMMENT ON COLUMN comparison.questions IS 'the name of the question set';
COMMENT ON COLUMN comparison.chart IS 'as a PNG';
