"""The live message of a run of the index: posted, kept up to date until it has shown the end, then forgotten.

The run itself is a row that a worker, or this process, carries out (`retrieval.indexing.reindexing`). A thread keeps
its message up to date, in another process if this one dies: that a message is to be shown is a row, too.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Thread
from typing import Any

import psycopg
import structlog
from psycopg import Connection

from bot.admin.commands import send_direct
from bot.admin.reindex_view import run_message
from bot.questions.readers import readable_collections, readers
from bot.runtime import INTAKE_TIMEOUT, Runtime
from bot.slack.blocks import Message
from bot.slack.notify import post_direct
from bot.slack.people import CONSOLE
from bot.slack.workspace import SLACK_ERRORS, error_code
from jobs.rows import is_worked_on
from retrieval.indexing.reindexing import Run, read_run

log = structlog.get_logger(__name__)

PACE = 1.5  # seconds between two updates: chat.update takes about 50 a minute
AGAIN_AFTER = 60.0  # seconds without anybody at work, after which a run is handed out once more
TRIES = 5  # to show the end
_KEEP = "INSERT INTO reindex_message (run_id, channel, owner) VALUES (%(run)s, %(channel)s, %(owner)s)"
_PLACED = "UPDATE reindex_message SET channel = %(channel)s, ts = %(ts)s WHERE run_id = %(run)s"
_ADOPT = """
UPDATE reindex_message SET owner = %(owner)s WHERE owner IS NULL OR owner = ANY(%(gone)s)
RETURNING run_id, channel, coalesce(ts, '')
"""
_FORGET = "DELETE FROM reindex_message WHERE run_id = %(run)s"


@dataclass(frozen=True, slots=True)
class RunMessage:
    """The message that shows a run; `ts` is empty as long as it is not posted."""

    run_id: int
    channel: str
    ts: str


def keep_message(conn: Connection[Any], run_id: int, channel: str, owner: int) -> None:
    """Keeps that a run is to be shown in a channel, by `owner`."""
    conn.execute(_KEEP, {"run": run_id, "channel": channel, "owner": owner})


def adopt_messages(conn: Connection[Any], owner: int, gone: Collection[int]) -> list[RunMessage]:
    """Makes the messages of processes that are gone, and that had not shown their end, `owner`'s."""
    return [RunMessage(*row) for row in conn.execute(_ADOPT, {"owner": owner, "gone": list(gone)}).fetchall()]


def resume(message: RunMessage, runtime: Runtime) -> None:
    """Goes on with a message that another process left, or posts it if that one did not come to it."""
    if not message.ts:
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            run = read_run(conn, message.run_id)
        if run is not None:
            show_and_hand_out(run, message.channel, runtime)
        return
    follow(message, runtime)


def message_for(run: Run, channel: str, runtime: Runtime, *, private: bool = False) -> Message:
    """The run's message as those who read it there may see it, or who asked for it alone. Raises psycopg.Error."""
    principals = readers(runtime, channel, run.started_by, private=private)
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        with_names = readable_collections(conn, principals).issuperset(run.collections)
    return run_message(run, datetime.now(UTC), with_names=with_names)


def follow(place: RunMessage, runtime: Runtime) -> None:
    """Keeps a run's message up to date in a thread of its own, which ends with the run or with this process."""
    Thread(target=_watch, args=(place, runtime), name=f"reindex-{place.run_id}", daemon=True).start()


def _watch(place: RunMessage, runtime: Runtime) -> None:
    """Shows the run until its end was shown; hands it out again if nobody works on it for long."""
    last_shown: Message | None = None
    at_work = time.monotonic()
    tries = 0
    while not runtime.stopping.wait(PACE):
        try:
            with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
                run = read_run(conn, place.run_id)
                idle = run is not None and run.is_open and not is_worked_on(conn, run.id)
            message = None if run is None else message_for(run, place.channel, runtime)
        except psycopg.Error as error:
            log.warning("run_unknown", run=place.run_id, error=error_code(error))
            continue
        if run is None or message is None:
            return
        at_work = at_work if idle else time.monotonic()
        if idle and time.monotonic() - at_work > AGAIN_AFTER:
            at_work = time.monotonic()
            _hand_out(run.id, runtime)
        if message != last_shown and _show(place, message, runtime):
            last_shown = message
        if not run.is_open:
            tries += 1
            if last_shown == message or tries == TRIES:
                _ended(run, place, message, runtime, seen=last_shown == message)
                return


def show_and_hand_out(run: Run, channel: str, runtime: Runtime) -> RunMessage | None:
    """Posts the run's message and has the run done; None if there is nowhere to post it."""
    place = _post(run, channel, runtime)
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        if place is None:
            conn.execute(_FORGET, {"run": run.id})
        else:
            conn.execute(_PLACED, {"run": run.id, "channel": place.channel, "ts": place.ts})
    if place is not None:
        follow(place, runtime)
    _hand_out(run.id, runtime)  # after its message, which people see at once, though the broker be slow
    return place


def _hand_out(run_id: int, runtime: Runtime) -> None:
    """Has the run done. If that fails, it stays queued, and whoever watches it tries again."""
    if runtime.operations.reindex is None:
        return
    try:
        runtime.operations.reindex(run_id)
    except Exception as error:  # noqa: BLE001 - the edge to the broker: the message says that the run waits
        log.error("run_not_handed_out", run=run_id, error=error_code(error))


def _post(run: Run, channel: str, runtime: Runtime) -> RunMessage | None:
    """Posts the message where the command was typed, else directly; None if Slack takes it in neither place."""
    message = message_for(run, channel, runtime)
    try:
        response = runtime.client.chat_postMessage(channel=channel, text=message.text, blocks=message.blocks)
        return RunMessage(run.id, str(response["channel"]), str(response["ts"]))
    except SLACK_ERRORS as error:
        log.info("run_not_posted", run=run.id, error=error_code(error))
    message = message_for(run, "", runtime, private=True)
    try:
        return RunMessage(
            run.id, *post_direct(runtime.client, run.started_by, text=message.text, blocks=message.blocks)
        )
    except SLACK_ERRORS as error:
        log.error("run_not_posted", run=run.id, error=error_code(error))
        return None


def _show(place: RunMessage, message: Message, runtime: Runtime) -> bool:
    try:
        runtime.client.chat_update(channel=place.channel, ts=place.ts, text=message.text, blocks=message.blocks)
    except SLACK_ERRORS as error:
        log.warning("run_not_shown", run=place.run_id, error=error_code(error))
        return False
    return True


def _ended(run: Run, place: RunMessage, message: Message, runtime: Runtime, *, seen: bool) -> None:
    """Tells the person directly if the end could not be shown, and forgets the message."""
    if not seen and run.started_by != CONSOLE:
        send_direct(run.started_by, message.text, runtime)
    try:
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            conn.execute(_FORGET, {"run": place.run_id})
    except psycopg.Error as error:
        log.warning("run_message_not_forgotten", run=place.run_id, error=error_code(error))
