"""`python -m tests.slack_workspace`: a workspace to try the bot in by hand, without a real Slack.

It prints the environment for the bot, takes lines such as `ada maintenance: @journeyman what is alarm 7?` or
`ada dm: hello`, and shows what the bot writes. `--request-url` delivers over signed HTTP, not Socket Mode.
"""

import argparse
import sys
import threading
from typing import TextIO

from tests.slack_workspace.courier import Undelivered
from tests.slack_workspace.interactions import Impossible
from tests.slack_workspace.looking import visible_text
from tests.slack_workspace.model import Message
from tests.slack_workspace.refusal import Refusal
from tests.slack_workspace.workspace import Workspace


def _write(out: TextIO, line: str) -> None:
    out.write(f"{line}\n")
    out.flush()


def _show_news(workspace: Workspace, out: TextIO, ended: threading.Event) -> None:
    """Print every message of the app when it is new and when it has changed."""
    shown: dict[str, str] = {}
    while not ended.wait(0.3):
        for channel in list(workspace.state.channels.values()):
            for message in workspace.messages(channel):
                text = visible_text(message)
                if message.bot_id and shown.get(message.ts) != text:
                    shown[message.ts] = text
                    _write(out, f"\n[{channel.name or 'dm'} {message.ts}] {workspace.app.name}: {text}")


def _say(workspace: Workspace, line: str) -> Message:
    """Post a line `PERSON CHANNEL: TEXT`. Raises ValueError, Refusal or Impossible."""
    where, _, text = line.partition(":")
    user, channel = where.split()
    place = workspace.direct_message(user) if channel == "dm" else channel
    return workspace.post(user, place, text.strip().replace(f"@{workspace.app.name}", workspace.mention))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.slack_workspace", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--request-url", help="deliver events to this URL, signed, in place of Socket Mode")
    parser.add_argument("--older", action="store_true", help="do not know the newest methods and blocks")
    options = parser.parse_args()
    ended = threading.Event()
    with Workspace(port=options.port) as workspace:
        workspace.become_older(options.older)
        for name, value in workspace.environment().items():
            _write(sys.stdout, f"export {name}={value}")
        threading.Thread(target=_show_news, args=(workspace, sys.stdout, ended), daemon=True).start()
        for line in sys.stdin:
            try:
                if options.request_url and not workspace.deliveries:
                    workspace.deliver_over_http(options.request_url)
                if line.strip():
                    _say(workspace, line)
            except (ValueError, Refusal, Impossible, Undelivered) as problem:
                _write(sys.stderr, f"{type(problem).__name__}: {problem}. Write `ada maintenance: text`.")
        ended.set()
    return 0


if __name__ == "__main__":
    sys.exit(main())
