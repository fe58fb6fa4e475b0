"""How the bot is: what `/journeyman status` and `journeyman status` tell about answers, index and runs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from bot.admin.tuning_views import adapter_text
from bot.questions.answers import CALLED_OFF
from bot.slack.mrkdwn import plain, slack_date
from bot.slack.people import mention
from jobs.rows import Job, current_jobs
from retrieval.indexing.attempts import SetAside, documents_set_aside
from retrieval.indexing.building import Build, models
from retrieval.indexing.reindexing import Run, open_runs

MOST_SET_ASIDE = 10
NO_ANSWER_YET = "No answer has been written yet, so I cannot say which model writes them."

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
_LAST_ANSWER = "SELECT model, adapter FROM answer WHERE model IS NOT NULL ORDER BY asked_at DESC LIMIT 1"
_COLLECTIONS = """
SELECT c.name, count(DISTINCT d.id) AS documents, count(k.id) AS passages,
       (SELECT max(scanned_at) FROM source WHERE collection = c.name) AS scanned_at
FROM collection c
    LEFT JOIN source s ON s.collection = c.name
    LEFT JOIN document d ON d.source_id = s.id
    LEFT JOIN chunk k ON k.document_id = d.id
WHERE %(principals)s::text[] IS NULL OR c.audience && %(principals)s
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
    """How the bot is. `jobs` are scans and builds that are open, and whatever failed within a day. `ahead`: how many
    jobs of the same kind each open one has before it, by its id.
    """

    day: Day
    collections: tuple[Collection, ...]
    runs: tuple[Run, ...]
    jobs: tuple[Job, ...]
    ahead: dict[int, int]
    set_aside: tuple[SetAside, ...]
    embedders: tuple[Build, ...]


def read_status(conn: Connection[Any]) -> Status:
    """Reads how answers, index and jobs are now."""
    with conn.cursor(row_factory=class_row(Day)) as cursor:
        day = cursor.execute(_COUNTS, {"called_off": CALLED_OFF}).fetchone() or Day(0, 0, 0, 0, 0, 0)
    jobs = current_jobs(conn)
    return Status(
        day,
        tuple(read_collections(conn)),
        tuple(open_runs(conn)),
        tuple(job for job in jobs if job.kind != "reindex" or job.state == "failed"),
        places(jobs),
        tuple(documents_set_aside(conn)),
        tuple(models(conn)),
    )


def places(jobs: Sequence[Job]) -> dict[int, int]:
    """Counts how many jobs of its kind each open one has before it, by its id. `jobs` are in the order of their ids."""
    before = Counter[str]()
    ahead: dict[int, int] = {}
    for job in jobs:
        if job.state != "failed":
            ahead[job.id] = before[job.kind]
            before[job.kind] += 1
    return ahead


def waits(ahead: int) -> str:
    """Says that a job waits, and how many are before it."""
    return "waits for a worker" + (f", {ahead} before it" if ahead else "")


def read_collections(conn: Connection[Any], principals: Sequence[str] | None = None) -> list[Collection]:
    """Reads what each collection holds, by name: of those that these principals may read, None for all."""
    parameters = {"principals": None if principals is None else list(principals)}
    with conn.cursor(row_factory=class_row(Collection)) as cursor:
        return cursor.execute(_COLLECTIONS, parameters).fetchall()


def last_answer_text(conn: Connection[Any]) -> str | None:
    """Says which model, with which adapter, wrote the last answer; None while none was written."""
    row = conn.execute(_LAST_ANSWER).fetchone()
    return None if row is None else f"The last answer was written by `{plain(row[0])}` {adapter_text(row[1])}."


def status_text(conn: Connection[Any], principals: Sequence[str] | None = None) -> str:
    """Writes the status in Slack's mrkdwn, with the collections that these principals may read, None for all."""
    status = read_status(conn)
    if principals is not None:
        status = _restricted(status, read_collections(conn, principals))
    lines = [_day(status.day), *map(_collection, status.collections)]
    if not status.collections:
        lines.append("Nothing is indexed yet.")
    lines += [_run(run, status.ahead.get(run.id, 0)) for run in status.runs]
    lines += [_job(job, status.ahead.get(job.id, 0)) for job in status.jobs]
    lines += map(_set_aside, status.set_aside[:MOST_SET_ASIDE])
    more = len(status.set_aside) - MOST_SET_ASIDE
    if more > 0:
        lines.append(f"• and {more} more; `journeyman status` lists all of them")
    return "\n".join([*lines, *map(_embedder, status.embedders)])


def _restricted(status: Status, collections: Sequence[Collection]) -> Status:
    """Returns the status with what is about these collections alone."""
    readable = {collection.name for collection in collections}
    return replace(
        status,
        collections=tuple(collections),
        runs=tuple(run for run in status.runs if readable.issuperset(run.collections)),
        jobs=tuple(job for job in status.jobs if readable.issuperset(job.collections)),
        set_aside=tuple(item for item in status.set_aside if item.collection in readable),
    )


def _day(day: Day) -> str:
    return (
        f"*I am up.* In the last 24 hours: {day.answered} answered, {day.abstained} where the documents don't say, "
        f"{day.failed} failed, {day.pending} under way. "
        f"Thumbs: {day.thumbs_up} :thumbsup: {day.thumbs_down} :thumbsdown:"
    )


def _set_aside(item: SetAside) -> str:
    reason = plain(item.error or "each ended its process")
    return f"• Set aside: {plain(item.name)} in {plain(item.collection)}, after {item.attempts} attempts ({reason})"


def _collection(collection: Collection) -> str:
    scanned = collection.scanned_at
    # Slack shows the date in the reader's own time zone.
    when = "never looked through" if scanned is None else f"looked through {slack_date(scanned)}"
    return f"• {plain(collection.name)}: {collection.documents} documents, {collection.passages} passages, {when}"


def _run(run: Run, ahead: int) -> str:
    stands = waits(ahead) if run.state == "queued" else f"{run.done} of {run.total} documents done"
    return f"• Being indexed: {plain(run.target)}, {stands}, started by {mention(run.started_by)}"


def _job(job: Job, ahead: int) -> str:
    names = {"scan": "Looking through the sources", "build": f"Building {plain(job.target)}", "finetune": "Fine-tuning"}
    name = names.get(job.kind, f"Indexing {plain(job.target)}")
    if job.state == "failed":
        return f"• {name}: failed ({plain(job.error or 'for an unknown reason')})"
    return f"• {name}: {waits(ahead) if job.state == 'queued' else f'{job.done} of {job.total} done'}"


def _embedder(model: Build) -> str:
    if model.state == "building":
        stands = f"{model.built} of {model.chunks or 0} passages ({model.share:.0%})"
        return (
            f"• Embedding model {'being built' if model.is_worked_on else 'to be built'}: {plain(model.name)}, {stands}"
        )
    searched = "searched with" if model.state == "active" else "kept as a fallback"
    return f"• Embedding model: {plain(model.name)}, {searched}"
