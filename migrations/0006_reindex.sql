-- Runs that somebody asked for, by /reindex or `journeyman reindex`: what retrieval/reindexing.py writes.
CREATE TABLE reindex_run (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target       text NOT NULL,          -- 'all', or the collection or document as people name it
    collections  text[] NOT NULL,        -- of which each is in one queued or running run at the most
    documents    jsonb,                  -- [source id, name] of each document, null for all of the collections
    dry_run      boolean NOT NULL,
    force        boolean NOT NULL,
    started_by   text NOT NULL,          -- Slack user id, or 'console'
    state        text NOT NULL DEFAULT 'queued'
                 CHECK (state IN ('queued', 'running', 'done', 'cancelled', 'failed')),
    cancelled_by text,                   -- set while it runs, it asks the run to stop
    attempts     int NOT NULL DEFAULT 0, -- processes that began it
    queued_at    timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    finished_at  timestamptz,
    document     text,                   -- at hand
    done         int NOT NULL DEFAULT 0, -- documents
    total        int NOT NULL DEFAULT 0, -- documents
    embedded     int NOT NULL DEFAULT 0, -- chunks
    reused       int NOT NULL DEFAULT 0, -- chunks
    removed      int NOT NULL DEFAULT 0, -- chunks
    failed       int NOT NULL DEFAULT 0, -- documents
    report       jsonb,                  -- retrieval.index.IndexReport, once it is done
    error        text                    -- a sentence, for state 'failed'
);
CREATE INDEX reindex_run_open ON reindex_run (id) WHERE state IN ('queued', 'running');

-- The Slack message that shows a run while it goes on, until it has shown its end.
CREATE TABLE reindex_message (
    run_id  bigint PRIMARY KEY REFERENCES reindex_run (id) ON DELETE CASCADE,
    channel text NOT NULL,
    ts      text NOT NULL
);
