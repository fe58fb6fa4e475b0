"""Phi-3 and its adapters, and the learning loop: dataset, training, evaluation in the chain that serves, registry.

Imports `retrieval` and `jobs` alone of our packages.
"""
