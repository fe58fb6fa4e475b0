-- The loop: rounds of fine-tuning, the adapters that came out of them, and which of those answers.
-- Written by finetune/rounds.py and finetune/registry.py.

-- One round: what was asked for, and how it ended. Its job (kind 'finetune') may be forgotten, the round is not.
CREATE TABLE training_round (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id      bigint,
    started_by  text NOT NULL,
    requested   jsonb NOT NULL,                -- method, quantization and the like
    state       text NOT NULL DEFAULT 'open' CHECK (state IN
                    ('open', 'not enough', 'promoted', 'proved', 'refused', 'inconclusive', 'failed', 'cancelled')),
    reason      text,                          -- in a sentence
    dataset_id  bigint REFERENCES dataset (id),
    clusters    int,                           -- of questions that no round before has trained on
    cost        jsonb,                         -- what it was thought to cost, and what it did
    began_at    timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz
);
CREATE UNIQUE INDEX training_round_job ON training_round (job_id);

-- An adapter whose folder <home>/adapters/<name> is whole: the row is written after it.
CREATE TABLE adapter (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    round_id    bigint REFERENCES training_round (id),
    parent_id   bigint REFERENCES adapter (id),  -- which answered when this one was trained
    dataset_id  bigint REFERENCES dataset (id),
    base        text NOT NULL,                   -- the model that it belongs to, as the settings name it
    sha256      text NOT NULL,                   -- of its weights
    lineage     jsonb NOT NULL,                  -- all that it was made of and with
    metrics     jsonb NOT NULL DEFAULT '{}',     -- of candidate, active and base on each set
    decision    text NOT NULL CHECK (decision IN ('promote', 'refuse', 'inconclusive')),
    reason      text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- Every switch is one row, and the last one says what answers: nothing is changed, so a rollback forgets nothing.
CREATE TABLE adapter_switch (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    by          text NOT NULL,                   -- a person's id, 'schedule', or 'watch' for an automatic rollback
    kind        text NOT NULL CHECK (kind IN ('promote', 'try', 'rollback')),
    active_id   bigint REFERENCES adapter (id),  -- null: the model as it comes
    trial_id    bigint REFERENCES adapter (id),  -- which answers some people
    percent     int NOT NULL DEFAULT 0 CHECK (percent BETWEEN 0 AND 100),
    reason      text NOT NULL
);
CREATE INDEX answer_adapter ON answer (adapter, asked_at);

-- Whether the model ended its text itself, for the share of those that it did not: null where it was not asked.
ALTER TABLE answer ADD COLUMN finish text;
