"""`journeyman collection`: whom the documents are for."""

import json
from pathlib import Path

import psycopg
import pytest

from retrieval.collections import WrongAudience, principal
from tests.journeyman.conftest import Run, one_sentence


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("everyone", "everyone"),
        ("Anyone", "anyone"),
        ("U0123", "user:U0123"),
        ("W0123", "user:W0123"),
        ("<@U0123|ada>", "user:U0123"),
        ("<!subteam^S01|@board>", "group:S01"),
        ("<#C01|press>", "channel:C01"),
        ("group:S01", "group:S01"),
    ],
)
def test_people_are_named_as_slack_does(text: str, named: str) -> None:
    assert principal(text) == named


@pytest.mark.parametrize("text", ["", "ada", "user:", "user:S01", "X0123", "group:S01,everyone", "*"])
def test_what_names_nobody_is_refused(text: str) -> None:
    with pytest.raises(WrongAudience, match="a user group"):
        principal(text)


@pytest.mark.slow
def test_an_audience_is_set_and_shown(journeyman: Run, documents: Path, database: str) -> None:
    """Added, removed, replaced; nobody is told as such; each is in the audit log."""
    journeyman("index", documents, "--collection", "hr")
    assert journeyman("collection", "list").stdout == "hr: 1 documents, for everyone\n"
    done = journeyman("collection", "audience", "hr", "--set", "S01", "--add", "U02")
    assert (done.returncode, "for group:S01, user:U02" in done.stderr) == (0, True)
    journeyman("collection", "audience", "hr", "--remove", "S01")
    (row,) = json.loads(journeyman("collection", "list", "--json").stdout)
    assert row["audience"] == ["user:U02"]
    journeyman("collection", "audience", "hr", "--remove", "U02")
    assert "for nobody" in journeyman("collection", "list").stdout
    with psycopg.connect(database) as conn:
        audited = conn.execute("SELECT detail -> 'audience' FROM audit WHERE action = 'collection audience'").fetchall()
    assert audited == [(["group:S01", "user:U02"],), (["user:U02"],), ([],)]
    assert "no collection named 'x'" in one_sentence(journeyman("collection", "audience", "x", "--add", "everyone"))
    assert "a user group" in one_sentence(journeyman("collection", "audience", "hr", "--add", "ada"))


@pytest.mark.slow
@pytest.mark.parametrize("command", [["index"], ["source", "add", "--later"]])
def test_a_collection_is_made_for_its_readers(journeyman: Run, documents: Path, command: list[str]) -> None:
    """At no moment for everyone; what names nobody, and another audience than the one there is, are refused."""
    named = (*command, documents, "--collection", "hr", "--audience")
    assert "a user group" in one_sentence(journeyman(*named, "ada"))
    assert journeyman("collection", "list").stdout == ""
    assert journeyman(*named, "S01", "--audience", "U02").returncode == 0
    assert "for group:S01, user:U02" in journeyman("collection", "list").stdout
    refused = one_sentence(journeyman(*named, "everyone"))
    assert "journeyman collection audience hr --set everyone" in refused
    assert "for group:S01, user:U02" in journeyman("collection", "list").stdout
