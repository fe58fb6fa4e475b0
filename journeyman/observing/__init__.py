"""What an operator sees of the processes: logs, metrics, health, traces."""
