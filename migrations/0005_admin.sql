-- Who may administer the bot, and what was done or refused: what bot/authorization.py and bot/audit.py write.
CREATE TABLE admin (
    member     text NOT NULL,            -- Slack id of a person (U…, W…) or of a user group (S…)
    configured boolean NOT NULL,         -- by JOURNEYMAN_ADMINS: replaced at each start of the bot
    added_by   text,                     -- Slack user id; null if configured
    added_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (member, configured)
);

CREATE TABLE audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    person  text NOT NULL,               -- Slack user id, or 'console'
    action  text NOT NULL,               -- such as 'reindex' or 'admins add'
    allowed boolean NOT NULL,
    detail  jsonb NOT NULL DEFAULT '{}'  -- what it was done to; never a message's words
);
CREATE INDEX audit_at ON audit (at);
