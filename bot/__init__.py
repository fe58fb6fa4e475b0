"""What people see in Slack. Imports `retrieval` and `finetune` only, and no torch."""
