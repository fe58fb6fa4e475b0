"""What people see in Slack. Imports `retrieval`, `finetune` and `jobs` only, and no torch."""
