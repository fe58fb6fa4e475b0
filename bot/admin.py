"""The words of `/journeyman` about the installation itself: status, admins, model, finetune, rollback."""

from bot.authorization import Admin, add_admin, authorize, is_group, list_admins, read_member, remove_admin
from bot.commands import REFUSED, Said, Word
from bot.operations import ModelState
from bot.runtime import ACK_TIMEOUT, INTAKE_TIMEOUT, Runtime
from bot.status import status_text

NO_ADMINS = (
    "I have no admins yet. Set `JOURNEYMAN_ADMINS` to the Slack ids of people or user groups (a person's id: "
    "profile › ⋮ › _Copy member ID_) and start me again."
)
ADMINS_USAGE = (
    "I did not understand that. It is `/journeyman admins`, `/journeyman admins add @person` or `/journeyman admins "
    "remove @person`; a user group or an id like `U012AB3CD` can stand in place of the person."
)
_LAST_MODEL = "SELECT model, adapter FROM answer WHERE model IS NOT NULL ORDER BY asked_at DESC LIMIT 1"
_LEARNT_FROM = """
SELECT count(*) FILTER (WHERE vote = 1), count(*) FILTER (WHERE vote = -1), (SELECT count(*) FROM training_example)
FROM feedback
"""


def status(said: Said, runtime: Runtime) -> str:
    """How the bot did in the last 24 hours, and what is indexed."""
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        return status_text(conn)


def admins(said: Said, runtime: Runtime) -> str:
    """Who the admins are; and for admins: one more, or one less."""
    action, _, who = said.rest.partition(" ")
    with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
        if action in ("", "list"):
            return admins_text(list_admins(conn))
        member = read_member(who)
        if action not in ("add", "remove") or member is None:
            return ADMINS_USAGE
        if not authorize(conn, runtime.client, said.person, f"admins {action}", {"member": member}):
            return REFUSED.format(command=f"`/journeyman admins {action}`")
        if action == "add":
            added = add_admin(conn, member, said.person)
            return f"{named(member)} {'is an admin now' if added else 'was an admin already'}."
        return _removed(member, remove_admin(conn, member))


def model(said: Said, runtime: Runtime) -> str:
    """Which model and adapter answer."""
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        last = conn.execute(_LAST_MODEL).fetchone()
    state = runtime.operations.model() if runtime.operations.model else None
    lines = [] if state is None else [model_text(state)]
    if last is not None:
        lines.append(f"The last answer was written by `{last[0]}` {adapter_text(last[1])}.")
    return "\n".join(lines) or "No answer was written yet, so I cannot say which model writes them."


def finetune(said: Said, runtime: Runtime) -> str:
    """That there are no rounds yet, and what they will learn from."""
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        up, down, examples = conn.execute(_LEARNT_FROM).fetchone() or (0, 0, 0)
    return (
        "Fine-tuning rounds are not set up in this version, so there is none to start or to look at. What they will "
        f"learn from is being kept: {up} :thumbsup:, {down} :thumbsdown: and {examples} reviewed examples so far. "
        "`/journeyman review` makes more of those."
    )


def rollback(said: Said, runtime: Runtime) -> str:
    """That there is no adapter to go back from."""
    return (
        "There is nothing to roll back: fine-tuning rounds are not set up in this version, so no round has changed the "
        "model. `/journeyman model` says which one answers."
    )


def admins_text(found: list[Admin]) -> str:
    """The list, for people."""
    if not found:
        return NO_ADMINS
    lines = []
    for admin in found:
        origin = "by the setting JOURNEYMAN_ADMINS" if admin.configured else f"added by {named(admin.added_by or '')}"
        lines.append(f"• {named(admin.member)}{' (user group)' if admin.is_group else ''}, {origin}")
    return "\n".join(["*My admins*", *lines])


def model_text(state: ModelState) -> str:
    """The model in a sentence."""
    loaded = {True: ", loaded", False: ", which the next question loads", None: ""}[state.loaded]
    return f"The model that answers is `{state.name}` {adapter_text(state.adapter)}, {state.place}{loaded}."


def adapter_text(adapter: str | None) -> str:
    """With which adapter, or that there is none."""
    return f"with the adapter `{adapter}`" if adapter else "without an adapter"


def named(member: str) -> str:
    """A mention that notifies nobody: in an ephemeral text Slack shows the name alone."""
    return f"<!subteam^{member}>" if is_group(member) else f"<@{member}>" if read_member(member) else f"`{member}`"


def _removed(member: str, removal: str) -> str:
    return {
        "removed": f"{named(member)} is no longer an admin.",
        "unknown": f"{named(member)} was not an admin.",
        "configured": f"{named(member)} is set by JOURNEYMAN_ADMINS: take it away there and start me again.",
        "last": f"{named(member)} is the only admin I have. Add another one first.",
    }[removal]


WORDS = (
    Word("status", "/journeyman status", "how I am and what is indexed", status),
    Word("admins", "/journeyman admins [add|remove @person]", "who may administer me", admins, changes=True),
    Word("model", "/journeyman model", "which model and adapter answer", model, admins=True),
    Word("finetune", "/journeyman finetune", "what there is to learn from", finetune, admins=True),
    Word("rollback", "/journeyman rollback", "whether there is a round to undo", rollback, admins=True),
)
