"""Who reads an answer: the principals of one person, or those that everybody in a channel has in common.

`retrieval.searching.scope` matches them with the audience of each collection:

- `anyone`: whoever can write to the bot, guests and people of other organisations among them;
- `everyone`: the full members of this workspace;
- `user:U…`, `group:S…`, `channel:C…`: a person, the members of a user group, those of a channel;
- `all:1+2`: whoever may read each of these collections (`retrieval.collections`).

Slack is asked, and what it says is remembered for a minute; who is a full member, for ten. What it does not say is
taken for no: it gives fewer rights, never more.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog
from psycopg import Connection
from slack_sdk import WebClient

from bot.admin.authorization import group_members
from bot.runtime import INTAKE_TIMEOUT, Runtime
from bot.slack.workspace import SLACK_ERRORS, error_code
from retrieval.answering.answer import Question
from retrieval.collections import with_combined, with_made_of

log = structlog.get_logger(__name__)

ANYONE, EVERYONE = "anyone", "everyone"
CACHE = 60.0  # seconds for which the members of a channel are remembered
DIRECTORY_CACHE = 600.0  # the same for who is a full member, which changes seldom and takes a call for 1,000 people
FAILURE_CACHE = 20.0  # the same for what Slack did not say: it is not asked again by each question of a busy minute
PAGE = 1000  # the most that Slack gives: https://docs.slack.dev/reference/methods/users.list
MOST_ASKED = 20  # people whom the directory does not name, each of whom is asked about alone

_AUDIENCES = "SELECT id, audience FROM collection"
_READABLE = "SELECT name FROM collection WHERE audience && %(principals)s"
# What a text may have been taken from: what it cites, or all that was found where it cites nothing of it. A follow-up
# was rewritten with words of what was said before.
_RESTS_ON = """
SELECT DISTINCT p ->> 'collection'
FROM answer a JOIN answer o ON o.id = a.id OR (
        a.history <> '[]' AND a.standalone <> a.question AND o.channel = a.channel AND o.thread_ts = a.thread_ts
        AND o.asked_at < a.asked_at AND (NOT o.private OR o.asked_by = a.asked_by)),
    LATERAL (SELECT p, EXISTS (SELECT FROM jsonb_array_elements(o.sources) AS s
                               WHERE s ->> 'chunk_id' = p ->> 'chunk_id') AS cited
             FROM jsonb_array_elements(o.passages) AS p) AS found
WHERE a.id = %(answer_id)s AND (o.state = 'abstained' OR cited OR NOT EXISTS (
    SELECT FROM jsonb_array_elements(o.passages) AS q JOIN jsonb_array_elements(o.sources) AS s
        ON s ->> 'chunk_id' = q ->> 'chunk_id'))
"""

# Of an answer `a`: whether `principals` may read all that was said before it in its thread, whose words a follow-up may
# hold once it was rewritten. No principals restrict nothing.
MAY_READ_REWRITTEN = """
(%(principals)s::text[] IS NULL OR a.history = '[]' OR a.standalone IS NOT DISTINCT FROM a.question OR NOT EXISTS (
    SELECT FROM answer o, jsonb_array_elements(o.passages) AS p
    WHERE o.channel = a.channel AND o.thread_ts = a.thread_ts AND o.asked_at < a.asked_at AND NOT EXISTS (
        SELECT FROM collection c WHERE c.name = p ->> 'collection' AND c.audience && %(principals)s)))
"""


@dataclass(frozen=True, slots=True)
class People:
    """The workspace's own: its full members, its bots, which nobody counts as readers, and its guests and former
    members.
    """

    full: frozenset[str] = frozenset()
    bots: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Fact:
    """One thing that Slack was asked, the answer or what is taken for it, and until when that holds."""

    lock: Lock = field(default_factory=Lock)
    value: Any = None
    asked_at: float = float("-inf")
    failed: bool = False

    def get(self, age: float, ask: Callable[[], Any], otherwise: Any, about: str) -> Any:
        """Returns the value if it is younger than `age`, else what `ask` says; who comes meanwhile waits for it."""
        with self.lock:
            if time.monotonic() - self.asked_at < (min(age, FAILURE_CACHE) if self.failed else age):
                return self.value
            try:
                self.value, self.failed = ask(), False
            except SLACK_ERRORS as error:
                log.warning("readers_unknown", about=about, error=error_code(error))
                self.value, self.failed = otherwise, True
            self.asked_at = time.monotonic()
            return self.value


@dataclass(slots=True)
class _Facts:
    """What one client's Slack has said."""

    facts: dict[str, _Fact] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def fact(self, key: str) -> _Fact:
        with self.lock:
            return self.facts.setdefault(key, _Fact())


_KNOWN: WeakKeyDictionary[WebClient, _Facts] = WeakKeyDictionary()
_KNOWN_LOCK = Lock()


def readers(runtime: Runtime, channel: str, person: str, *, private: bool) -> tuple[str, ...]:
    """Returns the principals of those who will read an answer that is given here, to `person` alone or to all.

    Raises psycopg.Error.
    """
    if private or channel.startswith("D"):
        return personal(runtime, person)
    return common(runtime, channel)


def personal(runtime: Runtime, person: str) -> tuple[str, ...]:
    """Returns the principals of one person. Raises psycopg.Error."""
    audiences = _audiences(runtime)
    principals = [ANYONE, f"user:{person}"]
    if _is_full_member(runtime, person):
        principals.append(EVERYONE)
    for principal in _named(audiences):
        kind, _, which = principal.partition(":")
        if (kind == "group" and person in group_members(runtime.client, which)) or (
            kind == "channel" and person in _members(runtime, which)
        ):
            principals.append(principal)
    return with_combined(principals, audiences)


def common(runtime: Runtime, channel: str) -> tuple[str, ...]:
    """Returns the principals that everybody in a channel has; none of them is one person's. Raises psycopg.Error."""
    audiences = _audiences(runtime)
    principals = [ANYONE, f"channel:{channel}"]
    groups = [principal.removeprefix("group:") for principal in _named(audiences) if principal.startswith("group:")]
    members = _members(runtime, channel)
    if members:  # else Slack does not say who reads here
        people = _people(runtime, members)
        there = members - people.bots - {runtime.identity.user_id}
        if there <= people.full and not _is_shared(runtime, channel):
            principals.append(EVERYONE)
        principals += [f"group:{group}" for group in groups if there and there <= group_members(runtime.client, group)]
    return with_combined(principals, audiences)


def restrict_question(runtime: Runtime, question: Question, channel: str, person: str, *, private: bool) -> Question:
    """Returns the question for those who read its answer now: collections that they may not read are not searched.

    Raises psycopg.Error.
    """
    principals = readers(runtime, channel, person, private=private)
    collections = question.collections
    if collections is not None:
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            readable = readable_collections(conn, principals)
            names = with_made_of(conn, collections, channel)
        collections = [name for name in names if name in readable]
    return replace(question, principals=principals, collections=collections)


def is_member(runtime: Runtime, person: str, channel: str) -> bool:
    """Whether the person is in a channel now."""
    return person in _members(runtime, channel)


def said_to(runtime: Runtime, channel: str) -> str:
    """Returns whom words in a channel are for: every full member, if any of them may join it, else its own members."""

    def ask() -> bool:
        info = runtime.client.conversations_info(channel=channel)["channel"]
        return bool(info.get("is_channel")) and not any(info.get(key) for key in ("is_private", "is_im", "is_mpim"))

    return EVERYONE if _asked(runtime, f"public {channel}", CACHE, ask, False) else f"channel:{channel}"


def readable_collections(conn: Connection[Any], principals: Sequence[str]) -> frozenset[str]:
    """Reads the names of the collections that these principals may read."""
    return frozenset(name for (name,) in conn.execute(_READABLE, {"principals": list(principals)}).fetchall())


def rests_on(conn: Connection[Any], answer_id: UUID) -> frozenset[str]:
    """Reads the collections of all that an answer, or its question as it was rewritten, was made of."""
    return frozenset(name for (name,) in conn.execute(_RESTS_ON, {"answer_id": answer_id}).fetchall())


def may_read_answer(conn: Connection[Any], answer_id: UUID, principals: Sequence[str]) -> bool:
    """Whether these principals may read all that an answer rests on, as the audiences are now."""
    return rests_on(conn, answer_id) <= readable_collections(conn, principals)


def _audiences(runtime: Runtime) -> dict[int, frozenset[str]]:
    """Reads the audience of each collection, by id."""
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        return {number: frozenset(audience) for number, audience in conn.execute(_AUDIENCES).fetchall()}


def _named(audiences: Mapping[int, frozenset[str]]) -> list[str]:
    """Returns whom the audiences name: nothing else needs to be asked about."""
    return sorted(frozenset().union(*audiences.values()))


def _is_full_member(runtime: Runtime, person: str, age: float | None = None) -> bool:
    def ask() -> bool:
        return _is_full(runtime.client.users_info(user=person)["user"], runtime.identity.team_id)

    return bool(_asked(runtime, f"person {person}", CACHE if age is None else age, ask, False))


def _members(runtime: Runtime, channel: str) -> frozenset[str]:
    """Returns everybody in a channel; nobody if Slack does not say."""

    def ask() -> frozenset[str]:
        pages = _pages(lambda cursor: runtime.client.conversations_members(channel=channel, limit=1000, cursor=cursor))
        return frozenset(str(member) for page in pages for member in page["members"])

    members: frozenset[str] = _asked(runtime, f"members {channel}", CACHE, ask, frozenset())
    return members


def _people(runtime: Runtime, members: frozenset[str]) -> People:
    """Returns the workspace's people; of `members` that the directory does not name, those who are full members.

    They have joined since it was read, or are of another organisation. Where there are many, none of them counts.
    """
    directory = _directory(runtime)
    unknown = members - directory.full - directory.bots - directory.others
    if not unknown or not directory.full or members & directory.others or len(unknown) > MOST_ASKED:
        return directory  # what the others are makes no difference, or cannot be asked
    newcomers = frozenset(person for person in unknown if _is_full_member(runtime, person, DIRECTORY_CACHE))
    return replace(directory, full=directory.full | newcomers)


def _directory(runtime: Runtime) -> People:
    def ask() -> People:
        users = [
            user
            for page in _pages(lambda cursor: runtime.client.users_list(limit=PAGE, cursor=cursor))
            for user in page["members"]
        ]
        everybody = frozenset(str(user["id"]) for user in users)
        bots = frozenset(str(user["id"]) for user in users if user.get("is_bot"))
        full = frozenset(str(u["id"]) for u in users if _is_full(u, runtime.identity.team_id)) - bots
        return People(full, bots, everybody - full - bots)

    directory: People = _asked(runtime, "people", DIRECTORY_CACHE, ask, People())
    return directory


def _is_shared(runtime: Runtime, channel: str) -> bool:
    """Whether other organisations read along, or were invited to; so it is if Slack does not say."""

    def ask() -> bool:
        info = runtime.client.conversations_info(channel=channel)["channel"]
        return bool(info.get("is_ext_shared") or info.get("is_pending_ext_shared"))

    return bool(_asked(runtime, f"shared {channel}", CACHE, ask, True))


def _is_full(user: dict[str, Any], team_id: str) -> bool:
    """Whether a person is a member of this workspace, and no guest."""
    less = ("deleted", "is_restricted", "is_ultra_restricted", "is_stranger")
    return user.get("team_id") == team_id and not any(user.get(key) for key in less)


def _pages(call: Callable[[str | None], Any]) -> Iterator[Any]:
    cursor: str | None = None
    while True:
        page = call(cursor)
        yield page
        cursor = (page.get("response_metadata") or {}).get("next_cursor") or None
        if cursor is None:
            return


def _asked(runtime: Runtime, key: str, age: float, ask: Callable[[], Any], otherwise: Any) -> Any:
    """Returns what Slack says, or said within `age` seconds; `otherwise` if it does not."""
    with _KNOWN_LOCK:
        facts = _KNOWN.setdefault(runtime.client, _Facts())
    return facts.fact(key).get(age, ask, otherwise, key.partition(" ")[0])
