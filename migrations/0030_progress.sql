-- What a job's work tells is a message and figures of its own kind, of whatever kind it is: documents and passages for a
-- run of the index, steps and seconds for a round. Written by jobs/execution.py.
ALTER TABLE job RENAME COLUMN document TO message;
ALTER TABLE job ADD COLUMN counts jsonb NOT NULL DEFAULT '{}';
COMMENT ON COLUMN job.message IS 'what is at hand';
COMMENT ON COLUMN job.counts IS 'figures of this kind of work, by their names: {"embedded": 12, "reused": 3}';
UPDATE job SET counts = jsonb_build_object('embedded', embedded, 'reused', reused, 'removed', removed, 'failed', failed)
WHERE kind IN ('reindex', 'scan', 'build');
ALTER TABLE job DROP COLUMN embedded, DROP COLUMN reused, DROP COLUMN removed, DROP COLUMN failed;
