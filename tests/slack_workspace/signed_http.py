"""Events, interactions and commands over HTTP, signed as https://docs.slack.dev/authentication/verifying-requests-from-slack
describes, with url_verification before the first one and retry headers on the others.
"""

import hashlib
import hmac
import json
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from tests.slack_workspace.courier import Attempt, Delivery, Undelivered
from tests.slack_workspace.model import Json
from tests.slack_workspace.state import State, new_id

USER_AGENT = "Slackbot 1.0 (+https://api.slack.com/robots)"


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The value of X-Slack-Signature: HMAC-SHA256 over `v0:timestamp:body`."""
    digest = hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256)
    return f"v0={digest.hexdigest()}"


@dataclass
class SignedHttp:
    """The carrier over HTTP. `secret` and `clock_skew` (seconds) let a test sign wrongly or too late."""

    state: State
    request_url: str
    secret: str
    clock_skew: float = 0.0

    async def carry(self, delivery: Delivery, number: int, reason: str) -> Any:
        """Post a payload and return the app's answer. Raises Undelivered with Slack's retry reason."""
        with self.state.lock():
            delivery.attempts.append(Attempt(time.time(), number, reason, self.request_url))
        retried = {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": reason} if number else {}
        content_type, body = _encode(delivery)
        status, text, headers = await self._post(content_type, body, retried)
        if status != 200:
            raise Undelivered("http_error", final=headers.get("X-Slack-No-Retry") == "1")
        try:
            return json.loads(text) if text.strip().startswith("{") else text or None
        except ValueError:
            return text

    async def verify(self) -> None:
        """The handshake by which Slack accepts a Request URL. Raises Undelivered without the right answer."""
        challenge = new_id("")
        payload = {
            "token": self.state.app.verification_token,
            "challenge": challenge,
            "type": "url_verification",
        }
        status, text, _ = await self._post("application/json", json.dumps(payload).encode(), {})
        if status != 200 or challenge not in text:
            raise Undelivered(f"The Request URL did not respond with the challenge (status {status}).")

    async def _post(
        self, content_type: str, body: bytes, more_headers: dict[str, str]
    ) -> tuple[int, str, Mapping[str, str]]:
        timestamp = str(int(time.time() + self.clock_skew))
        headers = {
            "Content-Type": content_type,
            "User-Agent": USER_AGENT,
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": signature(self.secret, timestamp, body),
            **more_headers,
        }
        timeout = ClientTimeout(total=self.state.timing.acknowledge)
        try:
            async with (
                ClientSession(timeout=timeout) as session,
                session.post(self.request_url, data=body, headers=headers) as response,
            ):
                return response.status, await response.text(), response.headers
        except TimeoutError:
            raise Undelivered("http_timeout") from None
        except ClientError:
            raise Undelivered("connection_failed") from None


def _encode(delivery: Delivery) -> tuple[str, bytes]:
    if delivery.kind == "events_api":
        return "application/json", json.dumps(delivery.payload).encode()
    fields: Json = delivery.payload if delivery.kind == "slash_commands" else {"payload": json.dumps(delivery.payload)}
    return "application/x-www-form-urlencoded", urllib.parse.urlencode(fields).encode()
