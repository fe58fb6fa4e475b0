-- When a model was switched to, so that a rollback knows which one was before.
ALTER TABLE embedding_model ADD COLUMN activated_at timestamptz;
UPDATE embedding_model SET activated_at = created_at WHERE state IN ('active', 'retired');
ALTER TABLE embedding_model ALTER COLUMN activated_at SET DEFAULT now();
