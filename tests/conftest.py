"""Fixtures that every package's tests share: a real PostgreSQL with pgvector and a real Redis."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest
import structlog
from pgvector.psycopg import register_vector
from psycopg import sql

from journeyman.servers.stack import Stack, running_stack
from migrations import migrate
from tests import leftovers

pytest_plugins = ["tests.slack_workspace.fixtures"]

# Before numpy or torch are imported: their threads spin while they wait, and starve what runs beside us.
for name, value in {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
}.items():
    os.environ.setdefault(name, value)


def pytest_configure(config: pytest.Config) -> None:
    """What this run starts ends with it. The workers of pytest-xdist belong to the run that started them."""
    if not hasattr(config, "workerinput"):
        leftovers.watch()


def on_database(url: str, name: str) -> str:
    """The same server as in `url`, another database."""
    return psycopg.conninfo.make_conninfo(url, dbname=name)


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_outside() -> None:
    """The tests' result must not depend on the settings of whoever runs them."""
    for variable in [name for name in os.environ if name.startswith(("JOURNEYMAN_", "SLACK_"))]:
        del os.environ[variable]


@pytest.fixture(autouse=True)
def logs_as_they_come() -> Iterator[None]:
    """A command that was run in this process has set up logs for all of it, and may have made them silent."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def stack(no_settings_from_outside: None) -> Iterator[Stack]:
    """The embedded servers in a home of their own, for all tests of this run."""
    home = Path(tempfile.mkdtemp(prefix="journeyman-tests-"))
    try:
        with running_stack(home, durable=False) as running:
            yield running
    finally:
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def template(stack: Stack) -> str:
    """The name of a database with the current schema and no rows, to be cloned."""
    name = "template_journeyman"
    with psycopg.connect(stack.database_url, autocommit=True) as conn:
        conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with psycopg.connect(on_database(stack.database_url, name), autocommit=True) as conn:
        migrate(conn)
    return name


@pytest.fixture(scope="session")
def database_url(stack: Stack, template: str) -> str:
    """A migrated database that tests leave as they found it: use it through `conn`."""
    return clone(stack, template)


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    """A connection in a transaction that is rolled back after the test."""
    with psycopg.connect(database_url) as connection:
        register_vector(connection)
        with connection.transaction(force_rollback=True):
            yield connection


@pytest.fixture
def database(stack: Stack, template: str) -> Iterator[str]:
    """The URL of a fresh migrated database, for a test that commits or needs several connections."""
    url = clone(stack, template)
    yield url
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(str(name))))


@pytest.fixture(scope="session")
def redis_url(stack: Stack) -> str:
    """The tests' Redis, on a Unix socket."""
    return stack.redis_url


@pytest.fixture(scope="session")
def embedded_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the default model, built once for all tests (half a minute): read it, or link its files."""
    from finetune.model.base_model import build_embedded_model

    return build_embedded_model(tmp_path_factory.mktemp("models") / "embedded")


def clone(stack: Stack, template: str) -> str:
    """A copy of the template database; returns its URL."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(stack.database_url, autocommit=True) as conn:
        conn.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    host = psycopg.conninfo.conninfo_to_dict(stack.database_url)["host"]
    return f"postgresql://journeyman@/{name}?host={quote(str(host))}"


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of its own, outside pytest's folders, which other runs may lock for other users meanwhile."""
    folder = Path(tempfile.mkdtemp(prefix="journeyman-home-"))
    yield folder
    shutil.rmtree(folder)
