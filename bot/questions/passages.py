""" "Show passage": what a source says, in a modal, where there is no link that a person could follow."""

from dataclasses import dataclass
from functools import partial
from re import compile as pattern
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg import Connection
from psycopg.rows import class_row
from slack_bolt import Ack, App

from bot.questions.readers import personal, readable_collections
from bot.questions.views import age
from bot.runtime import Runtime
from bot.slack.blocks import DIVIDER, Block, context, modal, section
from bot.slack.mrkdwn import plain, split
from bot.slack.mrkdwn import to_mrkdwn as mrkdwn
from bot.slack.workspace import SLACK_ERRORS, error_code

log = structlog.get_logger(__name__)

MOST_SECTIONS = 50  # a view may have 100 blocks: https://docs.slack.dev/surfaces/modals
GONE = "This passage has changed or was removed since the answer was written. Ask again to read what is there now."
NOT_KEPT = "That answer is no longer kept, so its passages cannot be shown."
NOT_FOR_YOU = "This document is not for everybody, and I do not know that you may read it."
NO_DATABASE = "My database does not respond, so I cannot show the passage right now. Please try again in a minute."

# By its hash: what is shown is what the answer rests on, even if its document was indexed again since. In its own
# collection: who may read that one need not be the reader of another that holds the same words.
_READ = """
SELECT p ->> 'title' AS title, p ->> 'heading' AS heading, p ->> 'document' AS document, p ->> 'modified' AS modified,
       p ->> 'collection' AS collection,
       (SELECT c.text FROM chunk c JOIN collection n ON n.id = c.collection_id
        WHERE c.content_hash = decode(p ->> 'content_hash', 'hex') AND n.name = p ->> 'collection' LIMIT 1) AS text
FROM answer, jsonb_array_elements(passages) AS p
WHERE id = %(answer_id)s AND (p ->> 'chunk_id')::bigint = %(chunk_id)s
"""


@dataclass(frozen=True, slots=True)
class SourcePassage:
    """A passage that an answer was written from; `text` is None once it is not in the index any more."""

    title: str
    heading: str
    document: str
    modified: str | None
    collection: str
    text: str | None


def register(app: App, runtime: Runtime) -> None:
    """Registers the buttons beside sources."""
    app.action(pattern(r"show_passage_\d+"))(partial(on_show, runtime=runtime))


def on_show(ack: Ack, body: dict[str, Any], action: dict[str, Any], *, runtime: Runtime) -> None:
    """Opens the modal; its trigger expires after three seconds, so nothing is done before."""
    ack()
    answer_id, _, chunk_id = str(action.get("value", "")).partition(" ")
    try:
        with runtime.pool.connection(timeout=2) as conn:
            passage = read_passage(conn, UUID(answer_id), int(chunk_id))
        view = message_modal(NOT_KEPT) if passage is None else _for(str(body["user"]["id"]), passage, runtime)
    except psycopg.Error as error:
        log.error("passage_not_read", error=error_code(error))
        view = message_modal(NO_DATABASE)
    try:
        runtime.client.views_open(trigger_id=body["trigger_id"], view=view)
    except SLACK_ERRORS as error:
        log.warning("passage_not_shown", error=error_code(error))


def _for(person: str, passage: SourcePassage, runtime: Runtime) -> Block:
    """Builds what this person may see of a passage. Raises psycopg.Error."""
    principals = personal(runtime, person)
    with runtime.pool.connection(timeout=2) as conn:
        may_read = passage.collection in readable_collections(conn, principals)
    return passage_modal(passage) if may_read else message_modal(NOT_FOR_YOU)


def read_passage(conn: Connection[Any], answer_id: UUID, chunk_id: int) -> SourcePassage | None:
    """Reads a passage of this answer; None if the answer has none with this id."""
    with conn.cursor(row_factory=class_row(SourcePassage)) as cursor:
        return cursor.execute(_READ, {"answer_id": answer_id, "chunk_id": chunk_id}).fetchone()


def passage_modal(passage: SourcePassage) -> Block:
    """Builds a modal that says where a passage stands, and its words."""
    heading = f" › {plain(passage.heading)}" if passage.heading and passage.heading != passage.title else ""
    changed_ago = age(passage.modified)
    where = " · ".join(filter(None, [plain(passage.document), changed_ago]))
    sections = [section(piece) for piece in split(mrkdwn(passage.text or GONE))][:MOST_SECTIONS]
    title = section(f"*{plain(passage.title)}*{heading}"[:3000])
    return modal("Passage", [title, context(where[:2000]), DIVIDER, *sections])


def message_modal(text: str) -> Block:
    """Builds a modal that says one thing."""
    return modal("Passage", [section(text)])
