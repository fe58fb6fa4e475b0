"""Everything that was asked, answered and voted, as JSON lines: for `/journeyman export` and `journeyman export`.

One line per question, oldest first, with its votes. The passages' texts are not among it: the documents have them.
Where Slack takes no files, messages hold what people wrote and read, and the newest of it.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from psycopg import Connection
from psycopg.rows import dict_row

from bot.admin.commands import Command, Subcommand, send_direct
from bot.questions.readers import MAY_READ_REWRITTEN, personal
from bot.runtime import INTAKE_TIMEOUT, Runtime
from bot.slack.workspace import SLACK_ERRORS, error_code

log = structlog.get_logger(__name__)

PIECE = 3_500  # characters of one message
MOST_PIECES = 60  # a minute's worth: Slack takes about one message a second
NOTHING = "Nothing has been asked yet, so there is nothing to export."
SENT = "I have sent you the export in a direct message."
NOT_SENT = "I could not send you the export: Slack accepts neither a file nor a direct message from me."
SHORTENED = (
    "I cannot upload files to this workspace, so I have sent you {which} questions in direct messages, without the "
    "passages that I found for them. At the command line, `journeyman export > FILE` writes all of it."
)
_LEFT_OUT = ("passages", "timings")  # from messages
_ROWS = f"""
SELECT a.id, a.asked_at, a.asked_by, a.channel, a.thread_ts, a.question_ts, a.state, a.question,
       CASE WHEN {MAY_READ_REWRITTEN} THEN a.standalone END AS standalone, a.collections,
       CASE WHEN readable THEN a.text END AS text,
       CASE WHEN readable THEN a.sources END AS sources, CASE WHEN readable THEN a.passages END AS passages,
       NOT readable AS withheld, a.model, a.revision, a.template_sha256, a.adapter, a.timings, a.error, a.finished_at,
       coalesce((SELECT jsonb_agg(jsonb_build_object('person', person, 'vote', vote, 'voted_at', voted_at)
                                  ORDER BY voted_at)
                 FROM feedback WHERE answer_id = a.id), '[]') AS votes
FROM answer a, LATERAL (
    SELECT %(principals)s::text[] IS NULL OR NOT EXISTS (
        SELECT FROM jsonb_array_elements(a.passages) AS p WHERE NOT EXISTS (
            SELECT FROM collection c WHERE c.name = p ->> 'collection' AND c.audience && %(principals)s
        )
    ) AS readable
) AS seen
ORDER BY a.asked_at, a.id
"""  # noqa: S608 - the condition is a constant


def export_lines(conn: Connection[Any], principals: Sequence[str] | None = None) -> Iterator[str]:
    """One JSON object per question, without line ends; read as they are asked for, not all at once. What an answer was
    taken from, and its text, are withheld if these principals may not read all of it; None withholds nothing.
    """
    with conn.transaction(), conn.cursor("export", row_factory=dict_row) as cursor:
        for row in cursor.execute(_ROWS, {"principals": None if principals is None else list(principals)}):
            yield json.dumps(row, ensure_ascii=False, default=_as_json)


def export(command: Command, runtime: Runtime) -> str:
    """Sends the export to the person: as a file, else in messages, where nobody else sees it."""
    principals = personal(runtime, command.person)
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        lines = list(export_lines(conn, principals))
    if not lines:
        return NOTHING
    channel = send_direct(
        command.person, f"Here is what was asked, answered and voted on: {len(lines)} questions.", runtime
    )
    if channel is None:
        return NOT_SENT
    if _uploaded(lines, channel, runtime):
        return SENT
    newest = newest_that_fit(list(map(_shorter, lines)))
    if not all(send_direct(channel, f"```{piece}```", runtime) for piece in pieces_of(newest)):
        return NOT_SENT
    which = f"all {len(lines)}" if len(newest) == len(lines) else f"the newest {len(newest)} of {len(lines)}"
    return SHORTENED.format(which=which)


def newest_that_fit(lines: Sequence[str]) -> Sequence[str]:
    """Returns the last lines, as many as `MOST_PIECES` messages hold."""
    fitting, size = 0, 0
    for line in reversed(lines):
        size += len(_without_signs(line)) + 1
        if size > MOST_PIECES * PIECE // 2:  # lines are not cut where they fit: two pieces hold more than one full one
            break
        fitting += 1
    return lines[len(lines) - fitting :]


def pieces_of(lines: Sequence[str]) -> list[str]:
    """The lines in pieces that a message can hold, whole lines where they fit. Still JSON: what Slack would read as
    its own signs is written as JSON's escapes.
    """
    pieces, piece = [], ""
    for line in map(_without_signs, lines):
        if piece and len(piece) + len(line) >= PIECE:
            pieces.append(piece)
            piece = ""
        piece += line + "\n"
        while len(piece) > PIECE:
            pieces.append(piece[:PIECE])
            piece = piece[PIECE:]
    return [*pieces, piece] if piece.strip() else pieces


def _uploaded(lines: Sequence[str], channel: str, runtime: Runtime) -> bool:
    name = f"journeyman-{datetime.now(UTC):%Y-%m-%d}.jsonl"
    try:
        runtime.client.files_upload_v2(channel=channel, filename=name, title=name, content="\n".join([*lines, ""]))
    except SLACK_ERRORS as error:
        log.info("export_not_uploaded", error=error_code(error))
        return False
    return True


def _shorter(line: str) -> str:
    row = json.loads(line)
    return json.dumps({name: value for name, value in row.items() if name not in _LEFT_OUT}, ensure_ascii=False)


def _without_signs(line: str) -> str:
    for sign in "&<>`":
        line = line.replace(sign, f"\\u{ord(sign):04x}")
    return line


def _as_json(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


SUBCOMMANDS = (
    Subcommand(
        "export", "/journeyman export", "sends you all questions, answers and votes as JSON lines", export, admins=True
    ),
)
