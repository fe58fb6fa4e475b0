"""A question's journey through Slack: claimed, answered, shown and kept; and who may read what."""
