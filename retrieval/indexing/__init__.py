"""Documents into the index: sources, chunks, vectors, runs, and what is kept of them in PostgreSQL."""
