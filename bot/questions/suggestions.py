"""Suggested prompts for an empty conversation: what people often ask, and what the documents are about.

They come from the index and the answer rows, never from a constant. A question is suggested only once several people
have asked it in a channel where this person is and has asked, too: what one person asked stays theirs, and a closed
channel's its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog
from psycopg import Connection

from bot.questions.readers import is_member, personal
from bot.runtime import INTAKE_TIMEOUT, Runtime
from bot.slack.blocks import shortened
from bot.slack.workspace import SLACK_ERRORS, error_code, is_unknown_method

log = structlog.get_logger(__name__)

MOST = 4  # prompts that Slack shows: https://docs.slack.dev/reference/methods/assistant.threads.setSuggestedPrompts
FREQUENT = 2  # of them from what people ask
CHANNELS = 10  # in which the person asked last; Slack is asked who is in each
PEOPLE = 2  # who must have asked the same thing
TITLE_LIMIT = 60
MESSAGE_LIMIT = 300
SUGGEST_TITLE = "Try one of these"

_FREQUENT = """
SELECT min(question) FROM answer
WHERE state = 'answered' AND NOT private AND channel NOT LIKE 'D%%' AND history = '[]'
      AND asked_at > now() - interval '90 days' AND length(question) <= %(longest)s
      AND channel IN (SELECT channel FROM answer WHERE asked_by = %(person)s)
      AND (%(channels)s::text[] IS NULL OR channel = ANY (%(channels)s))
GROUP BY btrim(regexp_replace(lower(question), '[^[:alnum:]]+', ' ', 'g'))
HAVING count(DISTINCT asked_by) >= %(people)s
ORDER BY count(*) DESC, max(asked_at) DESC
LIMIT %(most)s
"""
_CHANNELS = """
SELECT channel FROM answer WHERE asked_by = %(person)s AND channel NOT LIKE 'D%%'
GROUP BY channel ORDER BY max(asked_at) DESC LIMIT %(most)s
"""
# The newest documents, each with its first heading, to ask about something that it says.
_TITLES = """
SELECT d.title, (SELECT c.heading[cardinality(c.heading)] FROM chunk c
                 WHERE c.document_id = d.id AND cardinality(c.heading) > 0
                       AND c.heading[cardinality(c.heading)] <> d.title
                 ORDER BY c.ordinal LIMIT 1) AS heading
FROM document d JOIN source s ON s.id = d.source_id JOIN collection a ON a.name = s.collection
WHERE a.audience && %(principals)s AND EXISTS (SELECT FROM chunk c WHERE c.document_id = d.id)
      AND NOT EXISTS (SELECT FROM verified_answer v WHERE v.document_id = d.id)
ORDER BY d.modified_at DESC, d.id
LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class Prompt:
    """`title` is shown; `message` is what is asked when somebody presses it."""

    title: str
    message: str


def suggestions(
    conn: Connection[Any],
    person: str,
    principals: Sequence[str],
    most: int = MOST,
    channels: Sequence[str] | None = None,
) -> list[Prompt]:
    """At most `most` prompts for a person who has these principals (bot.questions.readers); none while nothing that
    they may read is indexed and nothing was asked. What was asked in other places than `channels` is left out, None:
    nowhere.
    """
    parameters = {
        "person": person,
        "people": PEOPLE,
        "most": min(FREQUENT, most),
        "longest": MESSAGE_LIMIT,
        "channels": None if channels is None else list(channels),
    }
    questions = [str(question) for (question,) in conn.execute(_FREQUENT, parameters).fetchall()]
    prompts = [Prompt(_title(question), question) for question in questions]
    for title, heading in conn.execute(
        _TITLES, {"most": most - len(prompts), "principals": list(principals)}
    ).fetchall():
        about = f"{heading} – {title}" if heading else title
        message = f"What does “{title}” say about {heading}?" if heading else f"What does “{title}” say?"
        prompts.append(Prompt(_title(about), message[:MESSAGE_LIMIT]))
    return prompts


def suggest(channel: str, person: str, runtime: Runtime) -> None:
    """Shows the prompts in a person's conversation with the bot, where Slack has a place for them. Never raises."""
    if not runtime.capabilities.prompts:
        return
    try:
        principals = personal(runtime, person)
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            asked_in = [c for (c,) in conn.execute(_CHANNELS, {"person": person, "most": CHANNELS}).fetchall()]
        there = [channel for channel in asked_in if is_member(runtime, person, channel)]
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            prompts = suggestions(conn, person, principals, channels=there)
        if prompts:
            items = [{"title": prompt.title, "message": prompt.message} for prompt in prompts]
            # Without a thread they stand in the messages tab itself.
            runtime.client.assistant_threads_setSuggestedPrompts(channel_id=channel, title=SUGGEST_TITLE, prompts=items)
    except psycopg.Error as error:
        log.error("suggestions_not_read", error=error_code(error))
    except SLACK_ERRORS as error:
        log.info("prompts_refused", error=error_code(error))
        runtime.capabilities.prompts = not is_unknown_method(error)


def _title(text: str) -> str:
    return shortened(" ".join(text.split()), TITLE_LIMIT)
