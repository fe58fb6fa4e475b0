"""Settings: typed, documented, and read from the environment and .env."""

import re
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import ValidationError

from journeyman.settings import Settings, reveal

ROOT = Path(__file__).parents[2]
COMPOSE_ONLY = {"DOCUMENTS", "SECRETS", "POSTGRES_MEMORY", "POSTGRES_SHARED_BUFFERS"}


def variables() -> set[str]:
    """The environment variable of every setting."""
    return {field.alias or f"JOURNEYMAN_{name.upper()}" for name, field in Settings.model_fields.items()}


def test_env_example_has_every_setting() -> None:
    """`.env.example` names every setting, and nothing that does not exist."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    named = set(re.findall(r"^#([A-Z_]+)=", text, re.MULTILINE))
    assert named - COMPOSE_ONLY == variables()
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert all(name in compose for name in COMPOSE_ONLY)


def test_env_example_shows_the_defaults() -> None:
    """What `.env.example` shows after the = is the default, or an example of something unset."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^#([A-Z_]+)=(.*)$", text, re.MULTILINE))
    for name, field in Settings.model_fields.items():
        if field.default not in (None, ()) and not field.default_factory:
            assert shown[field.alias or f"JOURNEYMAN_{name.upper()}"] == str(field.default)


def test_the_documentation_has_every_setting() -> None:
    """docs/configuration.md has a row for every setting, and none for what does not exist."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([A-Z_]+)`", text, re.MULTILINE)) == variables()


def test_every_setting_is_described() -> None:
    """A setting says what it is."""
    assert all(field.description for field in Settings.model_fields.values())


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `.env` in the current folder is read; the environment wins; an empty value is no value."""
    (tmp_path / ".env").write_text("JOURNEYMAN_THREADS=3\nJOURNEYMAN_HTTP_PORT=4000\nSLACK_BOT_TOKEN=\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOURNEYMAN_THREADS", "2")
    settings = Settings()
    assert (settings.threads, settings.http_port, settings.slack_bot_token) == (2, 4000, None)


def test_secrets_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the settings' text nor an error shows a token."""
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-very-secret")
    monkeypatch.setenv("JOURNEYMAN_DATABASE_URL", "postgresql://u:very-secret@h/d")
    assert "very-secret" not in repr(Settings())
    monkeypatch.setenv("JOURNEYMAN_DEVICE", "very-secret")
    with pytest.raises(ValidationError) as error:
        Settings()
    assert "very-secret" not in str(error.value)


def test_secrets_may_be_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is named as a setting stands behind environment and .env; an empty one is no value."""
    for name, text in {
        "slack_bot_token": "xoxb-file\n",
        "slack_app_token": "\n",
        "journeyman_judge_api_key": "j",
    }.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setenv("JOURNEYMAN_JUDGE_API_KEY", "of the environment")
    found = Settings(_secrets_dir=tmp_path)
    assert (reveal(found.slack_bot_token), found.slack_app_token) == ("xoxb-file", None)
    assert reveal(found.judge_api_key) == "of the environment"


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("postgresql://journeyman@db:5433/docs", "a file's"),
        ("host=db port=5433 dbname=docs user=journeyman", "a file's"),
        ("postgresql://journeyman:its%20own@db:5433/docs", "its own"),
    ],
)
def test_password_of_the_database_may_stand_apart(url: str, password: str) -> None:
    """It completes a URL without one, so that the URL can stand where everybody may read it."""
    found = reveal(Settings(database_url=url, database_password="a file's").database_url)
    assert conninfo_to_dict(found or "") == {
        "host": "db",
        "port": "5433",
        "dbname": "docs",
        "user": "journeyman",
        "password": password,
    }


def test_admins_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several admins are separated by commas."""
    monkeypatch.setenv("JOURNEYMAN_ADMINS", "U1, U2,")
    assert Settings().admins == ("U1", "U2")


@pytest.mark.parametrize(("value", "meant"), [("true", "on"), ("False", "off"), ("auto", "auto"), ("on", "on")])
def test_whether_follow_ups_are_rewritten(monkeypatch: pytest.MonkeyPatch, value: str, meant: str) -> None:
    """It was yes or no before it could be measured, and installations still say so."""
    monkeypatch.setenv("JOURNEYMAN_REWRITE_FOLLOWUPS", value)
    assert Settings().rewrite_followups == meant
