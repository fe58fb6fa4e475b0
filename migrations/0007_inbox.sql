-- Posts that Slack was told we have, and that no listener has dealt with yet: a restart deals with what is left here.
CREATE TABLE inbox (
    post        text PRIMARY KEY,  -- channel and ts: the mention and the message event of one post are one
    event_id    text NOT NULL,
    event       jsonb NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
