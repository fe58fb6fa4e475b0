"""What a question asks: how it stands alone in its conversation, what kind of answer it wants, what it mentions."""
