-- Work as rows, of whatever kind; messages to workers carry an id alone: what jobs/ writes.
CREATE TABLE job (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind         text NOT NULL DEFAULT 'reindex',
    target       text NOT NULL,
    collections  text[] NOT NULL DEFAULT '{}',
    documents    jsonb,
    dry_run      boolean NOT NULL DEFAULT false,
    force        boolean NOT NULL DEFAULT false,
    started_by   text NOT NULL,
    request_id   text,
    state        text NOT NULL DEFAULT 'queued'
                 CHECK (state IN ('queued', 'running', 'done', 'cancelled', 'failed')),
    cancelled_by text,
    attempts     int NOT NULL DEFAULT 0,
    queued_at    timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    heartbeat_at timestamptz,
    finished_at  timestamptz,
    message      text,
    done         int NOT NULL DEFAULT 0,
    total        int NOT NULL DEFAULT 0,
    reached      int NOT NULL DEFAULT 0,
    counts       jsonb NOT NULL DEFAULT '{}',
    report       jsonb,
    error        text
);
CREATE INDEX job_open ON job (id) WHERE state IN ('queued', 'running');
CREATE INDEX job_ended ON job (finished_at) WHERE kind <> 'reindex';
-- A scan, or a build of a model, is asked for once while it is open. Runs have a rule of their own.
CREATE UNIQUE INDEX job_asked_once ON job (kind, target) WHERE state IN ('queued', 'running') AND kind <> 'reindex';
COMMENT ON TABLE job IS
    'A piece of work: a run of the index, a scan, a build of an embedding model, a round of fine-tuning.';
COMMENT ON COLUMN job.kind IS '''reindex'', ''scan'', ''build'' or ''finetune'': by which a worker knows what to do';
COMMENT ON COLUMN job.target IS '''all'', the collection or document as people name it, or the embedding model';
COMMENT ON COLUMN job.collections IS 'of a run of the index: each is in one open run at the most';
COMMENT ON COLUMN job.documents IS 'of a run of the index: [source id, name] of each document; null: all';
COMMENT ON COLUMN job.started_by IS 'Slack user id, ''console'' or ''schedule''';
COMMENT ON COLUMN job.request_id IS 'in the logs of everything that one event in Slack set off';
COMMENT ON COLUMN job.cancelled_by IS 'set while it runs, it asks the work to stop';
COMMENT ON COLUMN job.attempts IS 'processes that began it since one of them last got on';
COMMENT ON COLUMN job.heartbeat_at IS 'when the process at work last wrote how far it is';
COMMENT ON COLUMN job.message IS 'what is at hand';
COMMENT ON COLUMN job.done IS 'documents of a run, chunks of a build';
COMMENT ON COLUMN job.total IS 'documents of a run, chunks of a build';
COMMENT ON COLUMN job.reached IS
    'the most that done ever was: each process begins at 0, and gets on when it gets further';
COMMENT ON COLUMN job.counts IS 'figures of this kind of work, by their names: {"embedded": 12, "reused": 3}';
COMMENT ON COLUMN job.error IS 'a sentence, for state ''failed''';

CREATE TABLE reindex_message (
    run_id  bigint PRIMARY KEY REFERENCES job (id) ON DELETE CASCADE,
    channel text NOT NULL,
    ts      text,
    owner   bigint
);
COMMENT ON TABLE reindex_message IS 'The Slack message that shows a run of the index, until it has shown its end.';
COMMENT ON COLUMN reindex_message.ts IS 'null until it is posted';
COMMENT ON COLUMN reindex_message.owner IS 'the bot that is at work on it, as in answer';
