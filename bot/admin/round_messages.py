"""The live message of a round of fine-tuning: posted, kept up to date until it has shown the end, then forgotten.

The round is a worker's (`finetune.rounds`). A thread keeps its message up to date, in another process if this one dies:
that a message is to be shown is a row, too.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from threading import Thread
from typing import Any

import psycopg
import structlog
from psycopg import Connection
from psycopg.rows import class_row

from bot.admin.tuning_views import round_text
from bot.runtime import INTAKE_TIMEOUT, Runtime
from bot.slack.notify import post_direct
from bot.slack.workspace import SLACK_ERRORS, error_code
from finetune.rounds.rows import with_number

log = structlog.get_logger(__name__)

PACE = 5.0  # seconds between two updates of a round's message
TRIES = 12  # to show how it ended
_KEEP = """
INSERT INTO round_message (round_id, channel, person, owner)
VALUES (%(round_id)s, %(channel)s, %(person)s, %(owner)s) RETURNING id, round_id, channel, ts, person
"""
_PLACED = "UPDATE round_message SET channel = %(channel)s, ts = %(ts)s WHERE id = %(id)s"
_ADOPT = """
UPDATE round_message SET owner = %(owner)s WHERE owner IS NULL OR owner = ANY(%(gone)s)
RETURNING id, round_id, channel, ts, person
"""
_FORGET = "DELETE FROM round_message WHERE id = %(id)s"


@dataclass(frozen=True, slots=True)
class RoundMessage:
    """A message that shows a round, for `person`; `ts` is None as long as it is not posted."""

    id: int
    round_id: int
    channel: str
    ts: str | None
    person: str | None


def keep_message(conn: Connection[Any], round_id: int, channel: str, person: str, owner: int) -> RoundMessage:
    """Keeps that a round is to be shown to a person in a channel, by `owner`."""
    values = {"round_id": round_id, "channel": channel, "person": person, "owner": owner}
    with conn.cursor(row_factory=class_row(RoundMessage)) as cursor:
        return cursor.execute(_KEEP, values).fetchall()[0]


def adopt_messages(conn: Connection[Any], owner: int, gone: Collection[int]) -> list[RoundMessage]:
    """Makes the messages of processes that are gone, and that had not shown their end, `owner`'s."""
    with conn.cursor(row_factory=class_row(RoundMessage)) as cursor:
        return cursor.execute(_ADOPT, {"owner": owner, "gone": list(gone)}).fetchall()


def follow(message: RoundMessage, runtime: Runtime) -> None:
    """Posts a round's message, unless it is, and keeps it up to date: in a thread of its own, which ends with the round
    or with this process.
    """
    Thread(target=_watch, args=(message, runtime), name=f"round-{message.round_id}", daemon=True).start()


def _watch(message: RoundMessage, runtime: Runtime) -> None:
    """Shows the round until its end was shown, or could not be shown for long."""
    last_text, tries, first = "", 0, True
    while tries < TRIES and not runtime.stopping.wait(0 if first else PACE):
        first = False
        try:
            with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
                round_ = with_number(conn, message.round_id)
            if round_ is None:
                break
            tries += round_.state != "open" or message.ts is None
            text = round_text(round_)
            if message.ts is None:
                message, last_text = _post(message, text, runtime), text
            elif text != last_text:
                runtime.client.chat_update(channel=message.channel, ts=message.ts, text=text)
                last_text = text
            if round_.state != "open":
                break
        except (*SLACK_ERRORS, psycopg.Error) as error:
            log.warning("round_not_shown", round=message.round_id, error=error_code(error))
    else:
        if tries < TRIES:
            return  # this process ends: another one goes on
    try:
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            conn.execute(_FORGET, {"id": message.id})
    except psycopg.Error as error:
        log.warning("round_message_not_forgotten", round=message.round_id, error=error_code(error))


def _post(message: RoundMessage, text: str, runtime: Runtime) -> RoundMessage:
    """Posts the message where the command was typed, else directly. Raises SLACK_ERRORS and psycopg.Error."""
    try:
        response = runtime.client.chat_postMessage(channel=message.channel, text=text)
        channel, ts = str(response["channel"]), str(response["ts"])
    except SLACK_ERRORS as error:
        if message.person is None:
            raise
        log.info("round_not_posted", round=message.round_id, error=error_code(error))
        channel, ts = post_direct(runtime.client, message.person, text=text)
    message = replace(message, channel=channel, ts=ts)
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        conn.execute(_PLACED, asdict(message))
    return message
