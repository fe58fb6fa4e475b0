"""Whether passages bear a statement out: read, aligned with them, and judged by what speaks for and against it."""
