-- Work is a row, of whatever kind: what was a table of index runs holds scans and model builds, too, and messages to
-- workers carry its id alone. Written by retrieval/jobs.py.
ALTER TABLE reindex_run RENAME TO job;
ALTER INDEX reindex_run_open RENAME TO job_open;
ALTER TABLE job
    ADD COLUMN kind text NOT NULL DEFAULT 'reindex',  -- or 'scan', 'build': by which a worker knows what to do
    ADD COLUMN heartbeat_at timestamptz,              -- when the process at work last wrote how far it is
    ADD COLUMN request_id text,                       -- in the logs of everything that one event in Slack set off
    ALTER COLUMN collections SET DEFAULT '{}',        -- of a run that somebody asked for; of another kind none
    ALTER COLUMN dry_run SET DEFAULT false,
    ALTER COLUMN force SET DEFAULT false;
COMMENT ON COLUMN job.target IS '''all'', the collection or document as people name it, or the embedding model';
COMMENT ON COLUMN job.attempts IS 'processes that began it since one of them last got on';
COMMENT ON COLUMN job.done IS 'documents; chunks of a build';
COMMENT ON COLUMN job.total IS 'documents; chunks of a build';
-- A scan, or a build of a model, is asked for once while it is open. Runs have a rule of their own.
CREATE UNIQUE INDEX job_asked_once ON job (kind, target) WHERE state IN ('queued', 'running') AND kind <> 'reindex';
CREATE INDEX job_ended ON job (finished_at) WHERE kind <> 'reindex';

-- A document that was begun and not finished: one that ends or fails its worker is set aside after some attempts.
CREATE TABLE document_attempt (
    source_id bigint NOT NULL REFERENCES source (id) ON DELETE CASCADE,
    name      text NOT NULL,
    raw_hash  bytea NOT NULL,                      -- of the version that was tried; another one begins anew
    attempts  int NOT NULL,
    error     text,                                -- what was raised; null: its process ended
    tried_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source_id, name)
);
