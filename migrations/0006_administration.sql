-- Who may administer the bot, and what was done or refused: what bot/ and the command line write.
CREATE TABLE admin (
    member     text NOT NULL,
    configured boolean NOT NULL,
    added_by   text,
    added_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (member, configured)
);
COMMENT ON TABLE admin IS 'A person or user group that may administer.';
COMMENT ON COLUMN admin.member IS 'Slack id of a person (U…, W…) or of a user group (S…)';
COMMENT ON COLUMN admin.configured IS 'by JOURNEYMAN_ADMINS: replaced at each start of the bot';
COMMENT ON COLUMN admin.added_by IS 'Slack user id; null if configured';

CREATE TABLE audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    person  text NOT NULL,
    action  text NOT NULL,
    allowed boolean NOT NULL,
    detail  jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_at ON audit (at);
COMMENT ON TABLE audit IS 'What an admin did, or somebody was refused.';
COMMENT ON COLUMN audit.person IS 'Slack user id, or ''console''';
COMMENT ON COLUMN audit.action IS 'such as ''reindex'' or ''admins add''';
COMMENT ON COLUMN audit.detail IS 'what it was done to; never a message''s words';
