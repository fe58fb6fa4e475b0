-- What people asked, what they were answered and what they thought of it: what bot/ and the command line write and
-- finetune/ reads.
CREATE TABLE answer (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    asked_at        timestamptz NOT NULL DEFAULT now(),
    asked_by        text NOT NULL,
    channel         text,
    thread_ts       text,
    question_ts     text,
    answer_ts       text,
    about_ts        text,
    response_url    text,
    private         boolean NOT NULL DEFAULT false,
    addressed       boolean NOT NULL DEFAULT true,
    state           text NOT NULL CHECK (state IN ('pending', 'answered', 'abstained', 'failed')),
    question        text NOT NULL,
    history         jsonb NOT NULL DEFAULT '[]',
    standalone      text,
    collections     text[],
    prompt          text,
    passages        jsonb NOT NULL DEFAULT '[]',
    sources         jsonb NOT NULL DEFAULT '[]',
    text            text,
    model           text,
    revision        text,
    adapter         text,
    template_sha256 text,
    finish          text,
    timings         jsonb NOT NULL DEFAULT '{}',
    error           text,
    finished_at     timestamptz,
    owner           bigint,
    attempts        int NOT NULL DEFAULT 1,
    sharing         boolean NOT NULL DEFAULT false,
    UNIQUE (channel, question_ts)
);
CREATE INDEX answer_thread ON answer (channel, thread_ts);
CREATE INDEX answer_message ON answer (channel, answer_ts);
CREATE INDEX answer_asked_by ON answer (asked_by, asked_at);  -- fair use
CREATE INDEX answer_asked_at ON answer (asked_at);
CREATE INDEX answer_adapter ON answer (adapter, asked_at);
CREATE INDEX answer_unfinished ON answer (asked_at) WHERE finished_at IS NULL OR sharing;
COMMENT ON TABLE answer IS 'A question and everything that led to its answer.';
COMMENT ON COLUMN answer.asked_by IS 'a Slack user id, or ''console''';
COMMENT ON COLUMN answer.channel IS 'a Slack channel id; null in the terminal';
COMMENT ON COLUMN answer.question_ts IS 'the Slack message that asked';
COMMENT ON COLUMN answer.answer_ts IS 'the Slack message that answers, once it is posted';
COMMENT ON COLUMN answer.about_ts IS 'of a shortcut: the thread of the message that it was used on';
COMMENT ON COLUMN answer.response_url IS 'of a command: where Slack takes its answer, until it is there';
COMMENT ON COLUMN answer.private IS 'shown to the person who asked, and to nobody else';
COMMENT ON COLUMN answer.addressed IS 'false: asked of the channel, not of the bot';
COMMENT ON COLUMN answer.standalone IS 'the question rewritten to stand alone';
COMMENT ON COLUMN answer.prompt IS 'exactly as the model read it';
COMMENT ON COLUMN answer.passages IS 'with chunk id, content hash and scores, best first';
COMMENT ON COLUMN answer.revision IS 'of the model on the hub; null for a folder or a server';
COMMENT ON COLUMN answer.template_sha256 IS
    'of the prompt with {passages} and {question} unfilled; null where no model was asked';
COMMENT ON COLUMN answer.finish IS 'whether the model ended its text itself; null where it was not asked';
COMMENT ON COLUMN answer.timings IS 'seconds, by step';
COMMENT ON COLUMN answer.error IS 'a sentence, for state ''failed''';
COMMENT ON COLUMN answer.owner IS
    'the bot that is at work on it, which holds the advisory lock of this number; null: nobody who is alive';
COMMENT ON COLUMN answer.attempts IS 'processes that began to answer';
COMMENT ON COLUMN answer.sharing IS 'its asker has shared it, and it is not posted yet';

CREATE TABLE feedback (
    answer_id uuid NOT NULL REFERENCES answer (id) ON DELETE CASCADE,
    person    text NOT NULL,
    vote      smallint NOT NULL CHECK (vote IN (-1, 1)),
    voted_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (answer_id, person)
);
COMMENT ON TABLE feedback IS 'One person''s vote on one answer: the last one counts.';

CREATE TABLE deleted_question (
    asker    bytea NOT NULL,
    asked_at timestamptz NOT NULL
);
CREATE INDEX deleted_question_asked_at ON deleted_question (asked_at);
COMMENT ON TABLE deleted_question IS
    'That somebody whose questions were deleted asked within the hour, for fair use: no words, and only for an hour.';
COMMENT ON COLUMN deleted_question.asker IS 'a hash of the Slack user id';
