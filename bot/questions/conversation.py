"""What was said in a thread before, from our own answer rows: no call to Slack, nothing that others wrote."""

from typing import Any

from psycopg import Connection

from retrieval.answering.answer import Turn

_HISTORY = """
SELECT question, text FROM answer
WHERE channel = %(channel)s AND thread_ts = %(thread_ts)s AND state IN ('answered', 'abstained')
      AND text IS NOT NULL AND (NOT private OR asked_by = %(person)s)
ORDER BY asked_at DESC
LIMIT %(limit)s
"""
_ASKED = """
SELECT EXISTS (
    SELECT FROM answer
    WHERE channel = %(channel)s AND thread_ts = %(thread_ts)s AND (NOT private OR asked_by = %(person)s)
          AND (addressed OR answer_ts IS NOT NULL)
)
"""


def thread_history(
    conn: Connection[Any],
    channel: str,
    thread_ts: str,
    *,
    person: str | None = None,
    exchanges: int = 4,
    characters: int = 4000,
) -> tuple[Turn, ...]:
    """Reads the thread's last exchanges, oldest first: at most `exchanges` of them, of `characters` together.

    What was answered privately is part of it for the `person` who asked that.
    """
    parameters = {"channel": channel, "thread_ts": thread_ts, "person": person, "limit": exchanges}
    rows = conn.execute(_HISTORY, parameters).fetchall()
    turns: list[Turn] = []
    room = characters
    for question, text in rows:
        room -= len(question) + len(text)
        if room < 0:
            break
        turns[:0] = [Turn("user", question), Turn("assistant", text)]
    return tuple(turns)


def asked_in_thread(conn: Connection[Any], channel: str, thread_ts: str, person: str | None = None) -> bool:
    """Whether the bot takes part in this thread: somebody asked it there, and not privately, or `person` did."""
    row = conn.execute(_ASKED, {"channel": channel, "thread_ts": thread_ts, "person": person}).fetchone()
    return bool(row and row[0])
