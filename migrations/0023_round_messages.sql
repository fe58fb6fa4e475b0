-- Messages in Slack that show a round of fine-tuning, until its end was shown: another bot goes on with them.
CREATE TABLE round_message (
    channel   text NOT NULL,
    ts        text NOT NULL,
    round_id  bigint NOT NULL REFERENCES training_round (id) ON DELETE CASCADE,
    owner     bigint,
    PRIMARY KEY (channel, ts)
);
