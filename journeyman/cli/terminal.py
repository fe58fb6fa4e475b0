"""What is seen of a command: results on standard output, everything else on standard error."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, astuple
from typing import TYPE_CHECKING, Any

import click

from journeyman.errors import WrongInput

if TYPE_CHECKING:
    from pathlib import Path

    from rich.progress import Progress as Bars

    from bot.admin.status import Status
    from bot.operations import ModelState
    from jobs.progress import Progress
    from jobs.rows import Job
    from retrieval.answering.answer import Event, Source
    from retrieval.answering.measuring.calibration import FittedCalibration
    from retrieval.answering.measuring.leading_trial import LeadingTrial
    from retrieval.answering.measuring.rewriting_trial import RewritingTrial
    from retrieval.indexing.preview import Preview
    from retrieval.indexing.reindexing import Run
    from retrieval.indexing.sources import SourceRow
    from retrieval.indexing.tally import IndexReport
    from retrieval.searching.passage import Passage

CONTROL_CHARACTERS = dict.fromkeys([*range(0x00, 0x09), 0x0B, 0x0C, *range(0x0D, 0x20), *range(0x7F, 0xA0)])


def printable(text: str) -> str:
    """Text of a document without control characters, which could drive the reader's terminal."""
    return text.translate(CONTROL_CHARACTERS)


def note(text: str) -> None:
    """Tell the person something that is not the result."""
    click.echo(text, err=True)


def print_json(value: Any) -> None:
    """The one document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


@contextmanager
def output_kept_clean(wanted: bool = True) -> Iterator[None]:
    """Send what libraries print to standard error for as long as the context lasts."""
    if not wanted:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


@contextmanager
def progress_bars(unit: str) -> Iterator["Bars"]:
    """Bars on standard error; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bars:
        yield bars


@contextmanager
def working(text: str) -> "Iterator[Callable[[str], None]]":
    """A line on standard error that says what is being done and shows that it goes on; nothing where that is no
    terminal.
    """
    from rich.console import Console

    console = Console(stderr=True)
    status = console.status(text)
    if console.is_terminal:
        status.start()
    try:
        yield lambda now: status.update(now)
    finally:
        status.stop()


@contextmanager
def index_progress() -> Iterator["Callable[[Progress], None]"]:
    """A bar over documents, with the one that is being read and the chunks so far."""
    with progress_bars("documents") as bars:
        bar = bars.add_task("Looking for documents", total=None)

        def show(progress: "Progress") -> None:
            name = printable(progress.message)[-40:]
            description = f"{name}  {progress.counts.get('embedded', 0):.0f} chunks"
            bars.update(bar, total=progress.total, completed=progress.done, description=description)

        yield show


def describe_index(report: "IndexReport") -> str:
    """An index run in a line, and a line for each failure."""
    documents = ", ".join(f"{count} {name}" for name, count in report.documents.items() if count) or "none"
    chunks = ", ".join(f"{count} {name}" for name, count in report.chunks.items() if count) or "none"
    lines = [f"Documents: {documents}. Chunks: {chunks}. {report.seconds:.1f} s."]
    lines += [f"  {printable(f['document'])}: {printable(f['error'])}" for f in report.failures]
    return "\n".join(lines)


def describe_source(source: "SourceRow", documents: int) -> str:
    """A registered source in two lines: what it is, and when it is looked through."""
    schedules = {None: "at every scan", 0: "only when asked"}
    when = schedules.get(source.every_minutes, f"every {source.every_minutes} minutes")
    last = f"last {source.scanned_at:%Y-%m-%d %H:%M}" if source.scanned_at else "not looked through yet"
    patterns = [f"only {pattern}" for pattern in source.include] + [f"not {pattern}" for pattern in source.exclude]
    facts = [source.kind, f"{documents} documents", when, last, *patterns]
    lines = [f"{source.collection}: {source.uri}", "  " + ", ".join(facts)]
    if source.error:
        lines.append(f"  It could not be read: {source.error}")
    return printable("\n".join(lines))


def describe_preview(preview: "Preview") -> str:
    """What a source holds: how many documents, the first of them, and what failed."""
    lines = [f"{preview.kind}: {preview.count} documents."]
    lines += [f"  {name} ({passages} passages)" for name, passages in preview.read.items()]
    left = preview.count - len(preview.read) - len(preview.failures)
    lines += [f"  … and {left} more"] if left > 0 else []
    lines += [f"  {name}: {reason}" for name, reason in preview.failures.items()]
    return printable("\n".join(lines))


def describe_run(run: "Run") -> str:
    """How a run that somebody asked for ended."""
    if run.report is not None:
        from retrieval.indexing.tally import IndexReport

        wrote = "\nNothing was written: this was a dry run." if run.dry_run else ""
        return describe_index(IndexReport(**run.report)) + wrote
    return f"{run.target}: {run.state}" + (f" ({run.error})" if run.error else "")


def describe_status(status: "Status", model: "ModelState", schedule: "Mapping[str, float]") -> str:
    """Answers, index, jobs, schedule (seconds between two ticks, by name) and model, a line each."""
    from bot.admin.status import waits

    day = status.day
    lines = [
        f"Last 24 hours: {day.answered} answered, {day.abstained} where the documents don't say, {day.failed} failed, "
        f"{day.pending} under way; {day.thumbs_up} thumbs up, {day.thumbs_down} down."
    ]
    for name, documents, passages, scanned in map(astuple, status.collections):
        when = f"looked through {scanned:%Y-%m-%d %H:%M}" if scanned else "never looked through"
        lines.append(f"{printable(name)}: {documents} documents, {passages} passages, {when}.")
    if not status.collections:
        lines.append("Nothing is indexed yet.")
    for run in status.runs:
        ahead = status.ahead.get(run.id, 0)
        stands = waits(ahead) if run.state == "queued" else f"{run.done} of {run.total} documents (running)"
        lines.append(f"Being indexed: {printable(run.target)}, {stands}.")
    lines += [describe_job(job, status.ahead.get(job.id, 0)) for job in status.jobs]
    for found in status.set_aside:
        why = found.error or "each time the process that worked on it ended"
        lines.append(
            printable(f"Set aside: {found.name} in {found.collection}, after {found.attempts} attempts ({why}).")
        )
    ticks = [
        f"{name} every " + (f"{seconds / 60:g} min" if seconds < 7200 else f"{seconds / 3600:g} h")
        for name, seconds in schedule.items()
    ]
    lines.append(f"Schedule: {', '.join(ticks)}.")
    for embedder in status.embedders:
        built = f", {embedder.share:.0%} built" if embedder.state == "building" else ""
        built += ", being worked on" if embedder.is_worked_on else ""
        lines.append(f"Embedding model ({embedder.state}): {printable(embedder.name)}{built}.")
    lines.append(f"Model: {model.name}, {model.place}, {model.adapter or 'no'} adapter.")
    if model.leads is not None:
        lines.append(f"Answers: {'the words of the model' if model.leads else 'quotes of the documents'} lead.")
    return "\n".join(lines)


def describe_job(job: "Job", ahead: int) -> str:
    """A job and how it stands; `ahead` of its kind come before it."""
    from bot.admin.status import waits

    at = f", {job.heartbeat_at:%Y-%m-%d %H:%M:%S}" if job.heartbeat_at else ""
    stands = {"failed": job.error, "queued": waits(ahead)}.get(job.state)
    stands = stands or f"{job.done} of {job.total}, attempt {job.attempts}{at}"
    return printable(f"Job {job.id}, {job.kind} {job.target}: {job.state} ({stands}).")


def passage_as_dict(passage: "Passage") -> dict[str, Any]:
    """A passage as `search --json` gives it."""
    return asdict(passage) | {"ranks": dict(passage.ranks)}


def describe_passage(number: int, passage: "Passage") -> str:
    """A passage with where it stands, for people."""
    heading = f" › {passage.heading}" if passage.heading else ""
    head = click.style(f"{number}. {printable(passage.title + heading)}", bold=True)
    return f"{head}  {passage.score:.2f}\n{printable(passage.document)}\n{printable(passage.text)}\n"


def describe_sources(sources: "Sequence[Source]") -> str:
    """The sources of an answer, a line each."""
    lines = []
    for source in sources:
        heading = f" › {source.heading}" if source.heading else ""
        place = source.url or source.document
        lines.append(printable(f"[{source.number}] {source.title}{heading} ({place})"))
    return "\n".join(lines)


@contextmanager
def answer_display() -> "Iterator[Callable[[Event], None]]":
    """Shows an answer as it comes: what is being done on standard error, the text on standard output.

    Text is shown piece by piece on a terminal, and at once where standard output is none.
    """
    from rich.console import Console

    from retrieval.answering.answer import Done, Reading, Searching, Text

    console = Console(stderr=True)
    streaming = sys.stdout.isatty()
    status = console.status("Preparing the model")

    def show(event: "Event") -> None:
        if isinstance(event, Searching):
            status.update("Searching")
        elif isinstance(event, Reading):
            status.update(f"Reading {len(event.passages)} passages")
        elif isinstance(event, Text) and streaming:
            status.stop()
            click.echo(printable(event.text), nl=False)
        elif isinstance(event, Done):
            status.stop()
            click.echo("" if streaming else printable(event.answer.text))
            if event.answer.sources:
                click.echo("\n" + describe_sources(event.answer.sources))

    if console.is_terminal:
        status.start()
    try:
        yield show
    finally:
        status.stop()


def describe_calibration(fitted: "FittedCalibration | None") -> str:
    """When the documents are taken to answer, in words."""
    if fitted is None:
        return "The default calibration holds."
    asked = fitted.answerable + fitted.unanswerable
    lines = [
        f"Answers from a confidence of {fitted.threshold:.2f} on. Of questions like these {asked}, cross-validated:",
        f"  answered                        {fitted.coverage:.0%}",
        f"  of those wrongly                {fitted.risk:.0%}",
        f"  area under risk and coverage    {fitted.area:.3f}  (answering all: {fitted.unanswerable / asked:.3f})",
    ]
    return "\n".join(lines)


def describe_trial(trial: "RewritingTrial") -> str:
    """What became of follow-ups as the model rewrites them, in words."""
    lines = [
        f"Of {trial.questions} follow-ups the right document came first, and among the first five:",
        f"  behind the question before them {trial.plain[0].value:.0%}  {trial.plain[1].value:.0%}",
        f"  as the model rewrites them      {trial.model[0].value:.0%}  {trial.model[1].value:.0%}",
        f"  gain in reciprocal rank         {trial.gain}",
        f"The model rewrote {trial.rewritten:.0%} of them, in {trial.seconds:.1f} s each. It "
        + ("rewrites them from now on." if trial.able else "did not prove better, so it does not rewrite them."),
    ]
    return "\n".join(lines)


def describe_lead(lead: "LeadingTrial") -> str:
    """Whose words lead an answer, and why, in words."""
    leads = lead.answers == "model"
    lines = [
        f"Of {lead.questions} questions with a known answer, the share of it that people would read:",
        f"  in quotes alone                 {lead.quotes}",
        f"  where the model leads           {lead.model}",
        f"  gain                            {lead.gain}",
        f"It says something itself in {lead.own:.0%} of them, in {lead.seconds:.1f} s each. "
        + ("Its words lead from now on." if leads else "Quotes lead from now on."),
    ]
    return "\n".join(lines)


def calibration_as_dict(fitted: "FittedCalibration | None") -> dict[str, Any] | None:
    """For JSON: None while the default holds; the picture is left out."""
    if fitted is None:
        return None
    return {**{name: value for name, value in asdict(fitted).items() if name != "chart"}, "area": fitted.area}


def write_chart(path: "Path", chart: bytes | None) -> None:
    """The picture as a file. Raises WrongInput where there is none, or the file cannot be written."""
    if chart is None:
        raise WrongInput("There is no picture, because matplotlib was not installed: pip install 'journeyman[charts]'.")
    try:
        path.write_bytes(chart)
    except OSError as error:
        raise WrongInput(f"{path} cannot be written ({error.strerror}): check the path.") from error
