"""The live message of a run of the index: a pure function from the run to blocks."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from bot.slack.blocks import Block, Message, actions, amount, button, confirmation, section
from bot.slack.mrkdwn import plain, slack_date, split
from bot.slack.people import CONSOLE, mention
from retrieval.indexing.reindexing import Run

CANCEL_ACTION = "reindex_cancel"
MOST_FAILURES = 20
BAR = 20  # characters


NAMELESS = "some documents"
UNNAMED = (
    "Not everybody here may read these documents, so I do not name them. `journeyman reindex` does, and so does "
    "`/reindex` where everybody may read them."
)


def run_message(run: Run, now: datetime, *, with_names: bool = True) -> Message:
    """Shows the run as it stands at `now`, with a button to cancel it until it has ended.

    Not `with_names`, it says no word of what the documents are called.
    """
    if not with_names:
        run = _nameless(run)
    head = f"*{_title(run)}*, asked for by {mention(run.started_by)}"
    fields = [{"type": "mrkdwn", "text": f"*{label}*\n{value}"} for label, value in _counts(run).items()]
    blocks = [section(f"{head}\n{_state(run, now)}"), {"type": "section", "fields": fields}]
    blocks += [_cancel_button(run)] if run.is_open else _ending(run)
    # The text is what a screen reader and a notification say: no picture of twenty signs.
    return Message(f"{_title(run)}: {_state(run, now).removeprefix(_bar(run)).strip()}", blocks)


def already_running(run: Run, *, with_names: bool = True) -> str:
    """Says who started the run that is open already; `with_names` is as for `run_message`."""
    if not with_names:
        run = _nameless(run)
    stands = "it waits for a worker" if run.state == "queued" else f"it has done {run.done} of {run.total} documents"
    return (
        f"*{plain(run.target)}* is being indexed already: {mention(run.started_by)} started it "
        f"{slack_date(run.queued_at)}, and {stands}. Ask again when it is done."
    )


def duration(seconds: float) -> str:
    """Says a number of seconds in the unit that people would use."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _nameless(run: Run) -> Run:
    report = None if run.report is None else {**run.report, "failures": []}
    if report is not None and run.report and run.report.get("failures"):
        report["withheld"] = True
    error = "the log says why" if run.error else None
    return replace(run, target=NAMELESS, message=None, report=report, error=error)


def _title(run: Run) -> str:
    how = " by force" if run.force else ""
    return f"{'Dry run of' if run.dry_run else 'Indexing'} {plain(run.target)}{how}"


def _state(run: Run, now: datetime) -> str:
    match run.state:
        case "queued":
            return ":hourglass_flowing_sand: waits for a worker"
        case "running" if run.cancelled_by is not None:
            return f":octagonal_sign: {mention(run.cancelled_by)} cancelled it: it stops after the passages in progress"
        case "running":
            seconds = run.seconds_left(now)
            remaining = "" if seconds is None else f", about {duration(seconds)} left"
            at_hand = f"\n`{plain(run.message).replace('`', '')}`" if run.message else ""
            return f"{_bar(run)} {run.done} of {run.total} documents{remaining}{at_hand}"
        case "done":
            wrote = "; nothing was written" if run.dry_run else ""
            return f":white_check_mark: done in {duration(_seconds(run))}{wrote}"
        case "cancelled":
            stays = "" if run.dry_run else "; what was finished stays in the index"
            return f":octagonal_sign: cancelled by {mention(run.cancelled_by or CONSOLE)}{stays}"
        case "failed":
            return f":x: failed: {plain(run.error or 'for an unknown reason')}"


def _bar(run: Run) -> str:
    full = BAR * run.done // run.total if run.total else 0
    return "█" * full + "░" * (BAR - full)


def _counts(run: Run) -> dict[str, str]:
    to_be = "to be " if run.dry_run else ""
    return {
        "queued": amount(max(run.total - run.done, 0), "document"),
        f"{to_be}embedded": amount(run.counts.get("embedded", 0), "passage"),
        "reused": amount(run.counts.get("reused", 0), "passage"),
        f"{to_be}removed": amount(run.counts.get("removed", 0), "passage"),
        "failed": amount(run.counts.get("failed", 0), "document"),
    }


def _cancel_button(run: Run) -> Block:
    confirm = confirmation(
        "Cancel this run?", "What is finished by then stays in the index.", "Cancel the run", "Let it go on"
    )
    return actions(button("Cancel", CANCEL_ACTION, str(run.id), style="danger", confirm=confirm))


def _ending(run: Run) -> list[Block]:
    """Says what became of the documents, and why some of them could not be read."""
    report: dict[str, Any] = run.report or {}
    documents = ", ".join(f"{count} {outcome}" for outcome, count in report.get("documents", {}).items() if count)
    blocks = [section(f"*Documents* {documents}")] if documents else []
    failures = report.get("failures", [])
    lines = [f"• {plain(failure['document'])}: {plain(failure['error'])}" for failure in failures[:MOST_FAILURES]]
    if len(failures) > MOST_FAILURES:
        lines.append(f"and {len(failures) - MOST_FAILURES} more; `journeyman reindex` lists all of them")
    if report.get("withheld"):
        blocks.append(section(UNNAMED))
    if lines:
        blocks += [section(piece) for piece in split("\n".join(["*Could not be read*", *lines]))]
    return blocks


def _seconds(run: Run) -> float:
    if run.started_at is None or run.finished_at is None:
        return 0.0
    return (run.finished_at - run.started_at).total_seconds()
