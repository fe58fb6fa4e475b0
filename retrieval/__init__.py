"""Sources, parsing, chunking, embedding, search and the chain from a question to a cited answer.

Imports `jobs` alone of the other packages, and no torch: models are arguments.
"""
