"""Where an answer is being shown: the Slack message is remembered as soon as there is one.

A process that adopts an answer goes on in the same message, and a thumb below it is known to be about the answer.
"""

from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg import Connection

from bot.runtime import INTAKE_TIMEOUT, Pool
from bot.slack.workspace import error_code

log = structlog.get_logger(__name__)

_PLACE = "UPDATE answer SET answer_ts = %(answer_ts)s WHERE id = %(id)s"


def remember_place(pool: Pool, answer_id: UUID, answer_ts: str) -> None:
    """As `place_answer`, in a transaction of its own. Never raises."""
    try:
        with pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            place_answer(conn, answer_id, answer_ts)
    except psycopg.Error as error:
        log.error("place_not_recorded", answer_id=str(answer_id), error=error_code(error))


def place_answer(conn: Connection[Any], answer_id: UUID, answer_ts: str) -> None:
    """Remembers the Slack message in which the answer is being shown, before it is finished."""
    conn.execute(_PLACE, {"id": answer_id, "answer_ts": answer_ts})
