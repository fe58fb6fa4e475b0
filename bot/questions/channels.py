"""How each channel wants to be answered: which messages, from which collections, where, and by which people else.

A channel without a row has the defaults. Direct messages always have them: everything there is for the bot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from psycopg import Connection
from psycopg.rows import class_row

_READ = """
SELECT answers, threshold, collections, place, language::text AS language, experts, trusted_experts
FROM channel WHERE id = %(channel)s
"""
_SAVE = """
INSERT INTO channel (id, answers, threshold, collections, place, language, experts, trusted_experts, changed_by)
VALUES (%(channel)s, %(answers)s, %(threshold)s, %(collections)s, %(place)s, %(language)s::regconfig, %(experts)s,
        %(trusted_experts)s, %(changed_by)s)
ON CONFLICT (id) DO UPDATE
SET answers = excluded.answers, threshold = excluded.threshold, collections = excluded.collections,
    place = excluded.place, language = excluded.language, experts = excluded.experts,
    trusted_experts = excluded.trusted_experts,
    changed_by = excluded.changed_by, changed_at = now()
"""
_COLLECTIONS = "SELECT name FROM collection ORDER BY name"
# Those with a stemmer; `simple` has none and fits every other language.
_LANGUAGES = "SELECT cfgname::text FROM pg_ts_config WHERE cfgnamespace = 'pg_catalog'::regnamespace ORDER BY 1"


@dataclass(frozen=True, slots=True)
class ChannelSettings:
    """`answers`: mentions alone, or every message that scores `threshold` as a question (`bot.questions.classifier`).

    `collections` None means all that there are; `language` is a text search configuration of Postgres, None for
    whichever language of the documents fits the question; `experts` are Slack user ids, and `trusted_experts` those of
    them whom an admin named: what they save is for more than the channel.
    """

    answers: Literal["mentions", "questions"] = "mentions"
    threshold: float = 0.6
    collections: Sequence[str] | None = None
    place: Literal["thread", "ephemeral"] = "thread"
    language: str | None = None
    experts: Sequence[str] = ()
    trusted_experts: Sequence[str] = ()


def channel_settings(conn: Connection[Any], channel: str) -> ChannelSettings:
    """Reads the channel's settings, the defaults where nobody has set any."""
    with conn.cursor(row_factory=class_row(ChannelSettings)) as cursor:
        return cursor.execute(_READ, {"channel": channel}).fetchone() or ChannelSettings()


def save_channel(conn: Connection[Any], channel: str, settings: ChannelSettings, changed_by: str) -> None:
    """Keeps all settings of a channel. Raises psycopg.Error for a language that Postgres does not know."""
    conn.execute(
        _SAVE,
        {
            "channel": channel,
            "answers": settings.answers,
            "threshold": settings.threshold,
            "collections": None if settings.collections is None else list(settings.collections),
            "place": settings.place,
            "language": settings.language,
            "experts": list(settings.experts),
            "trusted_experts": [expert for expert in settings.trusted_experts if expert in settings.experts],
            "changed_by": changed_by,
        },
    )


def collections(conn: Connection[Any]) -> list[str]:
    """Reads the names of all collections."""
    return [name for (name,) in conn.execute(_COLLECTIONS).fetchall()]


def languages(conn: Connection[Any]) -> list[str]:
    """Reads the languages that questions can be stemmed in."""
    return [name for (name,) in conn.execute(_LANGUAGES).fetchall()]
