"""Processes: the embedded servers, what supervises them, and the long-running parts."""
