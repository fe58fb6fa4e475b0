"""A question's journey through Slack: taken on, answered, shown and kept; and who may read what."""
