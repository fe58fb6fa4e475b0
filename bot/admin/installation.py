"""The subcommands of `/journeyman` about the installation itself: status and admins."""

from bot.admin.authorization import Admin, add_admin, authorize, is_group, list_admins, read_member, remove_admin
from bot.admin.commands import REFUSED, Command, Subcommand
from bot.admin.status import status_text
from bot.questions.readers import personal
from bot.runtime import ACK_TIMEOUT, INTAKE_TIMEOUT, Runtime

NO_ADMINS = (
    "I have no admins yet. Set `JOURNEYMAN_ADMINS` to the Slack ids of people or user groups (a person's id: "
    "profile › ⋮ › _Copy member ID_) and restart me."
)
ADMINS_USAGE = (
    "I did not understand that. Use `/journeyman admins`, `/journeyman admins add @person` or `/journeyman admins "
    "remove @person`. Instead of a person you can name a user group, or an id such as `U012AB3CD`."
)


def status(command: Command, runtime: Runtime) -> str:
    """Says how the bot did in the last 24 hours, and what is indexed of that which the person may read."""
    principals = personal(runtime, command.person)
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        return status_text(conn, principals)


def admins(command: Command, runtime: Runtime) -> str:
    """Says who the admins are; for an admin it also adds one, or removes one."""
    action, _, mention = command.rest.partition(" ")
    with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
        if action in ("", "list"):
            return admins_text(list_admins(conn))
        member = read_member(mention)
        if action not in ("add", "remove") or member is None:
            return ADMINS_USAGE
        if not authorize(conn, runtime.client, command.person, f"admins {action}", {"member": member}):
            return REFUSED.format(command=f"`/journeyman admins {action}`")
        if action == "add":
            added = add_admin(conn, member, command.person)
            return f"{named(member)} {'is an admin now' if added else 'was an admin already'}."
        return _removed(member, remove_admin(conn, member))


def admins_text(admins: list[Admin]) -> str:
    """Lists the admins, each with where they were named."""
    if not admins:
        return NO_ADMINS
    lines = []
    for admin in admins:
        origin = "by the setting JOURNEYMAN_ADMINS" if admin.configured else f"added by {named(admin.added_by or '')}"
        lines.append(f"• {named(admin.member)}{' (user group)' if admin.is_group else ''}, {origin}")
    return "\n".join(["*My admins*", *lines])


def named(member: str) -> str:
    """Names an admin by a mention, which notifies nobody in an ephemeral text: Slack shows the name alone."""
    return f"<!subteam^{member}>" if is_group(member) else f"<@{member}>" if read_member(member) else f"`{member}`"


def _removed(member: str, removal: str) -> str:
    return {
        "removed": f"{named(member)} is no longer an admin.",
        "unknown": f"{named(member)} was not an admin.",
        "configured": f"{named(member)} is set by JOURNEYMAN_ADMINS: remove it there and restart me.",
        "last": f"{named(member)} is the only admin I have. Add another one first.",
    }[removal]


SUBCOMMANDS = (
    Subcommand("status", "/journeyman status", "shows how I am and what is indexed", status),
    Subcommand(
        "admins",
        "/journeyman admins [add|remove @person]",
        "shows and changes who may administer me",
        admins,
        changes=True,
    ),
)
