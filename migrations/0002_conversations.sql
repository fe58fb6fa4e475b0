-- What people asked, what they were answered and what they thought of it: what bot/ writes and finetune/ reads.
CREATE TABLE answer (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    asked_at      timestamptz NOT NULL DEFAULT now(),
    asked_by      text NOT NULL,         -- Slack user id, or 'console'
    channel       text,                  -- Slack channel id; null in the terminal
    thread_ts     text,
    question_ts   text,                  -- the Slack message that asked
    answer_ts     text,                  -- the Slack message that answers, once it is posted
    state         text NOT NULL CHECK (state IN ('pending', 'answered', 'abstained', 'failed')),
    question      text NOT NULL,
    history       jsonb NOT NULL DEFAULT '[]',
    standalone    text,                  -- the question rewritten to stand alone
    collections   text[],
    prompt        text,                  -- exactly as the model read it
    passages      jsonb NOT NULL DEFAULT '[]',   -- with chunk id, content hash and scores, best first
    sources       jsonb NOT NULL DEFAULT '[]',
    text          text,
    model         text,
    adapter       text,
    timings       jsonb NOT NULL DEFAULT '{}',   -- seconds
    error         text,                  -- a sentence, for state 'failed'
    finished_at   timestamptz,
    UNIQUE (channel, question_ts)
);
CREATE INDEX answer_thread ON answer (channel, thread_ts);
CREATE INDEX answer_message ON answer (channel, answer_ts);

-- One vote per answer and person: the last one counts.
CREATE TABLE feedback (
    answer_id  uuid NOT NULL REFERENCES answer (id) ON DELETE CASCADE,
    person     text NOT NULL,
    vote       smallint NOT NULL CHECK (vote IN (-1, 1)),
    voted_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (answer_id, person)
);

-- Every Slack event that was taken on, so that one delivered again is answered once.
CREATE TABLE event (
    id          text PRIMARY KEY,        -- Slack's event_id
    received_at timestamptz NOT NULL DEFAULT now()
);
