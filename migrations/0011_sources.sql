-- Sources of more kinds than folders: what each is looked through with, when, and how that went.
ALTER TABLE source
    ADD COLUMN include       text[] NOT NULL DEFAULT '{}',  -- glob patterns of documents' names; empty: all
    ADD COLUMN exclude       text[] NOT NULL DEFAULT '{}',
    ADD COLUMN every_minutes int CHECK (every_minutes >= 0),  -- null: at every scan; 0: only when somebody asks
    ADD COLUMN query         text,        -- of a source in a SQL database
    ADD COLUMN secret        text,        -- the name of a secret in the settings, never the secret
    ADD COLUMN tried_at      timestamptz, -- when it was last looked through, or could not be; scanned_at: when it could
    ADD COLUMN error         text;        -- why it could not be, the last time

-- What says that a document is still the same without its bytes being read: a file's times, an ETag, a blob's hash.
ALTER TABLE document ADD COLUMN version text;
