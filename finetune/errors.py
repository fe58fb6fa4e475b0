"""The two ways in which a language model refuses; each message is a sentence that a person can act on."""


class ModelUnusable(Exception):
    """The model, its adapter or its server cannot be used; the message says why and what to do."""


class PromptTooLong(ValueError):
    """The prompt leaves no room in the model's context for the answer."""
