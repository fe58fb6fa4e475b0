"""Tells one person something, in whichever way Slack lets us: a button can be pressed where the bot is no member."""

from typing import Any

import structlog
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient

from bot.slack.blocks import Block
from bot.slack.workspace import SLACK_ERRORS, error_code

log = structlog.get_logger(__name__)

RESPONSE_TIMEOUT = 10  # seconds


def notify(
    client: WebClient,
    person: str,
    channel: str,
    text: str,
    *,
    thread_ts: str | None = None,
    blocks: list[Block] | None = None,
    response_url: str | None = None,
) -> None:
    """Shows a text to the person alone: in the thread, else beside what they pressed, else in a direct message.

    Never raises: where Slack takes it in no way, the log says so.
    """
    try:
        client.chat_postEphemeral(channel=channel, user=person, thread_ts=thread_ts, text=text, blocks=blocks)
        return
    except SLACK_ERRORS as error:
        log.info("person_not_told_in_channel", channel=channel, error=error_code(error))
    if response_url and _respond(response_url, text, blocks):
        return
    try:
        post_direct(client, person, text=text, blocks=blocks)
    except SLACK_ERRORS as error:
        log.error("person_not_told", channel=channel, error=error_code(error))


def post_direct(client: WebClient, person: str, **message: Any) -> tuple[str, str]:
    """Posts to the person's conversation with the bot; returns its id and the message's ts. Raises SLACK_ERRORS.

    Slack takes a person's id for it: https://docs.slack.dev/reference/methods/chat.postMessage#channels. A server that
    does not is asked to open it first.
    """
    try:
        response = client.chat_postMessage(channel=person, **message)
    except SlackApiError as error:
        if error_code(error) != "channel_not_found":
            raise
        conversation = client.conversations_open(users=person)["channel"]["id"]
        response = client.chat_postMessage(channel=conversation, **message)
    return str(response["channel"]), str(response["ts"])


def _respond(response_url: str, text: str, blocks: list[Block] | None) -> bool:
    """Posts through the response URL, which works in channels without the bot, too; False if that fails."""
    webhook = WebhookClient(response_url, timeout=RESPONSE_TIMEOUT)
    try:
        response = webhook.send(text=text, blocks=blocks, response_type="ephemeral", replace_original=False)
    except SLACK_ERRORS as error:
        log.info("response_url_failed", error=error_code(error))
        return False
    return response.status_code == 200
