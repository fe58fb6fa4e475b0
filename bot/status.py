"""How the bot is: what `/journeyman status` and `journeyman status` tell about answers, index and runs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from bot.answers import CALLED_OFF
from bot.mrkdwn import escape, plain
from retrieval.building import Build, models
from retrieval.reindexing import Run, open_runs

CONSOLE = "console"  # who asks at the command line

_COUNTS = """
SELECT count(*) FILTER (WHERE state = 'answered') AS answered,
       count(*) FILTER (WHERE state = 'abstained') AS abstained,
       count(*) FILTER (WHERE state = 'failed' AND error <> ALL (%(called_off)s)) AS failed,
       count(*) FILTER (WHERE state = 'pending') AS pending,
       (SELECT count(*) FROM feedback WHERE vote = 1 AND voted_at > now() - interval '1 day') AS thumbs_up,
       (SELECT count(*) FROM feedback WHERE vote = -1 AND voted_at > now() - interval '1 day') AS thumbs_down
FROM answer
WHERE asked_at > now() - interval '1 day'
"""
_COLLECTIONS = """
SELECT c.name, count(DISTINCT d.id) AS documents, count(k.id) AS passages,
       (SELECT max(scanned_at) FROM source WHERE collection = c.name) AS scanned_at
FROM collection c
    LEFT JOIN source s ON s.collection = c.name
    LEFT JOIN document d ON d.source_id = s.id
    LEFT JOIN chunk k ON k.document_id = d.id
GROUP BY c.name ORDER BY c.name
"""


@dataclass(frozen=True, slots=True)
class Day:
    """What happened in the last 24 hours, in numbers."""

    answered: int
    abstained: int
    failed: int
    pending: int
    thumbs_up: int
    thumbs_down: int


@dataclass(frozen=True, slots=True)
class Collection:
    """What a collection holds, and when its sources were last looked through."""

    name: str
    documents: int
    passages: int
    scanned_at: datetime | None


@dataclass(frozen=True, slots=True)
class Status:
    """How the bot is."""

    day: Day
    collections: tuple[Collection, ...]
    runs: tuple[Run, ...]
    embedders: tuple[Build, ...]


def read_status(conn: Connection[Any]) -> Status:
    """The state of answers and index now."""
    with conn.cursor(row_factory=class_row(Day)) as cursor:
        day = cursor.execute(_COUNTS, {"called_off": CALLED_OFF}).fetchone() or Day(0, 0, 0, 0, 0, 0)
    return Status(day, tuple(read_collections(conn)), tuple(open_runs(conn)), tuple(models(conn)))


def read_collections(conn: Connection[Any]) -> list[Collection]:
    """What each collection holds, by name."""
    with conn.cursor(row_factory=class_row(Collection)) as cursor:
        return cursor.execute(_COLLECTIONS).fetchall()


def status_text(conn: Connection[Any]) -> str:
    """The same for people, in Slack's mrkdwn."""
    status = read_status(conn)
    day = status.day
    lines = [
        f"*I am up.* In the last 24 hours: {day.answered} answered, {day.abstained} where the documents don't say, "
        f"{day.failed} failed, {day.pending} under way. "
        f"Thumbs: {day.thumbs_up} :thumbsup: {day.thumbs_down} :thumbsdown:"
    ]
    lines += [_collection(collection) for collection in status.collections]
    if not status.collections:
        lines.append("Nothing is indexed yet.")
    return "\n".join([*lines, *map(_run, status.runs), *map(_embedder, status.embedders)])


def _collection(collection: Collection) -> str:
    scanned = collection.scanned_at
    # Slack shows the date in the reader's own time zone.
    when = "never looked through" if scanned is None else f"looked through {slack_date(scanned)}"
    return f"• {plain(collection.name)}: {collection.documents} documents, {collection.passages} passages, {when}"


def _run(run: Run) -> str:
    stands = "waits for a worker" if run.state == "queued" else f"{run.done} of {run.total} documents done"
    return f"• Being indexed: {plain(run.target)}, {stands}, started by {who(run.started_by)}"


def _embedder(model: Build) -> str:
    if model.state == "building":
        stands = f"{model.built} of {model.chunks or 0} passages ({model.share:.0%})"
        return (
            f"• Embedding model {'being built' if model.is_worked_on else 'to be built'}: {plain(model.name)}, {stands}"
        )
    searched = "searched with" if model.state == "active" else "kept, to go back to"
    return f"• Embedding model: {plain(model.name)}, {searched}"


def who(person: str) -> str:
    """A mention, or where they sit who have none."""
    return "somebody at the command line" if person == CONSOLE else f"<@{escape(person)}>"


def slack_date(moment: datetime) -> str:
    """A moment as Slack shows it to each reader in their time zone.

    https://docs.slack.dev/messaging/formatting-message-text/#date-formatting
    """
    fallback = f"{moment:%Y-%m-%d %H:%M %Z}"
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} {{time}}|{fallback}>"
