"""The Home tab: what a person, and what an admin, sees of the bot, and a person's own data."""
