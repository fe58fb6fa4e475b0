"""`journeyman source`: add, list, test and remove, as people and programs use it."""

import json
from pathlib import Path

import click
import psycopg
import pytest
from click.testing import CliRunner

from journeyman.cli import cli
from journeyman.cli.source import Schedule, source
from tests.journeyman.conftest import Run, one_sentence
from tests.retrieval.origins.site import running_site


@pytest.mark.parametrize("name", ["add", "list", "test", "remove"])
def test_every_subcommand_explains_itself_with_an_example(name: str) -> None:
    """--help names what it does and shows it."""
    shown = CliRunner().invoke(cli, ["source", name, "--help"])
    assert f"journeyman source {name}" in shown.output.split("Example:")[1]
    assert set(source.commands) == {"add", "list", "test", "remove"}


@pytest.mark.parametrize(("said", "minutes"), [("30m", 30), ("6h", 360), ("2 d", 2880), ("manual", 0)])
def test_a_schedule_is_a_time(said: str, minutes: int) -> None:
    """In minutes, hours or days; manual is never by itself."""
    assert Schedule().convert(said, None, None) == minutes


@pytest.mark.parametrize("said", ["0m", "often", "5", "-1h", "1.5h"])
def test_what_is_no_schedule_is_wrong_use(said: str) -> None:
    """The message says what can be said."""
    with pytest.raises(click.BadParameter, match="30m, 6h, 2d or manual"):
        Schedule().convert(said, None, None)


@pytest.mark.slow
def test_a_site_is_tested_added_listed_and_removed(journeyman: Run, database: str) -> None:
    """`test` writes nothing, `add` indexes, `list` shows, `remove` asks first."""
    allowed = {"JOURNEYMAN_WEB_PRIVATE_HOSTS": "true", "JOURNEYMAN_WEB_DELAY_SECONDS": "0"}
    with running_site() as site:
        site.article("/docs/pump", "Pump", "The pump is blue and stands in hall 3.")
        site.article("/blog/news", "News", "Somebody has a birthday.")
        site.sitemap("/sitemap.xml", {"/docs/pump": "", "/blog/news": "", "/docs/missing": ""})
        address = site.url + "/sitemap.xml"
        refused = journeyman("source", "test", address)
        assert refused.returncode == 1
        assert "JOURNEYMAN_WEB_PRIVATE_HOSTS" in refused.stdout

        tested = json.loads(journeyman("source", "test", address, "--exclude", "*/blog/", "--json", **allowed).stdout)
        host = site.url.removeprefix("http://")
        assert tested == {
            "kind": "sitemap",
            "count": 2,
            "read": {f"{host}/docs/pump": 1},
            "failures": {f"{host}/docs/missing": "it is listed, but it is not there"},
        }
        with psycopg.connect(database) as conn:
            assert conn.execute("SELECT count(*) FROM source").fetchone() == (0,)

        options = ("--collection", "wiki", "--exclude", "*/blog/", "--schedule", "6h")
        added = journeyman("source", "add", address, *options, **allowed)
        assert added.returncode == 0, added.stderr
        assert added.stdout.startswith("Documents: 1 new, 1 failed.")
    listed = journeyman("source", "list").stdout
    assert listed.startswith(f"wiki: {address}\n  sitemap, 1 documents, every 360 minutes, last ")
    assert "not */blog/" in listed

    asked = journeyman("source", "remove", address)  # registered in one collection alone
    assert asked.returncode == 130
    assert "with 1 documents (1 passages)?" in asked.stderr
    gone = journeyman("source", "remove", address, "--collection", "wiki", "--yes")
    assert (gone.returncode, gone.stderr.strip()) == (0, "Removed, with 1 documents.")
    with psycopg.connect(database) as conn:
        assert conn.execute("SELECT (SELECT count(*) FROM source), (SELECT count(*) FROM chunk)").fetchone() == (0, 0)


@pytest.mark.slow
def test_errors_are_sentences(journeyman: Run, tmp_path: Path) -> None:
    """An address with a password, one that is not registered, a query for a folder."""
    assert "--secret" in one_sentence(journeyman("source", "add", "https://ada:lovelace@wiki.example/"))
    assert "journeyman source list" in one_sentence(journeyman("source", "remove", "nowhere", "--yes"))
    assert "Only a SQL source" in one_sentence(journeyman("source", "add", tmp_path, "--query", "SELECT 1"))
    for name in ("shop", "office"):
        journeyman("source", "add", tmp_path, "--collection", name, "--later")
    assert "--collection (office, shop)" in one_sentence(journeyman("source", "remove", tmp_path, "--yes"))
    assert journeyman("source", "remove", tmp_path, "--collection", "shop", "--yes").returncode == 0
    assert journeyman("source", "remove", tmp_path, "--yes").returncode == 0


@pytest.mark.slow
def test_a_secret_is_a_setting_by_its_name(journeyman: Run, database: str) -> None:
    """The database knows the name alone."""
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("CREATE TABLE alarm AS SELECT 'E1' AS code, 'Too hot' AS meaning")
        added = journeyman(
            *("source", "add", "sql:plant/alarms", "--query", "SELECT * FROM alarm", "--json"),
            JOURNEYMAN_SOURCE_SECRETS__PLANT=database,
        )
        assert json.loads(added.stdout)["documents"]["new"] == 1, added.stderr
        assert conn.execute("SELECT text FROM chunk").fetchall() == [("code: E1\nmeaning: Too hot",)]
        assert database not in str(conn.execute("SELECT * FROM source").fetchall())
