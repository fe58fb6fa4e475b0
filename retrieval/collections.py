"""Collections and whom they are for: their audiences, and how they are written.

What was made of several collections is for those who may read all of them. Such a text stands in a collection of its
own, whose audience is the principal `all:1+2` (with the collections' ids): somebody has it who may read each of them.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

_LIST = """
SELECT c.name, c.audience, (SELECT count(*) FROM document d JOIN source s ON s.id = d.source_id
                            WHERE s.collection = c.name)::int AS documents,
    ARRAY(SELECT p.name FROM collection p, unnest(c.audience) AS a
          WHERE a LIKE 'all:%' AND p.id::text = ANY (string_to_array(substr(a, 5), '+')) ORDER BY p.id) AS parts
FROM collection c ORDER BY c.name
"""
_SET = "UPDATE collection SET audience = %(audience)s WHERE name = %(name)s"
_AUDIENCES = "SELECT id, name, audience FROM collection"
_ADD = """
INSERT INTO collection (name, audience) VALUES (%(name)s, coalesce(%(audience)s::text[], '{everyone}'))
ON CONFLICT DO NOTHING
"""
_AUDIENCE = "SELECT audience FROM collection WHERE name = %(name)s"
_PRINCIPAL = re.compile(
    r"anyone|everyone|user:[UW][A-Z0-9]+|group:S[A-Z0-9]+|channel:[CG][A-Z0-9]+|all:[0-9]+(?:\+[0-9]+)+"
)
ALL = "all:"
_KINDS = {"U": "user", "W": "user", "S": "group", "C": "channel", "G": "channel"}
_MENTION = re.compile(r"<(?:@|!subteam\^|#)([A-Z0-9]+)(?:\|[^>]*)?>")


class WrongAudience(ValueError):
    """What was given names nobody that a collection can be for; the message says what can."""


class OtherAudience(Exception):
    """A collection that was to be made for somebody is there already, and for others."""

    def __init__(self, name: str, audience: Sequence[str], other: Sequence[str]) -> None:
        options = " ".join(f"--set {who}" for who in other)
        super().__init__(
            f"{name} is for {', '.join(audience) or 'nobody'} already: name another collection, leave the audience "
            f"out, or change it first with `journeyman collection audience {name} {options}`."
        )


@dataclass(frozen=True, slots=True)
class Audience:
    """A collection with whom it is for; nobody, if that is empty. `parts`: the collections that an `all:` names."""

    name: str
    audience: Sequence[str]
    documents: int
    parts: Sequence[str] = ()

    @property
    def people(self) -> list[str]:
        """Whom it is for, in words where it is for those who may read other collections."""
        principals = [who for who in self.audience if not who.startswith(ALL)]
        return [*principals, *([f"whoever may read all of {', '.join(self.parts)}"] if self.parts else [])]


def list_audiences(conn: Connection[Any]) -> list[Audience]:
    """All collections by name."""
    with conn.cursor(row_factory=class_row(Audience)) as cursor:
        return cursor.execute(_LIST).fetchall()


def add_collection(conn: Connection[Any], name: str, audience: Iterable[str] | None = None) -> None:
    """Makes the collection if there is none of this name: for everyone, if nobody else is named.

    Raises OtherAudience if it is there and for others than `audience`.
    """
    principals = None if audience is None else sorted(set(audience))
    conn.execute(_ADD, {"name": name, "audience": principals})
    ((there,),) = conn.execute(_AUDIENCE, {"name": name}).fetchall()
    if principals is not None and sorted(there) != principals:
        raise OtherAudience(name, there, principals)


def set_audience(conn: Connection[Any], name: str, principals: Iterable[str]) -> bool:
    """From the next question on this is whom the collection is for; False if there is no such collection."""
    return conn.execute(_SET, {"name": name, "audience": sorted(set(principals))}).rowcount > 0


def with_combined(principals: Collection[str], audiences: Mapping[int, Collection[str]]) -> tuple[str, ...]:
    """The principals, and after them each `all:` that they amount to. `audiences` are those of all collections, by
    id; a collection that is not there is nobody's.
    """
    has = dict.fromkeys(principals)
    combined = {
        principal_name
        for audience in audiences.values()
        for principal_name in audience
        if principal_name.startswith(ALL)
    }
    while new := [
        principal_name
        for principal_name in sorted(combined - has.keys())
        if all(has.keys() & audiences.get(i, ()) for i in _ids(principal_name))
    ]:
        has.update(dict.fromkeys(new))
    return tuple(has)


def collection_for_all(conn: Connection[Any], names: Collection[str]) -> str:
    """The collection for what was made of these: the one, or that of those who may read all of them.

    One that is not there (any more) is made, and nobody's.
    """
    for name in names:
        conn.execute(_ADD, {"name": name, "audience": []})
    rows = {name: (number, audience) for number, name, audience in conn.execute(_AUDIENCES).fetchall()}
    parts: set[int] = set()
    for number, audience in (rows[name] for name in names):
        combined = len(audience) == 1 and audience[0].startswith(ALL)
        parts |= _ids(audience[0]) if combined else {number}
    names_by_id = {number: name for name, (number, _) in rows.items()}
    if len(names) == 1 or len(parts) == 1:
        return next(iter(names)) if len(names) == 1 else names_by_id[parts.pop()]
    ids = sorted(parts)
    return collection_for(conn, f"{ALL}{'+'.join(map(str, ids))}", " + ".join(names_by_id[part] for part in ids))


def collection_for(conn: Connection[Any], principal: str, name: str) -> str:
    """The collection of this name that is for the principal and nobody else, made if there is none.

    Where an admin has given one of this name another audience, it is the next one, with a number.
    """
    names = (name if number == 1 else f"{name} ({number})" for number in count(1))
    return next(candidate for candidate in names if _is_for(conn, candidate, principal))


def with_made_of(conn: Connection[Any], names: Iterable[str], channel: str) -> list[str]:
    """The collections, and with them those of what was made of nothing else, and of the replies in the channel."""
    bases = set(names)
    replies = [f"channel:{channel}"]
    return sorted(
        bases
        | {
            row.name
            for row in list_audiences(conn)
            if (row.parts and bases.issuperset(row.parts))
            or (row.audience == replies and row.name.startswith(replies_in(channel)))
        }
    )


def replies_in(channel: str) -> str:
    """The name of the collection for what people said in a channel that not everybody may read."""
    return f"replies in {channel}"


def _is_for(conn: Connection[Any], name: str, principal: str) -> bool:
    """Whether the collection, which is made if there is none of this name, is for the principal alone."""
    values = {"name": name, "audience": [principal]}
    conn.execute(_ADD, values)
    return conn.execute(_AUDIENCE, values).fetchone() == ([principal],)


def _ids(combined: str) -> set[int]:
    return {int(part) for part in combined.removeprefix(ALL).split("+")}


def principal(text: str) -> str:
    """Somebody as an audience names them: `everyone`, `anyone`, `user:U…`, `group:S…`, `channel:C…`; also given as a
    bare Slack id or as Slack's own mention. Raises WrongAudience.
    """
    mention = _MENTION.fullmatch(text.strip())
    name = mention[1] if mention else text.strip()
    if ":" not in name and name.isalnum() and name.isupper() and len(name) > 2:
        name = f"{_KINDS.get(name[0], '?')}:{name}"
    name = name.lower() if name.lower() in ("everyone", "anyone") else name
    if not _PRINCIPAL.fullmatch(name):
        raise WrongAudience(
            f"{text} is nobody that a collection can be for: say everyone, anyone, or a Slack id of a person (U…), "
            "a user group (S…) or a channel (C…)."
        )
    return name
