-- What came from Slack and is not dealt with yet, and how each channel is answered: what bot/ writes.
CREATE TABLE inbox (
    post        text PRIMARY KEY,
    event_id    text NOT NULL,
    event       json NOT NULL,  -- as it came: jsonb refuses some of what people can write
    received_at timestamptz NOT NULL DEFAULT now(),
    owner       bigint
);
COMMENT ON TABLE inbox IS
    'A post that Slack was told we have, and that no listener has dealt with yet: a restart does, with what is left.';
COMMENT ON COLUMN inbox.post IS 'channel and ts: the mention and the message event of one post are one';
COMMENT ON COLUMN inbox.owner IS 'the bot that is at work on it, as in answer';

CREATE TABLE event (
    id          text PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE event IS 'A Slack event that was begun, by Slack''s event_id: one delivered twice is answered once.';

CREATE TABLE reaction (
    channel    text NOT NULL,
    message_ts text NOT NULL,
    person     text NOT NULL,
    vote       smallint NOT NULL CHECK (vote IN (-1, 1)),
    present    boolean NOT NULL,
    event_ts   numeric NOT NULL,
    PRIMARY KEY (channel, message_ts, person, vote)
);
COMMENT ON TABLE reaction IS
    'The last word of a thumb that a person put under a message: an event that comes late or again changes nothing.';
COMMENT ON COLUMN reaction.event_ts IS 'Slack''s time of when it was put or taken away';

CREATE TABLE channel (
    id              text PRIMARY KEY,
    answers         text NOT NULL DEFAULT 'mentions' CHECK (answers IN ('mentions', 'questions')),
    threshold       real NOT NULL DEFAULT 0.6 CHECK (threshold BETWEEN 0 AND 1),
    collections     text[],
    place           text NOT NULL DEFAULT 'thread' CHECK (place IN ('thread', 'ephemeral')),
    language        regconfig,
    experts         text[] NOT NULL DEFAULT '{}',
    trusted_experts text[] NOT NULL DEFAULT '{}',
    changed_by      text NOT NULL,
    changed_at      timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE channel IS 'How a channel wants to be answered. One without a row is answered as the defaults say.';
COMMENT ON COLUMN channel.threshold IS 'for ''questions'': how sure it must be that a message is one';
COMMENT ON COLUMN channel.collections IS 'null: all that there are';
COMMENT ON COLUMN channel.language IS 'of the questions; null: whichever of the documents'' languages fits best';
COMMENT ON COLUMN channel.experts IS 'Slack user ids';
COMMENT ON COLUMN channel.trusted_experts IS 'those of the experts whom an admin named: Slack user ids';

CREATE TABLE expert_request (
    answer_id uuid PRIMARY KEY REFERENCES answer (id) ON DELETE CASCADE,
    channel   text NOT NULL,
    thread_ts text NOT NULL,
    asked_by  text NOT NULL,
    experts   text[] NOT NULL,
    asked_at  timestamptz NOT NULL DEFAULT now(),
    posted    boolean NOT NULL DEFAULT true,
    owner     bigint,
    saved_at  timestamptz
);
CREATE INDEX expert_request_thread ON expert_request (channel, thread_ts);
COMMENT ON TABLE expert_request IS 'A question that the documents did not answer, and the people asked in its thread.';
COMMENT ON COLUMN expert_request.asked_by IS 'who pressed the button';
COMMENT ON COLUMN expert_request.posted IS 'whether the experts were mentioned already';
COMMENT ON COLUMN expert_request.owner IS 'the bot that is at work on it, as in answer';
COMMENT ON COLUMN expert_request.saved_at IS 'when a reply became a verified answer';
