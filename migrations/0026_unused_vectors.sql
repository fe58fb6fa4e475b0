-- Since when nothing in the index needs a cached vector, so that it goes after some days: retrieval/vector_cache.py.
ALTER TABLE embedding ADD COLUMN unused_since timestamptz;
CREATE INDEX embedding_unused ON embedding (unused_since) WHERE unused_since IS NOT NULL;
