-- How each channel is answered, answers that one person alone sees, and questions that were handed to people.
ALTER TABLE answer ADD COLUMN private boolean NOT NULL DEFAULT false;  -- shown to the person who asked, and to nobody else
ALTER TABLE answer ADD COLUMN addressed boolean NOT NULL DEFAULT true; -- false: asked of the channel, not of the bot
CREATE INDEX answer_asked_by ON answer (asked_by, asked_at);  -- fair use
CREATE INDEX answer_asked_at ON answer (asked_at);

-- A channel without a row is answered as the defaults say.
CREATE TABLE channel (
    id          text PRIMARY KEY,      -- Slack channel id
    answers     text NOT NULL DEFAULT 'mentions' CHECK (answers IN ('mentions', 'questions')),
    threshold   real NOT NULL DEFAULT 0.6 CHECK (threshold BETWEEN 0 AND 1),  -- for 'questions': bot/classifier.py
    collections text[],                -- null: all that there are
    place       text NOT NULL DEFAULT 'thread' CHECK (place IN ('thread', 'ephemeral')),
    language    regconfig NOT NULL DEFAULT 'english',  -- of the questions
    experts     text[] NOT NULL DEFAULT '{}',          -- Slack user ids
    changed_by  text NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now()
);

-- A question that the documents did not answer, and the people who were asked in its thread.
CREATE TABLE expert_request (
    answer_id uuid PRIMARY KEY REFERENCES answer (id) ON DELETE CASCADE,
    channel   text NOT NULL,
    thread_ts text NOT NULL,
    asked_by  text NOT NULL,           -- who pressed the button
    experts   text[] NOT NULL,
    asked_at  timestamptz NOT NULL DEFAULT now(),
    saved_at  timestamptz                -- when a reply became a verified answer
);
CREATE INDEX expert_request_thread ON expert_request (channel, thread_ts);
