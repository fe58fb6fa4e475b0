"""What must not stand in a log."""

import json
import subprocess
import sys

REFUSED_REQUEST = """
from journeyman.observing.logs import configure_logs
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


STRUCTURED = """
import logging, structlog
from journeyman.observing.logs import configure_logs
configure_logs("INFO", structured=True)
structlog.contextvars.bind_contextvars(request="Ev1")
structlog.get_logger("bot").info("answer_ended", answer_id=7, text="zurückgesetzt")
logging.getLogger("celery").warning("Connected to %s", "redis")
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger().exception("it failed")
    logging.getLogger("celery").exception("so did it")
logging.getLogger("psycopg").warning("error ignored in rollback")
"""


def test_outside_a_terminal_every_line_is_json() -> None:
    """Our own words and libraries', with the same names; an exception is one line, too."""
    done = subprocess.run([sys.executable, "-c", STRUCTURED], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("answer_ended", "info"),
        ("Connected to redis", "warning"),
        ("it failed", "error"),
        ("so did it", "error"),
    ]
    assert lines[0] | {"timestamp": ""} == {
        "request": "Ev1",
        "answer_id": 7,
        "text": "zurückgesetzt",
        "event": "answer_ended",
        "level": "info",
        "timestamp": "",
    }
    assert "zurückgesetzt" in done.stderr
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert all("ZeroDivisionError" in line["exception"] for line in lines[2:])
    assert lines[1]["logger"] == "celery"
