-- What an answer was written with, besides its model's name: without them a vote on it cannot be replayed once a template
-- or a model has changed under its name. Written by bot/answers.py.
ALTER TABLE answer ADD COLUMN template_sha256 text, ADD COLUMN revision text;
COMMENT ON COLUMN answer.template_sha256 IS 'of the prompt with {passages} and {question} unfilled; null where no model was asked';
COMMENT ON COLUMN answer.revision IS 'of the model on the hub; null for a folder or a server';
