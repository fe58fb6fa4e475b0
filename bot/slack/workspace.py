"""What this workspace's Slack knows, learnt from its refusals and remembered for as long as the process
lives.

Also the one client through which everything is sent: rate limits are obeyed, and a call is sent again only
when it surely did not arrive.
"""

import logging
from dataclasses import dataclass
from http.client import HTTPException
from socket import gaierror
from urllib.error import URLError

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry import HttpRequest, HttpResponse, RetryHandler, RetryState
from slack_sdk.http_retry.builtin_handlers import RateLimitErrorRetryHandler, ServerErrorRetryHandler

# What a call to Slack can fail with, beside a mistake of ours.
SLACK_ERRORS = (SlackClientError, HTTPException, OSError)
_UNKNOWN_METHOD = {
    "method_not_supported",
    "feature_not_enabled",
    "missing_scope",
    "not_allowed",
}
_PASSING = {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "ratelimited"}
_BAD_CHUNKS = {"invalid_chunks", "invalid_arguments", "cannot_provide_both_markdown_text_and_chunks"}
_BAD_BLOCKS = {"invalid_blocks", "invalid_blocks_format", "invalid_arguments"}


@dataclass(slots=True)
class Capabilities:
    """Which of the newest methods and blocks to use. All of them until Slack says otherwise."""

    status: bool = True  # assistant.threads.setStatus
    streaming: bool = True  # chat.startStream and its sisters
    feedback_buttons: bool = True  # the context_actions block
    prompts: bool = True  # assistant.threads.setSuggestedPrompts
    step_cards: bool = True  # task_update chunks in a stream
    files: bool = True  # files.getUploadURLExternal and its sister


class NotSentRetryHandler(RetryHandler):
    """Sends again what never left: a refused connection or a name that did not resolve.

    A connection that broke later may have delivered a message whose second copy everybody would see.
    """

    def _can_retry(
        self,
        *,
        state: RetryState,
        request: HttpRequest,
        response: HttpResponse | None = None,
        error: Exception | None = None,
    ) -> bool:
        return isinstance(error, URLError) and isinstance(error.reason, ConnectionRefusedError | gaierror)


def web_client(token: str, api_url: str, logger: logging.Logger) -> WebClient:
    """Builds the client for everything: it waits as long as a 429 says, up to five times."""
    handlers = [
        RateLimitErrorRetryHandler(max_retry_count=5),
        ServerErrorRetryHandler(max_retry_count=2),
        NotSentRetryHandler(max_retry_count=2),
    ]
    return WebClient(token=token, base_url=api_url, logger=logger, retry_handlers=handlers, timeout=30)


def error_code(error: BaseException) -> str:
    """Returns Slack's name for what went wrong, or the exception's: never a text that may hold a message's words."""
    if isinstance(error, SlackApiError):
        return str(error.response.get("error", "unknown"))
    return type(error).__name__


def is_unknown_method(error: BaseException) -> bool:
    """Whether this workspace will refuse the method next time, too."""
    return is_no_method(error) or (isinstance(error, SlackApiError) and error_code(error) in _UNKNOWN_METHOD)


def is_no_method(error: BaseException) -> bool:
    """Whether this Slack has no such method at all, rather than none for us."""
    if not isinstance(error, SlackApiError):
        return False
    return error_code(error) == "unknown_method" or error.response.status_code == 404


def is_passing(error: BaseException) -> bool:
    """Whether the same call may succeed a moment later."""
    return isinstance(error, OSError) or error_code(error) in _PASSING


def is_bad_chunks(error: BaseException) -> bool:
    """Whether Slack refused a stream's step cards, and not the stream."""
    return error_code(error) in _BAD_CHUNKS


def is_bad_blocks(error: BaseException) -> bool:
    """Whether Slack refused the blocks, and not the message."""
    return error_code(error) in _BAD_BLOCKS
