"""What must not stand in a log."""

import subprocess
import sys

REFUSED_REQUEST = """
from journeyman.logs import configure_logs
configure_logs("DEBUG")
from slack_bolt import App, BoltRequest
from bot.app import slack_logger
app = App(token="xoxb-1", signing_secret="s", token_verification_enabled=False, logger=slack_logger())
answer = app.dispatch(BoltRequest(body='{"text": "confidential words"}', headers={"x-slack-signature": "v0=1"}))
assert answer.status == 401
"""


def test_a_request_with_a_wrong_signature_is_not_written_to_the_log() -> None:
    """With a wrong secret these are people's messages; that they are refused, and why, the operator is told."""
    done = subprocess.run([sys.executable, "-c", REFUSED_REQUEST], capture_output=True, text=True, check=True)
    assert "check SLACK_SIGNING_SECRET" in done.stderr
    assert "confidential" not in done.stderr + done.stdout
