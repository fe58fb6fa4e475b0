"""`/journeyman compare`: what the last comparison found, where an admin asks for it."""

import psycopg

from bot.admin.comparison import NONE_YET
from finetune.comparison.outcomes import Written
from finetune.comparison.report import compare
from finetune.comparison.rows import store
from tests.bot.conftest import Connect
from tests.slack_workspace import Workspace
from tests.slack_workspace.looking import visible_text


def test_the_last_comparison_is_posted(workspace: Workspace, connect: Connect, database: str) -> None:
    """With its table, its advice and its picture; before there is one, how to make it; and by admins alone."""
    connect(admins=[workspace.ada.id])
    workspace.slash("ada", "maintenance", "/journeyman", "compare")
    workspace.wait_for(lambda: [m for m in workspace.ephemerals(workspace.ada) if m.text == NONE_YET])
    arms = {
        name: [Written(f"q{i}", "Why?", True, "So.", False, float(i < right), 1.0) for i in range(40)]
        for name, right in (("rag", 20), ("rag+finetuned", 32))
    }
    with psycopg.connect(database) as conn:
        store(conn, compare(arms), questions="<company>.jsonl", model="phi", adapter="house-7")
    workspace.slash("ada", "maintenance", "/journeyman", "compare")
    workspace.wait_for(lambda: [m for m in workspace.messages("maintenance") if m.files])
    said = next(visible_text(m) for m in workspace.messages("maintenance") if "house-7" in m.text)
    assert "Use both" in said
    assert "rag+finetuned" in said
    assert "&lt;company&gt;.jsonl" in said
    workspace.slash("ben", "maintenance", "/journeyman", "compare")
    workspace.wait_for(lambda: [m for m in workspace.ephemerals(workspace.ben) if "admins only" in m.text])


def test_without_files_the_text_is_there(workspace: Workspace, connect: Connect, database: str) -> None:
    """A workspace that takes no files."""
    connect(admins=[workspace.ada.id])
    workspace.refuse("files.getUploadURLExternal", "unknown_method", times=None)
    arms = {name: [Written("q", "Why?", True, "So.", False, 1.0, 1.0)] for name in ("base", "rag")}
    with psycopg.connect(database) as conn:
        store(conn, compare(arms), questions="q.jsonl", model="phi", adapter=None)
    workspace.slash("ada", "maintenance", "/journeyman", "compare")
    workspace.wait_for(lambda: [m for m in workspace.messages("maintenance") if "q.jsonl" in m.text])
