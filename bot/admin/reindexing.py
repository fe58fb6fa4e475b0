"""`/reindex [all | collection | document or URL] [--dry-run] [--force]`: asks for a run of the index, or cancels one.

The run itself is a row that a worker, or this process, carries out (`retrieval.indexing.reindexing`); its message is
kept up to date by `bot.admin.run_messages`.
"""

import re
from dataclasses import dataclass
from typing import Any

import structlog
from psycopg import Connection

from bot.admin.authorization import authorize
from bot.admin.commands import REFUSED, Command
from bot.admin.reindex_view import already_running
from bot.admin.run_messages import keep_message, show_and_hand_out
from bot.questions.readers import personal, readable_collections
from bot.runtime import ACK_TIMEOUT, INTAKE_TIMEOUT, Runtime
from bot.slack.mrkdwn import plain, unescape
from jobs.rows import cancel_job
from retrieval.indexing.reindexing import (
    AlreadyRunning,
    Run,
    find_target,
    known_collections,
    request_run,
)

log = structlog.get_logger(__name__)

USAGE = (
    "Use `/reindex [all | collection | document or URL] [--dry-run] [--force]`. Without a name, everything is indexed. "
    "`--dry-run` says what would be done; `--force` embeds again what has not changed."
)
NOT_HERE = "I cannot index from here. Use `journeyman reindex` at the command line."
NOTHING_REGISTERED = (
    "Nothing is registered to be indexed yet: `journeyman index PATH` at the command line adds a folder."
)
NOWHERE_TO_SHOW = "I have begun, but I cannot post the progress anywhere. `/journeyman status` shows how far it is."
SHOWN_DIRECTLY = "I cannot post here, so I show you the progress in a direct message."
NO_LONGER = "That run has ended already."
WILL_STOP = "I will stop it after the passages in progress."
_FLAG = re.compile(r"(?:--|[—–])([a-z-]+)")  # typing -- makes a dash of it on many a keyboard
_LINK = re.compile(r"<([^<|>]+)(?:\|[^<>]*)?>")


@dataclass(frozen=True, slots=True)
class ReindexRequest:
    """What `/reindex` is asked for: which documents, and how."""

    name: str = "all"
    dry_run: bool = False
    force: bool = False


def reindex(command: Command, runtime: Runtime) -> str | None:
    """`/reindex`: asks for a run, acknowledges the command once the run is kept, and shows it where that was typed."""
    request = read_request(command.rest)
    with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
        if not authorize(conn, runtime.client, command.person, "reindex", {"text": command.rest[:200]}):
            return REFUSED.format(command="`/reindex`")
        if request is None or request.name == "help":
            return USAGE
        if runtime.operations.reindex is None:
            return NOT_HERE
        target = find_target(conn, request.name)
        if target is None:
            return _unknown(conn, request.name)
        try:
            run = request_run(conn, target, started_by=command.person, force=request.force, dry_run=request.dry_run)
            keep_message(conn, run.id, command.channel, runtime.owner)
        except AlreadyRunning as error:
            earlier: Run | None = error.run
        else:
            earlier = None
    if earlier is not None:
        return _already_running(earlier, command, runtime)
    log.info("run_requested", run=run.id)
    command.ack()
    message = show_and_hand_out(run, command.channel, runtime)
    if message is None:
        return NOWHERE_TO_SHOW
    return None if message.channel == command.channel else SHOWN_DIRECTLY


def cancel(command: Command, runtime: Runtime) -> str:
    """The button below a run, for admins: its value is the run's id."""
    with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
        if not authorize(conn, runtime.client, command.person, "reindex cancel", {"run": command.rest[:20]}):
            return REFUSED.format(command="cancelling a run")
        cancelled = command.rest.isdecimal() and cancel_job(conn, int(command.rest), command.person)
    return WILL_STOP if cancelled else NO_LONGER


def read_request(text: str) -> ReindexRequest | None:
    """What a person typed behind `/reindex`; None for an option that there is not."""
    names, flags = [], set()
    for word in _LINK.sub(r"\1", text).split():
        if flag := _FLAG.fullmatch(word):
            flags.add(flag.group(1))
        else:
            names.append(word)
    if not flags <= {"dry-run", "force"}:
        return None
    name = unescape(" ".join(names).strip("\"'“”`"))
    return ReindexRequest(name or "all", "dry-run" in flags, "force" in flags)


def _already_running(run: Run, command: Command, runtime: Runtime) -> str:
    principals = personal(runtime, command.person)
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        readable = readable_collections(conn, principals)
    return already_running(run, with_names=readable.issuperset(run.collections))


def _unknown(conn: Connection[Any], name: str) -> str:
    collections = known_collections(conn)
    if not collections:
        return NOTHING_REGISTERED
    there = ", ".join(f"`{plain(collection)}`" for collection in collections)
    return (
        f"I know no collection and no document named “{plain(name)}”. The collections are {there}. "
        "`/reindex all` also finds new documents."
    )
