-- A round's message is kept before it is posted, so that a bot that dies in between leaves it to another; and `person` asked
-- for it, who is told directly where the bot cannot post.
ALTER TABLE round_message
    DROP CONSTRAINT round_message_pkey,
    ALTER COLUMN ts DROP NOT NULL,
    ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ADD COLUMN person text;
COMMENT ON COLUMN round_message.ts IS 'null until it is posted';
