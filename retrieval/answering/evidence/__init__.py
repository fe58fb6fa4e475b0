"""Whether the passages that were found answer the question, and which of their sentences an answer quotes."""
