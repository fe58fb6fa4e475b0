"""Faults on purpose: real processes are killed, servers are stopped, and nothing is lost or done twice."""
