"""`journeyman model`: the adapters: list them, look at one, have one answer, go back, compare two."""

from dataclasses import asdict
from typing import Any

import click

from bot.admin import audit
from finetune.model_card import model_card
from finetune.registry import Adapter, Switch, adapters, find, in_use
from finetune.registry import promote as switch_to
from finetune.registry import rollback as switch_back
from finetune.rounds.rows import rounds
from journeyman.cli.asking import PERSON
from journeyman.cli.finetune_report import describe_round
from journeyman.cli.options import Invocation, common_options, json_option, pass_invocation
from journeyman.cli.terminal import note, output_kept_clean, print_json
from journeyman.composition import application

name_argument = click.argument("name", metavar="NAME")


@click.group()
@common_options
def model() -> None:
    """The adapters that fine-tuning has made, and which one answers.

    \b
    Example:
      journeyman model list
      journeyman model promote round-7
    """


@model.command("list")
@json_option
@common_options
@pass_invocation
def list_adapters(invocation: Invocation, as_json: bool) -> None:
    """List the adapters, which one answers, and the last rounds.

    \b
    Example:
      journeyman model list
    """
    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn:
        known_adapters, switch, last_rounds = adapters(conn), in_use(conn), rounds(conn)
    if as_json:
        print_json(
            {
                "in_use": asdict(switch) if switch else None,
                "adapters": [asdict(adapter) for adapter in known_adapters],
                "rounds": [asdict(one) for one in last_rounds],
            }
        )
        return
    for adapter in known_adapters:
        click.echo(_line(adapter, switch))
    click.echo(_answers(switch))
    if last_rounds:
        click.echo("\n".join(["", "Last rounds:", *map(describe_round, last_rounds)]))
    else:
        note("There was no round yet: `journeyman finetune` begins one.")


@model.command()
@name_argument
@json_option
@common_options
@pass_invocation
def show(invocation: Invocation, name: str, as_json: bool) -> None:
    """Show what an adapter was made of, how it did, and whether it learnt what should be forgotten.

    \b
    Example:
      journeyman model show round-7
    """
    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn:
        adapter = find(conn, name)
    if as_json:
        print_json(asdict(adapter) | {"erased": adapter.erased})
        return
    click.echo(model_card(adapter.name, adapter.lineage, adapter.metrics, adapter.decision, adapter.reason), nl=False)
    if adapter.erased:
        click.echo(f"\n{adapter.erased}")


@model.command()
@name_argument
@click.option("--reason", metavar="WHY", help="Needed where the gate did not pass it; it is kept.")
@click.option("--percent", type=click.IntRange(1, 100), default=100, show_default=True, help="Of people, to try it on.")
@common_options
@pass_invocation
def promote(invocation: Invocation, name: str, reason: str | None, percent: int) -> None:
    """Have an adapter answer from the next question on.

    \b
    Example:
      journeyman model promote round-7
      journeyman model promote round-7 --percent 10
    """
    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn, conn.transaction():
        switch = switch_to(conn, name, by=PERSON, reason=reason, percent=percent)
        audit.record(conn, PERSON, "model promote", detail={"adapter": name, "percent": percent, "reason": reason})
    note(f"{_answers(switch)} To go back: journeyman model rollback")


@model.command()
@click.option("--reason", default="asked for at the command line", metavar="WHY", help="It is kept.")
@common_options
@pass_invocation
def rollback(invocation: Invocation, reason: str) -> None:
    """End the trial there is, or go back to what answered before.

    \b
    Example:
      journeyman model rollback --reason "the tone is wrong"
    """
    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn, conn.transaction():
        switch = switch_back(conn, by=PERSON, reason=reason)
        audit.record(conn, PERSON, "model rollback", detail={"adapter": switch.active, "reason": reason})
    note(_answers(switch))


@model.command()
@click.argument("one", metavar="NAME")
@click.argument("other", metavar="OTHER")
@json_option
@common_options
@pass_invocation
def diff(invocation: Invocation, one: str, other: str, as_json: bool) -> None:
    """Show in what two adapters differ: data, arguments, machine, figures.

    \b
    Example:
      journeyman model diff round-6 round-7
    """
    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn:
        pair = find(conn, one), find(conn, other)
    values = differences(*(_flat(adapter) for adapter in pair))
    if as_json:
        print_json({name: {one: first, other: second} for name, (first, second) in values.items()})
        return
    width = max((len(name) for name in values), default=0)
    for name, (first, second) in values.items():
        click.echo(f"{name:<{width}}  {first}  →  {second}")
    if not values:
        note("They are alike in everything that is kept.")


def differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The values that are not the same, by name."""
    return {
        name: (one.get(name), other.get(name))
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    }


def _flat(adapter: "Adapter") -> dict[str, Any]:
    values: dict[str, Any] = {"decision": adapter.decision, "parent": adapter.parent}
    for name, value in adapter.lineage.items():
        if name == "losses":
            values["last loss"] = value[-1] if value else None
        elif isinstance(value, dict):
            values |= {f"{name} {key}": item for key, item in value.items()}
        else:
            values[name] = value
    for part, scores in (adapter.metrics.get("sets") or {}).items():
        values |= {f"{score} ({part})": arms.get("candidate") for score, arms in scores.items()}
    return values


def _line(adapter: "Adapter", switch: "Switch | None") -> str:
    uses = {switch.active: "answers", switch.trial: f"tried on {switch.percent} %"} if switch else {}
    state = uses.get(adapter.name) or {"promote": "proved better", "refuse": "refused"}.get(
        adapter.decision, "undecided"
    )
    lines = [f"{adapter.name}  {adapter.created_at:%Y-%m-%d %H:%M}  {state}  {adapter.reason}"]
    if adapter.erased:
        lines.append(f"  {adapter.erased}")
    return "\n".join(lines)


def _answers(switch: "Switch | None") -> str:
    if switch is None:
        return "The model answers as it comes, without an adapter."
    who = f"{switch.active} answers" if switch.active else "The model answers as it comes, without an adapter"
    trial = f"; {switch.trial} is tried on {switch.percent} % of people" if switch.trial else ""
    return f"{who}{trial}, since {switch.at:%Y-%m-%d %H:%M} ({switch.reason})."
