"""Rounds of fine-tuning: requested, carried out from votes to verdict, and kept as rows."""
