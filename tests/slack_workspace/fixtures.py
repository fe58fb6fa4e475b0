"""The pytest fixture `workspace`: a running Slack workspace for one test."""

from collections.abc import Iterator

import pytest

from tests.slack_workspace.workspace import Workspace


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    """A Slack workspace of this test's own, on a free port."""
    with Workspace() as running:
        yield running
