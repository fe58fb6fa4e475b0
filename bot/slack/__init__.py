"""The platform: Slack's API, its connections, its text, its people, and which of its messages are for us."""
