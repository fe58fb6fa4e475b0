"""Who may administer the bot: people and members of user groups, from JOURNEYMAN_ADMINS and `/journeyman admins`.

Asked before anything is done that is not for everybody, at the submission of a modal too. Whoever is not known for
sure to be an admin is none: so it is while Slack does not say who is in a group.
"""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any, Literal
from weakref import WeakKeyDictionary

import structlog
from psycopg import Connection
from psycopg.rows import class_row
from slack_sdk import WebClient

from bot.admin import audit
from bot.slack.workspace import SLACK_ERRORS, error_code

log = structlog.get_logger(__name__)

GROUP_CACHE = 60.0  # seconds for which the members of a user group are remembered

_MEMBERS = "SELECT DISTINCT member FROM admin"
_LIST = "SELECT member, configured, added_by, added_at FROM admin ORDER BY configured DESC, added_at, member"
_KEEP_CONFIGURED = "DELETE FROM admin WHERE configured AND member <> ALL (%(members)s)"
_CONFIGURE = """
INSERT INTO admin (member, configured) SELECT unnest(%(members)s::text[]), true ON CONFLICT DO NOTHING
"""
_ADD = """
INSERT INTO admin (member, configured, added_by)
SELECT %(member)s, false, %(added_by)s WHERE NOT EXISTS (SELECT FROM admin WHERE member = %(member)s)
ON CONFLICT DO NOTHING
"""
_LOCK = "LOCK TABLE admin IN SHARE ROW EXCLUSIVE MODE"
_REMOVE = "DELETE FROM admin WHERE member = %(member)s AND NOT configured"
_MEMBER = re.compile(r"(?:<@|<!subteam\^)?([UWS][A-Z0-9]{2,})(?:\|[^>]*)?>?")

Removal = Literal["removed", "unknown", "configured", "last"]


@dataclass(frozen=True, slots=True)
class Admin:
    """A person or a user group that may administer; `added_by` is None for one that JOURNEYMAN_ADMINS names."""

    member: str
    configured: bool
    added_by: str | None
    added_at: datetime

    @property
    def is_group(self) -> bool:
        return is_group(self.member)


def is_admin(conn: Connection[Any], client: WebClient, person: str) -> bool:
    """Whether the person is an admin, by their id or by a user group that they are in."""
    members = {member for (member,) in conn.execute(_MEMBERS).fetchall()}
    if person in members:
        return True
    return any(person in group_members(client, group) for group in sorted(filter(is_group, members)))


def authorize(
    conn: Connection[Any], client: WebClient, person: str, action: str, detail: Mapping[str, Any] | None = None
) -> bool:
    """As `is_admin`, and the audit log says what was allowed or refused.

    The `text` of a command that is refused is not kept: it is what somebody typed, and was nothing that an admin did.
    """
    allowed = is_admin(conn, client, person)
    recorded_detail = {name: value for name, value in (detail or {}).items() if allowed or name != "text"}
    audit.record(conn, person, action, allowed=allowed, detail=recorded_detail)
    return allowed


def configure_admins(conn: Connection[Any], members: Iterable[str]) -> None:
    """Makes these members the admins that the setting names, in place of those of an earlier start."""
    parameters = {"members": list(members)}
    with conn.transaction():
        conn.execute(_KEEP_CONFIGURED, parameters)
        conn.execute(_CONFIGURE, parameters)


def list_admins(conn: Connection[Any]) -> list[Admin]:
    """Reads all admins, those that the setting names first."""
    with conn.cursor(row_factory=class_row(Admin)) as cursor:
        return cursor.execute(_LIST).fetchall()


def add_admin(conn: Connection[Any], member: str, added_by: str) -> bool:
    """Adds a person or a user group by id; False if it is one already."""
    return conn.execute(_ADD, {"member": member, "added_by": added_by}).rowcount > 0


def remove_admin(conn: Connection[Any], member: str) -> Removal:
    """Removes one that was added in Slack. The setting's stay, and so does the last one: somebody must be able to
    add the next.
    """
    with conn.transaction():
        conn.execute(_LOCK)  # two last admins who remove each other
        admins = list_admins(conn)
        rows = [admin for admin in admins if admin.member == member]
        if not rows:
            return "unknown"
        if all(admin.configured for admin in rows):
            return "configured"
        if len(admins) == 1:
            return "last"
        conn.execute(_REMOVE, {"member": member})
    return "removed"


def read_member(text: str) -> str | None:
    """Reads the id of a person or user group in what somebody typed; None for anything else.

    That is an id, `<@U…|name>` or `<!subteam^S…|name>`.
    """
    match = _MEMBER.fullmatch(text.strip())
    return match.group(1) if match else None


def is_group(member: str) -> bool:
    """Says whether an id is a user group's and no person's."""
    return member.startswith("S")


# Who is in which group, for each client: kept here because every listener asks, and dropped with the client.
_GROUPS: WeakKeyDictionary[WebClient, dict[str, tuple[float, frozenset[str]]]] = WeakKeyDictionary()
_GROUPS_LOCK = Lock()


def group_members(client: WebClient, group: str) -> frozenset[str]:
    """Returns the ids of a user group's members, asked from Slack once a minute; nobody while Slack does not say."""
    with _GROUPS_LOCK:
        asked_at, members = _GROUPS.setdefault(client, {}).get(group, (float("-inf"), frozenset()))
    if time.monotonic() - asked_at < GROUP_CACHE:
        return members
    try:
        response = client.usergroups_users_list(usergroup=group)
    except SLACK_ERRORS as error:
        log.warning("user_group_unknown", group=group, error=error_code(error))
        return frozenset()
    members = frozenset(map(str, response.get("users") or []))
    with _GROUPS_LOCK:
        _GROUPS[client][group] = (time.monotonic(), members)
    return members
