-- Whose word counts beyond a channel: experts whom an admin named. What others save is for their channel alone, is not
-- learnt from, and waits until an admin approves it. Written by bot/questions/channels.py and bot/feedback/review.py.
ALTER TABLE channel ADD COLUMN trusted_experts text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN channel.trusted_experts IS 'those of the experts whom an admin named: Slack user ids';
ALTER TABLE verified_answer ADD COLUMN awaits_admin boolean NOT NULL DEFAULT false;
ALTER TABLE verified_answer ADD COLUMN said_to text;
COMMENT ON COLUMN verified_answer.awaits_admin IS 'saved by somebody whom no admin made an expert';
COMMENT ON COLUMN verified_answer.said_to IS 'the principal of those who heard it, for whom an admin may approve it';
-- Experts of before were named by admins and by the creators of channels alike: an admin names them again.

-- What was typed in a command that was refused is not kept any more, nor was to be before.
UPDATE audit SET detail = detail - 'text' WHERE NOT allowed;
