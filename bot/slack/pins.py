"""The messages that are pinned in a channel, as a source of documents."""

from collections.abc import Mapping
from typing import Any

from slack_sdk import WebClient

from bot.slack.workspace import SLACK_ERRORS, error_code
from retrieval.origins import Unreachable


def pinned(client: WebClient, channel: str) -> list[Mapping[str, Any]]:
    """Reads the pinned messages of a channel. Raises Unreachable if Slack does not give them."""
    try:
        items = client.pins_list(channel=channel)["items"]
    except SLACK_ERRORS as error:
        raise Unreachable(f"Slack does not show me what is pinned there ({error_code(error)})") from error
    return [item["message"] for item in items if item.get("type") == "message"]
