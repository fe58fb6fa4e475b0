"""The words of `/journeyman` about the model: which one answers, a round of fine-tuning, its promotion, the way back.

A round is a worker's. Here it is asked for, and a thread keeps its message up to date until it has ended.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from threading import Thread
from typing import Any

import psycopg
import structlog
from psycopg import Connection
from psycopg.rows import class_row

from bot.admin.commands import Command, Subcommand
from bot.operations import ModelState
from bot.runtime import ACK_TIMEOUT, INTAKE_TIMEOUT, Runtime
from bot.slack.mrkdwn import plain, slack_date
from bot.slack.notify import post_direct
from bot.slack.people import mention
from bot.slack.workspace import SLACK_ERRORS, error_code
from finetune.registry import Adapter, NotPossible, Switch, adapters, in_use
from finetune.registry import find as find_adapter
from finetune.registry import promote as promote_adapter
from finetune.registry import rollback as roll_back
from finetune.rounds.rows import Round, open_round, rounds, with_number
from jobs.rows import cancel_job

log = structlog.get_logger(__name__)

PACE = 5.0  # seconds between two updates of a round's message
TRIES = 12  # to show how it ended
MOST = 5  # adapters and rounds that are listed
NOT_HERE = "I cannot fine-tune from here. `journeyman finetune` does it at the command line."
MODEL_USAGE = (
    "It is `/journeyman model` for what answers, `/journeyman model show NAME` or `/journeyman model promote NAME "
    "[reason]`. A reason is needed for one that the gate did not pass, and it is kept."
)
FINETUNE_USAGE = (
    "It is `/journeyman finetune` for what there is to learn from, `/journeyman finetune start` to begin a round, or "
    "`/journeyman finetune now` to begin one on however little there is, `/journeyman finetune stop` to end it."
)
_TO_SHOW = """
INSERT INTO round_message (round_id, channel, person, owner)
VALUES (%(round_id)s, %(channel)s, %(person)s, %(owner)s) RETURNING id, round_id, channel, ts, person
"""
_POSTED = "UPDATE round_message SET channel = %(channel)s, ts = %(ts)s WHERE id = %(id)s"
_ADOPT = """
UPDATE round_message SET owner = %(owner)s WHERE owner IS NULL OR owner = ANY(%(gone)s)
RETURNING id, round_id, channel, ts, person
"""
_SHOWN = "DELETE FROM round_message WHERE id = %(id)s"
_LAST_MODEL = "SELECT model, adapter FROM answer WHERE model IS NOT NULL ORDER BY asked_at DESC LIMIT 1"
_LEARNT_FROM = """
SELECT count(*) FILTER (WHERE vote = 1), count(*) FILTER (WHERE vote = -1), (SELECT count(*) FROM training_example)
FROM feedback
"""


@dataclass(frozen=True, slots=True)
class RoundMessage:
    """A message that shows a round, for `person`; `ts` is None as long as it is not posted."""

    id: int
    round_id: int
    channel: str
    ts: str | None
    person: str | None


def model(command: Command, runtime: Runtime) -> str:
    """Which model and adapter answer; one adapter; or the promotion of one."""
    action, _, rest = command.rest.partition(" ")
    name, _, reason = rest.strip().partition(" ")
    try:
        if action == "show" and name:
            with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
                return adapter_details(find_adapter(conn, name))
        if action == "promote" and name:
            with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
                switch = promote_adapter(conn, name, by=command.person, reason=reason.strip() or None)
            return f"{answering(switch)} `/journeyman rollback` goes back."
    except NotPossible as error:
        return plain(str(error)).replace("say --reason WHY", "say why behind its name")
    return MODEL_USAGE if action not in ("", "list") else _overview(runtime)


def finetune(command: Command, runtime: Runtime) -> str | None:
    """What there is to learn from, and the last rounds; or a new round, with a message that says how far it is."""
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
    """End the trial there is, or go back to what answered before."""
    reason = command.rest or "asked for in Slack"
    try:
        with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
            return answering(roll_back(conn, by=command.person, reason=reason))
    except NotPossible as error:
        return plain(str(error))


def answering(switch: Switch | None) -> str:
    """What answers, since when and why."""
    if switch is None:
        return "No adapter is in use: the model answers as it comes."
    subject = f"The adapter `{plain(switch.active)}` answers" if switch.active else "The model answers as it comes"
    trial = f", and `{plain(switch.trial)}` is tried on {switch.percent} % of people" if switch.trial else ""
    return f"{subject}{trial}, since {slack_date(switch.at)} ({plain(switch.reason)})."


def round_text(round_: Round) -> str:
    """A round in a line or two."""
    cost = round_.cost
    if round_.state == "open":
        if "step" in cost and "seconds" not in cost:
            pace = f", loss {cost['loss']:.3f}, {cost.get('tokens_per_second', 0):.0f} tokens/s"
            left = _left(cost)
            return f"*Round {round_.id}*: step {cost['step']} of {cost['steps']}{pace}{left}"
        if "seconds" in cost:
            return f"*Round {round_.id}*: trained in {cost['seconds']:.0f} s, is evaluated now"
        stands = "waits for a worker" if round_.waits else f"under way{_expected(cost)}"
        return f"*Round {round_.id}*, asked for by {_asker(round_)}: {stands}"
    took = f" Training took {cost['seconds']:.0f} s and {cost['peak_megabytes']} MB." if "seconds" in cost else ""
    return f"*Round {round_.id}*: {round_.state}. {plain(round_.reason or '')}{took}"


def adapter_details(adapter: Adapter) -> str:
    """What an adapter is made of, and what the gate saw."""
    lineage = adapter.lineage
    lines = [
        f"*{plain(adapter.name)}*, {slack_date(adapter.created_at)}: {plain(adapter.reason)}",
        f"{lineage.get('method', '?')} over {plain(adapter.base)}, dataset {adapter.dataset_id}, "
        f"{lineage.get('examples', '?')} examples, rank {lineage.get('rank', '?')}, seed {lineage.get('seed', '?')}",
    ]
    for part, scores in (adapter.metrics.get("sets") or {}).items():
        values = ", ".join(
            f"{score} {arms.get('candidate', 0):.3f} ({arms.get('active', 0):.3f} before)"
            for score, arms in scores.items()
        )
        lines.append(f"• {plain(part)}: {values}")
    return "\n".join([*lines, *([f":warning: {adapter.erased}"] if adapter.erased else [])])


def model_text(state: ModelState) -> str:
    """The model in a sentence."""
    loaded = {True: ", loaded", False: ", which the next question loads", None: ""}[state.loaded]
    text = f"The model that answers is `{plain(state.name)}` {adapter_text(state.adapter)}, {state.place}{loaded}."
    return f"{text}\n:warning: The adapter cannot be used here: {plain(state.problem)}" if state.problem else text


def adapter_text(adapter: str | None) -> str:
    """With which adapter, or that there is none."""
    return f"with the adapter `{plain(adapter)}`" if adapter else "without an adapter"


def _overview(runtime: Runtime) -> str:
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        last_answer = conn.execute(_LAST_MODEL).fetchone()
        switch, newest = in_use(conn), adapters(conn)[:MOST]
    state = runtime.operations.model() if runtime.operations.model else None
    lines = [] if state is None else [model_text(state)]
    if switch is not None:
        lines.append(answering(switch))
    if last_answer is not None:
        lines.append(f"The last answer was written by `{plain(last_answer[0])}` {adapter_text(last_answer[1])}.")
    lines += [f"• `{plain(adapter.name)}`: {adapter.decision}. {plain(adapter.reason)}" for adapter in newest]
    return "\n".join(lines) or "No answer was written yet, so I cannot say which model writes them."


def _start(command: Command, runtime: Runtime) -> str | None:
    if runtime.operations.finetune is None:
        return NOT_HERE
    try:
        number = runtime.operations.finetune(command.person, command.rest == "now")
    except Exception as error:  # noqa: BLE001 - the edge to another room: the person is told what to do
        log.warning("round_not_started", error=error_code(error))
        return "I could not note that down: try again in a minute."
    parameters = {"round_id": number, "channel": command.channel, "person": command.person, "owner": runtime.owner}
    try:
        with (
            runtime.pool.connection(timeout=ACK_TIMEOUT) as conn,
            conn.cursor(row_factory=class_row(RoundMessage)) as cursor,
        ):
            message = cursor.execute(_TO_SHOW, parameters).fetchall()[0]
    except psycopg.Error as error:
        log.warning("round_message_not_kept", round=number, error=error_code(error))
        return f"Round {number} is asked for. `/journeyman finetune` says how far it is."
    follow(message, runtime)
    return None


def adopt_messages(conn: Connection[Any], owner: int, gone: Collection[int]) -> list[RoundMessage]:
    """Makes the messages of processes that are gone, and that had not shown their end, `owner`'s."""
    with conn.cursor(row_factory=class_row(RoundMessage)) as cursor:
        return cursor.execute(_ADOPT, {"owner": owner, "gone": list(gone)}).fetchall()


def follow(message: RoundMessage, runtime: Runtime) -> None:
    """Posts a round's message, unless it is, and keeps it up to date: in a thread of its own, which ends with the round
    or with this process.
    """
    Thread(target=_watch, args=(message, runtime), name=f"round-{message.round_id}", daemon=True).start()


def _stop(command: Command, runtime: Runtime) -> str:
    with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
        round_ = open_round(conn)
        if round_ is None or round_.job_id is None or not cancel_job(conn, round_.job_id, command.person):
            return "No round is under way."
        rounds(conn, 0)  # one that nobody works on has ended with its job
    return f"Round {round_.id} is cancelled. What answers stays as it is."


def _watch(message: RoundMessage, runtime: Runtime) -> None:
    """Until the end was shown, or could not be for long."""
    last_text, tries, first = "", 0, True
    while tries < TRIES and not runtime.stopping.wait(0 if first else PACE):
        first = False
        try:
            with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
                round_ = with_number(conn, message.round_id)
            if round_ is None:
                break
            tries += round_.state != "open" or message.ts is None
            text = round_text(round_)
            if message.ts is None:
                message, last_text = _post(message, text, runtime), text
            elif text != last_text:
                runtime.client.chat_update(channel=message.channel, ts=message.ts, text=text)
                last_text = text
            if round_.state != "open":
                break
        except (*SLACK_ERRORS, psycopg.Error) as error:
            log.warning("round_not_shown", round=message.round_id, error=error_code(error))
    else:
        if tries < TRIES:
            return  # this process ends: another one goes on
    try:
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            conn.execute(_SHOWN, {"id": message.id})
    except psycopg.Error as error:
        log.warning("round_message_not_forgotten", round=message.round_id, error=error_code(error))


def _post(message: RoundMessage, text: str, runtime: Runtime) -> RoundMessage:
    """Where the command was typed, else in a direct message. Raises SLACK_ERRORS and psycopg.Error."""
    try:
        response = runtime.client.chat_postMessage(channel=message.channel, text=text)
        channel, ts = str(response["channel"]), str(response["ts"])
    except SLACK_ERRORS as error:
        if message.person is None:
            raise
        log.info("round_not_posted", round=message.round_id, error=error_code(error))
        channel, ts = post_direct(runtime.client, message.person, text=text)
    message = replace(message, channel=channel, ts=ts)
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        conn.execute(_POSTED, asdict(message))
    return message


def _left(cost: Mapping[str, Any]) -> str:
    estimate = cost.get("estimate")
    if not estimate or not estimate.get("steps"):
        return ""
    seconds = estimate["seconds"] / estimate["steps"] * (cost["steps"] - cost["step"])
    return f", about {seconds / 60:.0f} min left" if seconds > 100 else f", about {seconds:.0f} s left"


def _expected(cost: Mapping[str, Any]) -> str:
    estimate = cost.get("estimate")
    if not estimate:
        return ""
    return f"; training will take about {max(1, estimate['seconds'] / 60):.0f} min and {estimate['peak_megabytes']} MB"


def _asker(round_: Round) -> str:
    return "the schedule" if round_.started_by == "schedule" else mention(round_.started_by)


SUBCOMMANDS = (
    Subcommand("model", "/journeyman model [show NAME|promote NAME]", "what answers", model, admins=True, changes=True),
    Subcommand(
        "finetune",
        "/journeyman finetune [start|now|stop]",
        "learn from votes and corrections",
        finetune,
        admins=True,
        changes=True,
    ),
    Subcommand(
        "rollback",
        "/journeyman rollback [reason]",
        "go back to the adapter before",
        rollback,
        admins=True,
        changes=True,
    ),
)
