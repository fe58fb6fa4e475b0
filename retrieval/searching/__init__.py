"""From a question to passages, best first: search, its terms and spelling, reranking, reading around."""
