-- What people found wrong, what admins made of it, and what the next round of fine-tuning learns from it: what bot/
-- writes, retrieval/ searches (as documents) and finetune/ reads.
CREATE TABLE complaint (
    answer_id   uuid NOT NULL REFERENCES answer (id) ON DELETE CASCADE,
    person      text NOT NULL,
    reason      text NOT NULL CHECK (reason IN ('source', 'outdated', 'wrong', 'unclear', 'other')),
    correction  text,
    said_at     timestamptz NOT NULL DEFAULT now(),
    verdict     text CHECK (verdict IN ('approved', 'rejected')),
    reviewed_by text,
    reviewed_at timestamptz,
    fixed_by    text,
    fixed_at    timestamptz,
    PRIMARY KEY (answer_id, person)
);
CREATE INDEX complaint_waiting ON complaint (said_at) WHERE verdict IS NULL;
COMMENT ON TABLE complaint IS 'What a person said was wrong with an answer: one each, the last one counts.';
COMMENT ON COLUMN complaint.correction IS 'the right answer, if the person gave one';
COMMENT ON COLUMN complaint.verdict IS 'of the review; null while it waits';
COMMENT ON COLUMN complaint.fixed_by IS 'who repaired the documents that it is about; null while they wait';

CREATE TABLE verified_answer (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    answer_id    uuid UNIQUE REFERENCES answer (id) ON DELETE SET NULL,
    document_id  bigint REFERENCES document (id) ON DELETE SET NULL,
    collection   text NOT NULL REFERENCES collection (name),
    question     text NOT NULL,
    text         text NOT NULL,
    written_by   text,
    verified_by  text,
    verified_at  timestamptz NOT NULL DEFAULT now(),
    awaits_admin boolean NOT NULL DEFAULT false,
    said_to      text
);
COMMENT ON TABLE verified_answer IS
    'An answer that a person vouches for. Its text is searched as a document, which goes when it is withdrawn.';
COMMENT ON COLUMN verified_answer.answer_id IS 'the answer in whose place it stands';
COMMENT ON COLUMN verified_answer.written_by IS
    'Slack user id; null for the one who verified it, and after a deletion of data';
COMMENT ON COLUMN verified_answer.verified_by IS 'Slack user id; null once that person had their data deleted';
COMMENT ON COLUMN verified_answer.awaits_admin IS 'saved by somebody whom no admin made an expert';
COMMENT ON COLUMN verified_answer.said_to IS 'the principal of those who heard it, for whom an admin may approve it';

CREATE TABLE training_example (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    verified_id bigint NOT NULL UNIQUE REFERENCES verified_answer (id) ON DELETE CASCADE,
    question    text NOT NULL,
    prompt      text,
    target      text NOT NULL,
    rejected    text,
    made_at     timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE training_example IS
    'What a round of fine-tuning may learn from: the prompt as the model read it, what it should have said, what it '
    'did.';
COMMENT ON COLUMN training_example.prompt IS 'null where the model was not asked';
COMMENT ON COLUMN training_example.rejected IS 'what was answered, if it was another text';
