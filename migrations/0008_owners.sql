-- Several bots at once, and what a bot that was killed leaves: whose each unfinished thing is, and what it takes to
-- finish it. An owner is a bot's process: it holds the advisory lock of this number for as long as it lives.
ALTER TABLE answer
    ADD COLUMN owner bigint,                            -- null: begun by nobody who is alive
    ADD COLUMN attempts int NOT NULL DEFAULT 1,         -- processes that began to answer
    ADD COLUMN about_ts text,                           -- for a shortcut: the thread of the message that it was used on
    ADD COLUMN response_url text,                       -- for a command: where Slack takes its answer, until it is there
    ADD COLUMN sharing boolean NOT NULL DEFAULT false;  -- its asker has shared it, and it is not posted yet
CREATE INDEX answer_unfinished ON answer (asked_at) WHERE finished_at IS NULL OR sharing;

ALTER TABLE inbox
    ADD COLUMN owner bigint,
    ALTER COLUMN event TYPE json USING event::json;     -- as it came: jsonb refuses some of what people can write

ALTER TABLE expert_request
    ADD COLUMN owner bigint,
    ADD COLUMN posted boolean NOT NULL DEFAULT true;    -- whether the experts were mentioned already

-- A run's message is noted with the run, and posted right after.
ALTER TABLE reindex_message
    ADD COLUMN owner bigint,
    ALTER COLUMN ts DROP NOT NULL;

-- What fair use remembers of questions that were deleted on their asker's wish: no words, and only for an hour.
CREATE TABLE deleted_question (
    asker    bytea NOT NULL,       -- a hash of the Slack user id
    asked_at timestamptz NOT NULL
);
CREATE INDEX deleted_question_asked_at ON deleted_question (asked_at);
