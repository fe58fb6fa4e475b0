"""What administers the bot from Slack: `/journeyman`, `/reindex`, channels' settings, and who may use them."""
