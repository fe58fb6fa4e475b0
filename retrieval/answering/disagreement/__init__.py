"""Where documents state different values for the same thing, which an answer says."""
