"""RAG, fine-tuning or both: the same questions answered by several arms, and what follows from the answers."""
