"""The subcommands of `/journeyman` about the model: which one answers, a round of fine-tuning, promotion, the way back.

A round is a worker's (`finetune.rounds`). Here it is asked for; its message is kept up to date by
`bot.admin.round_messages`.
"""

import psycopg
import structlog

from bot.admin.commands import Command, Subcommand
from bot.admin.round_messages import follow, keep_message
from bot.admin.status import NO_ANSWER_YET, last_answer_text
from bot.admin.tuning_views import adapter_details, model_text, round_text, switch_text
from bot.runtime import ACK_TIMEOUT, INTAKE_TIMEOUT, Runtime
from bot.slack.mrkdwn import plain
from bot.slack.workspace import error_code
from finetune.registry import NotPossible, adapters, in_use
from finetune.registry import find as find_adapter
from finetune.registry import promote as promote_adapter
from finetune.registry import rollback as roll_back
from finetune.rounds.rows import open_round, rounds
from jobs.rows import cancel_job

log = structlog.get_logger(__name__)

MOST = 5  # adapters and rounds that are listed
NOT_HERE = "I cannot fine-tune from here. Use `journeyman finetune` at the command line."
MODEL_USAGE = (
    "Use `/journeyman model` to see what answers, `/journeyman model show NAME` or `/journeyman model promote NAME "
    "[reason]`. A reason is needed for an adapter that did not pass the gate, and it is kept."
)
FINETUNE_USAGE = (
    "Use `/journeyman finetune` to see what there is to learn from, `/journeyman finetune start` to begin a round, "
    "`/journeyman finetune now` to begin one however little there is, or `/journeyman finetune stop` to end it."
)
_LEARNT_FROM = """
SELECT count(*) FILTER (WHERE vote = 1), count(*) FILTER (WHERE vote = -1), (SELECT count(*) FROM training_example)
FROM feedback
"""


def model(command: Command, runtime: Runtime) -> str:
    """Says which model and adapter answer, shows one adapter, or promotes one."""
    action, _, rest = command.rest.partition(" ")
    name, _, reason = rest.strip().partition(" ")
    try:
        if action == "show" and name:
            with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
                return adapter_details(find_adapter(conn, name))
        if action == "promote" and name:
            with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
                switch = promote_adapter(conn, name, by=command.person, reason=reason.strip() or None)
            return f"{switch_text(switch)} `/journeyman rollback` goes back."
    except NotPossible as error:
        return plain(str(error)).replace("say --reason WHY", "write the reason after its name")
    return MODEL_USAGE if action not in ("", "list") else _overview(runtime)


def finetune(command: Command, runtime: Runtime) -> str | None:
    """Says what there is to learn from, and how the last rounds ended; or starts a round, or stops the one there is."""
    if command.rest in ("start", "now"):
        return _start(command, runtime)
    if command.rest == "stop":
        return _stop(command, runtime)
    if command.rest:
        return FINETUNE_USAGE
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        up, down, examples = conn.execute(_LEARNT_FROM).fetchone() or (0, 0, 0)
        last = rounds(conn, MOST)
    lines = [
        f"There are {up} :thumbsup:, {down} :thumbsdown: and {examples} reviewed examples to learn from. "
        "`/journeyman review` makes more of those; `/journeyman finetune start` begins a round."
    ]
    return "\n".join([*lines, *(f"• {round_text(round_)}" for round_ in last)])


def rollback(command: Command, runtime: Runtime) -> str:
    """Ends the trial there is, or goes back to what answered before."""
    reason = command.rest or "asked for in Slack"
    try:
        with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
            return switch_text(roll_back(conn, by=command.person, reason=reason))
    except NotPossible as error:
        return plain(str(error))


def _overview(runtime: Runtime) -> str:
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        last_answer = last_answer_text(conn)
        switch, newest = in_use(conn), adapters(conn)[:MOST]
    state = runtime.operations.model() if runtime.operations.model else None
    lines = [] if state is None else [model_text(state)]
    if switch is not None:
        lines.append(switch_text(switch))
    if last_answer is not None:
        lines.append(last_answer)
    lines += [f"• `{plain(adapter.name)}`: {adapter.decision}. {plain(adapter.reason)}" for adapter in newest]
    return "\n".join(lines) or NO_ANSWER_YET


def _start(command: Command, runtime: Runtime) -> str | None:
    if runtime.operations.finetune is None:
        return NOT_HERE
    try:
        number = runtime.operations.finetune(command.person, command.rest == "now")
    except Exception as error:  # noqa: BLE001 - the edge to another room: the person is told what to do
        log.warning("round_not_started", error=error_code(error))
        return "I could not start a round. Please try again in a minute."
    try:
        with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
            message = keep_message(conn, number, command.channel, command.person, runtime.owner)
    except psycopg.Error as error:
        log.warning("round_message_not_saved", round=number, error=error_code(error))
        return f"Round {number} is asked for. `/journeyman finetune` says how far it is."
    follow(message, runtime)
    return None


def _stop(command: Command, runtime: Runtime) -> str:
    with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
        round_ = open_round(conn)
        if round_ is None or round_.job_id is None or not cancel_job(conn, round_.job_id, command.person):
            return "No round is under way."
        rounds(conn, 0)  # one that nobody works on has ended with its job
    return f"Round {round_.id} is cancelled. The model that answers stays as it is."


SUBCOMMANDS = (
    Subcommand(
        "model",
        "/journeyman model [show NAME|promote NAME]",
        "shows which model answers, and promotes an adapter",
        model,
        admins=True,
        changes=True,
    ),
    Subcommand(
        "finetune",
        "/journeyman finetune [start|now|stop]",
        "learns from votes and corrections",
        finetune,
        admins=True,
        changes=True,
    ),
    Subcommand(
        "rollback",
        "/journeyman rollback [reason]",
        "goes back to the adapter before",
        rollback,
        admins=True,
        changes=True,
    ),
)
