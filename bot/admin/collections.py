"""`/journeyman collection`: for admins, which collections there are and whom they are for."""

from collections.abc import Sequence

from bot.admin.audit import record
from bot.admin.commands import Command, Subcommand
from bot.runtime import INTAKE_TIMEOUT, Runtime
from bot.slack.mrkdwn import plain, unescape
from retrieval.collections import Audience, WrongAudience, list_audiences, principal, set_audience

USAGE = (
    "Use `/journeyman collection` to list them, or `/journeyman collection NAME add|remove WHO`, where WHO is "
    "everyone, anyone, or the mention or id of a person, user group or channel."
)
_MENTION = {"user": "<@{}>", "group": "<!subteam^{}>", "channel": "<#{}>"}


def collection(command: Command, runtime: Runtime) -> str:
    """Lists the collections with their audiences, or adds somebody to an audience, or removes them."""
    if not command.rest:
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            rows = list_audiences(conn)
        return "\n".join(map(_line, rows)) or "There are no collections yet."
    name, action, who = [*command.rest.rsplit(None, 2), "", ""][:3]
    try:
        person = principal(who)
    except WrongAudience:
        return USAGE
    if action not in ("add", "remove"):
        return USAGE
    name = unescape(name)
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        audiences = {row.name: set(row.audience) for row in list_audiences(conn)}
        if name not in audiences:
            return f"There is no collection {plain(name)}. `/journeyman collection` shows them."
        after = audiences[name] | {person} if action == "add" else audiences[name] - {person}
        set_audience(conn, name, after)
        record(conn, command.person, f"collection {action}", detail={"collection": name, "principal": person})
    return f"From the next question on, {plain(name)} is for {_people(sorted(after))}."


def _line(row: Audience) -> str:
    return f"• *{plain(row.name)}*: {row.documents} documents, for {_people(row.people)}"


def _people(audience: Sequence[str]) -> str:
    return ", ".join(map(_person, audience)) or "nobody"


def _person(principal: str) -> str:
    kind, _, which = principal.partition(":")
    return _MENTION[kind].format(which) if kind in _MENTION else plain(principal)


SUBCOMMANDS = (
    Subcommand(
        "collection",
        "/journeyman collection [NAME add|remove WHO]",
        "shows and sets who may read which documents",
        collection,
        admins=True,
        changes=True,
    ),
)
