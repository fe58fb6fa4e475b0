"""The tests' own Slack: a workspace server that the real bot connects to through SLACK_API_URL.

It speaks what Slack speaks (Web API, Socket Mode, signed HTTP events, interactions), lets a test act as the
people of the workspace and look at what they would see, and refuses what Slack refuses. Start reading at
`workspace.py`; the fixture is in `fixtures.py`; `python -m tests.slack_workspace` runs it alone.
"""

from tests.slack_workspace.workspace import Workspace

__all__ = ["Workspace"]
