-- Whether a job that ends its processes gets on. Each process begins at done = 0, so what counts is having got further
-- than any before it. Written by retrieval/jobs.py.
ALTER TABLE job ADD COLUMN reached int NOT NULL DEFAULT 0;
COMMENT ON COLUMN job.reached IS 'the most that done ever was';
UPDATE job SET reached = done;
