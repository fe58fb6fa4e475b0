"""`journeyman doctor`: looks at every part, and says how to mend what is wrong."""

import importlib.util
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import httpx
import psycopg
import yaml
from redis import Redis
from slack_sdk import WebClient

from journeyman.errors import JourneymanError
from journeyman.failures import explain
from journeyman.models import EMBEDDED_MODEL, embedded_model_folder, embedding_api
from journeyman.servers.stack import Stack, prepare_home, running_stack
from journeyman.settings import Settings, reveal, slack_is_set_up
from migrations import pending
from retrieval.embedders import embed_query, embedder_named

State = Literal["ok", "broken", "off"]
OK: State = "ok"
BROKEN: State = "broken"
OFF: State = "off"  # not set up, and not needed

OLDEST_PGVECTOR = (0, 8)
OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True, slots=True)
class Check:
    """What was found out about one part; `remedy` says what to do if it is broken or off."""

    name: str
    state: State
    detail: str
    remedy: str = ""


class Unhealthy(JourneymanError):
    """A part works, but not well enough. The remedy is the second argument."""

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(detail)
        self.remedy = remedy


def examine(settings: Settings) -> Iterator[Check]:
    """Check the parts one after another; the embedded servers run meanwhile."""
    yield check("Python", python_version)
    yield check("Home", lambda: str(prepare_home(settings.home)))
    database, redis = reveal(settings.database_url), reveal(settings.redis_url)
    with ExitStack() as running:
        try:
            stack = running.enter_context(running_stack(settings.home, database_url=database, redis_url=redis))
        except (JourneymanError, OSError) as error:
            yield Check("Servers", BROKEN, explain(error).sentence)
        else:
            yield from examine_servers(stack)
    yield check("Embedder", lambda: embedder(settings))
    yield check("Model", lambda: model(settings))
    yield from examine_slack(settings)


def check(name: str, look: Callable[[], str]) -> Check:
    """Look at one part; an error is what was found."""
    try:
        return Check(name, OK, look())
    except Unhealthy as error:
        return Check(name, BROKEN, str(error), error.remedy)
    except Exception as error:  # noqa: BLE001 - the doctor's edge: whatever is broken is a finding
        return Check(name, BROKEN, explain(error).sentence)


def python_version() -> str:
    """The version of Python."""
    if sys.version_info < OLDEST_PYTHON:
        raise Unhealthy(f"{platform.python_version()} is too old", "Install Python 3.11 or newer.")
    return platform.python_version()


def examine_servers(stack: Stack) -> Iterator[Check]:
    """PostgreSQL, pgvector, the schema, and Redis."""
    try:
        with psycopg.connect(stack.database_url, autocommit=True, connect_timeout=10) as conn:
            yield check("PostgreSQL", lambda: f"version {conn.info.parameter_status('server_version')}")
            yield check("pgvector", lambda: pgvector(conn))
            yield check("Schema", lambda: schema(conn))
    except psycopg.Error as error:
        yield Check("PostgreSQL", BROKEN, explain(error).sentence)
    with Redis.from_url(stack.redis_url, socket_connect_timeout=10, socket_timeout=10) as client:
        yield check("Redis", lambda: redis_server(client))


def pgvector(conn: Any) -> str:
    """The version of pgvector: installed in the database, or available to it."""
    row = conn.execute(
        "SELECT coalesce(installed_version, default_version) FROM pg_available_extensions WHERE name = 'vector'"
    ).fetchone()
    if row is None:
        raise Unhealthy("not available", "Install pgvector 0.8 or newer beside PostgreSQL.")
    if tuple(int(part) for part in row[0].split(".")[:2]) < OLDEST_PGVECTOR:
        raise Unhealthy(
            f"version {row[0]} is too old",
            "Install pgvector 0.8 or newer, then: ALTER EXTENSION vector UPDATE;",
        )
    return f"version {row[0]}"


def schema(conn: Any) -> str:
    """Whether every migration is applied."""
    missing = pending(conn)
    if missing:
        raise Unhealthy(f"not applied yet: {', '.join(missing)}", "Run `journeyman migrate`.")
    return "up to date"


def redis_server(client: Any) -> str:
    """The version of Redis, if it keeps what it is given."""
    client.ping()
    policy = client.config_get("maxmemory-policy").get("maxmemory-policy")
    if policy not in (None, "noeviction"):
        raise Unhealthy(f"maxmemory-policy is {policy}: tasks can be lost", "Set maxmemory-policy to noeviction.")
    return f"version {client.info('server')['redis_version']}"


def embedder(settings: Settings) -> str:
    """Whether the embedding model of a new index gives a vector."""
    model = embedder_named(settings.embedder, api=embedding_api(settings), device=settings.device)
    return f"{model.name}, {len(embed_query(model, 'A word of greeting.'))} dimensions"


def model(settings: Settings) -> str:
    """Whether the language model is there, without loading it."""
    if settings.model_url:
        return model_server(settings)
    if importlib.util.find_spec("torch") is None:
        raise Unhealthy(
            "torch is not installed",
            "pip install 'journeyman[model]', or set JOURNEYMAN_MODEL_URL to a model server.",
        )
    if settings.model == EMBEDDED_MODEL:
        from finetune.model.base_model import embedded_source

        built = embedded_model_folder(settings.home).exists()
        embedded_source()
        return "the embedded one" + ("" if built else ", which is built when it is first needed")
    folder = Path(settings.model)
    if not folder.is_dir():
        return f"{settings.model} from the hub, fetched when it is first needed"
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise Unhealthy(
            f"{folder} holds no model", "JOURNEYMAN_MODEL needs a folder with config.json and *.safetensors."
        )
    return str(folder)


def model_server(settings: Settings) -> str:
    """Whether the OpenAI-compatible server answers."""
    url = str(settings.model_url).rstrip("/")
    key = reveal(settings.model_api_key)
    try:
        answer = httpx.get(f"{url}/models", headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=10)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise Unhealthy(
            f"{url} does not answer ({error})", "Start the server or correct JOURNEYMAN_MODEL_URL."
        ) from error
    return f"{settings.model} at {url}"


def examine_slack(settings: Settings) -> Iterator[Check]:
    """Tokens and scopes, by asking Slack."""
    if not slack_is_set_up(settings):
        remedy = "To connect, set SLACK_BOT_TOKEN and SLACK_APP_TOKEN; docs/slack.md says where they come from."
        yield Check("Slack", OFF, "no tokens: `journeyman up` offers a console instead", remedy)
        return
    yield check("Slack bot token", lambda: bot_token(settings))
    if settings.slack_app_token:
        yield check("Slack app token", lambda: app_token(settings))


def bot_token(settings: Settings) -> str:
    """Who the bot is and whether it has every scope of the manifest."""
    token = reveal(settings.slack_bot_token)
    answer = WebClient(token=token, base_url=settings.slack_api_url, timeout=10).auth_test()
    who = f"{answer.get('user')} in {answer.get('team')}"
    granted = granted_scopes(answer.headers)
    if granted is None:
        return f"{who}; this server does not say which scopes the token has"
    if missing := sorted(manifest_scopes() - granted):
        raise Unhealthy(
            f"missing scopes: {', '.join(missing)}",
            "Add them under OAuth & Permissions, or paste bot/manifest.yaml, and install the app again.",
        )
    return who


def granted_scopes(headers: Mapping[str, str]) -> set[str] | None:
    """The scopes that Slack names with each of its answers; None where another server names none."""
    header = {name.lower(): value for name, value in headers.items()}.get("x-oauth-scopes")
    return None if header is None else {scope.strip() for scope in header.split(",")}


def app_token(settings: Settings) -> str:
    """Whether Slack opens a Socket Mode connection for the app."""
    token = reveal(settings.slack_app_token)
    WebClient(base_url=settings.slack_api_url, timeout=10).apps_connections_open(app_token=str(token))
    return "Socket Mode can connect"


def manifest_scopes() -> set[str]:
    """The bot scopes that the app's manifest asks for."""
    manifest = yaml.safe_load((files("bot") / "manifest.yaml").read_text(encoding="utf-8"))
    return set(manifest["oauth_config"]["scopes"]["bot"])
