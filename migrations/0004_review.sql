-- What people found wrong, what admins made of it, and what the next round of fine-tuning learns from it:
-- what bot/ writes, retrieval/ searches (as documents) and finetune/ reads.

-- What a person said was wrong with an answer: one per answer and person, the last one counts.
CREATE TABLE complaint (
    answer_id   uuid NOT NULL REFERENCES answer (id) ON DELETE CASCADE,
    person      text NOT NULL,           -- Slack user id
    reason      text NOT NULL CHECK (reason IN ('source', 'outdated', 'wrong', 'unclear', 'other')),
    correction  text,                    -- the right answer, if the person gave one
    said_at     timestamptz NOT NULL DEFAULT now(),
    verdict     text CHECK (verdict IN ('approved', 'rejected')),   -- of the review; null while it waits
    reviewed_by text,
    reviewed_at timestamptz,
    fixed_by    text,                    -- who repaired the documents that it is about; null while they wait
    fixed_at    timestamptz,
    PRIMARY KEY (answer_id, person)
);
CREATE INDEX complaint_waiting ON complaint (said_at) WHERE verdict IS NULL;

-- An answer that a person vouches for. Its text is searched as a document, which goes when it is withdrawn.
CREATE TABLE verified_answer (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    answer_id   uuid UNIQUE REFERENCES answer (id) ON DELETE SET NULL,   -- the answer in whose place it stands
    document_id bigint REFERENCES document (id) ON DELETE SET NULL,
    collection  text NOT NULL REFERENCES collection (name),
    question    text NOT NULL,
    text        text NOT NULL,
    written_by  text,                    -- Slack user id; null for the one who verified it, and after a deletion
    verified_by text,                    -- Slack user id; null once that person had their data deleted
    verified_at timestamptz NOT NULL DEFAULT now()
);

-- What a round of fine-tuning may learn from: the prompt as the model read it, what it should have said, what it said.
CREATE TABLE training_example (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    verified_id bigint NOT NULL UNIQUE REFERENCES verified_answer (id) ON DELETE CASCADE,
    question    text NOT NULL,
    prompt      text,                    -- null where the model was not asked
    target      text NOT NULL,
    rejected    text,                    -- what was answered, if it was another text
    made_at     timestamptz NOT NULL DEFAULT now()
);

-- The last word of every thumb that a person put under a message: an event that comes late or again changes nothing.
CREATE TABLE reaction (
    channel    text NOT NULL,
    message_ts text NOT NULL,
    person     text NOT NULL,
    vote       smallint NOT NULL CHECK (vote IN (-1, 1)),
    present    boolean NOT NULL,
    event_ts   numeric NOT NULL,         -- Slack's, of when it was put or taken away
    PRIMARY KEY (channel, message_ts, person, vote)
);
