"""The Web API's methods, one module per family, put together in one table."""

from tests.slack_workspace.methods import (
    assistant,
    chat,
    conversations,
    directory,
    files,
    pins,
    reactions,
    streaming,
    views,
)
from tests.slack_workspace.web_api import Method

WEB_METHODS: dict[str, Method] = {
    **directory.METHODS,
    **chat.METHODS,
    **streaming.METHODS,
    **conversations.METHODS,
    **reactions.METHODS,
    **pins.METHODS,
    **views.METHODS,
    **assistant.METHODS,
    **files.METHODS,
}
