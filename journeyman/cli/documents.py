"""The commands that work on documents: index, search, evaluate, calibrate."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from journeyman.cli.options import (
    Invocation,
    audience_option,
    check_collections,
    collection_option,
    common_options,
    json_option,
    pass_invocation,
)
from journeyman.cli.terminal import (
    calibration_as_dict,
    describe_calibration,
    describe_index,
    describe_lead,
    describe_passage,
    describe_trial,
    index_progress,
    note,
    output_kept_clean,
    passage_as_dict,
    print_json,
    progress_bars,
    write_chart,
)

if TYPE_CHECKING:
    from psycopg import Connection

    from journeyman.composition import Application
    from retrieval.answering.measuring.calibration import FittedCalibration
    from retrieval.answering.measuring.evaluation import LabelledQuestion
    from retrieval.answering.measuring.leading_trial import LeadingTrial
    from retrieval.answering.measuring.rewriting_trial import RewritingTrial


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@click.option("--collection", default="default", show_default=True, metavar="NAME", help="Where they belong.")
@audience_option
@json_option
@common_options
@pass_invocation
def index(
    invocation: Invocation, paths: tuple[str, ...], collection: str, audience: tuple[str, ...], as_json: bool
) -> int:
    """Register folders, files or addresses as sources, and index what changed in them.

    Journeyman looks through registered sources again on schedule, as long as `journeyman up` runs. A document
    that cannot be read is reported, and the others go on. `journeyman source add` has more to set.

    \b
    Example:
      journeyman index manuals/ alarms.csv --collection maintenance
      journeyman index contracts/ --collection hr --audience S0123ABCD
    """
    from dataclasses import asdict

    from journeyman.composition import application

    settings = invocation.settings()
    with output_kept_clean(), application(settings) as app, index_progress() as progress:
        report = app.index(paths, collection, progress, audience or None)
    if as_json:
        print_json(asdict(report))
    else:
        click.echo(describe_index(report))
    documents = report.documents
    nothing_readable = documents["failed"] and not documents["new"] + documents["changed"] + documents["unchanged"]
    return 1 if nothing_readable else 0


@click.command()
@click.argument("text")
@click.option("-k", "count", default=5, show_default=True, type=click.IntRange(1, 100), help="How many passages.")
@collection_option
@json_option
@common_options
@pass_invocation
def search(invocation: Invocation, text: str, count: int, collection: str | None, as_json: bool) -> None:
    """Show the passages that fit best, best first.

    \b
    Example:
      journeyman search "pre-charge pressure" -k 3
    """
    from journeyman.composition import application
    from retrieval.searching.reranking import search_and_rerank
    from retrieval.searching.scope import Scope

    if not text.strip():
        raise click.UsageError("There is nothing to search for: TEXT is empty.")
    settings = invocation.settings()
    with output_kept_clean(), application(settings) as app:
        names = (collection,) if collection else None
        with app.pool.connection() as conn:
            check_collections(conn, names)
        passages = search_and_rerank(app.pool, app.embedder, app.reranker, text, k=count, scope=Scope(names))
    if as_json:
        print_json([passage_as_dict(passage) for passage in passages])
        return
    for number, passage in enumerate(passages, 1):
        click.echo(describe_passage(number, passage))
    if not passages:
        note("Nothing was found. `journeyman index PATH` adds documents.")


@click.command()
@click.argument("questions", metavar="QUESTIONS.jsonl", type=click.Path(path_type=Path))
@collection_option
@json_option
@common_options
@pass_invocation
def evaluate(invocation: Invocation, questions: Path, collection: str | None, as_json: bool) -> None:
    """Ask a set of questions with known answers, and print how good search and answers are.

    Prints hit@1, hit@5, MRR, answer hit rate, abstention precision and recall, with 95 % intervals.

    \b
    Example:
      journeyman evaluate examples/questions/company.jsonl --json > report.json
    """
    from journeyman.composition import application
    from retrieval.answering.measuring.evaluation import evaluate as evaluate_questions
    from retrieval.answering.measuring.evaluation import load_questions

    settings = invocation.settings()
    labelled = load_questions(questions)
    with output_kept_clean(), application(settings) as app, progress_bars("questions") as bars:
        names = [collection] if collection else None
        with app.pool.connection() as conn:
            check_collections(conn, names)
        bar = bars.add_task("Asking", total=len(labelled))
        report = evaluate_questions(app.answer, labelled, names, lambda _: bars.advance(bar))
    if as_json:
        print_json(report.as_dict())
    else:
        click.echo(report.table())


@click.command()
@click.argument("questions", required=False, metavar="[QUESTIONS.jsonl]", type=click.Path(path_type=Path))
@click.option(
    "--target-risk",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Answer as many as keep the share of answers that should not be given at or below this.",
)
@click.option(
    "--chart", type=click.Path(path_type=Path), metavar="FILE", help="Write the risk-coverage curve as a PNG."
)
@click.option("--show", is_flag=True, help="Show the calibration that holds.")
@click.option("--undo", is_flag=True, help="Go back to the calibration before this one, at last to the default.")
@collection_option
@json_option
@common_options
@pass_invocation
def calibrate(
    invocation: Invocation,
    questions: Path | None,
    target_risk: float | None,
    chart: Path | None,
    show: bool,
    undo: bool,
    collection: str | None,
    as_json: bool,
) -> None:
    """Fit when to say "the documents don't say" to questions of which it is known.

    The file is one as `journeyman evaluate` reads it: questions without sources have no answer. From the next
    question on the bot goes by what was fitted. What is reported is cross-validated. Where ten questions or more are
    follow-ups, with a `history`, the model's rewrites of them are tried as well, and used if they find more. Where the
    right answers of eight questions or more are known, the model answers them (at most 40), and its own words lead
    from then on if they hold no less than quotes alone.

    \b
    Example:
      journeyman calibrate examples/questions/company.jsonl --target-risk 0.1 --chart curve.png
      journeyman calibrate --undo
    """
    from journeyman.composition import application
    from retrieval.answering.measuring.calibration import latest
    from retrieval.answering.measuring.evaluation import load_questions

    if sum((questions is not None, show, undo)) != 1:
        raise click.UsageError("Give a file of QUESTIONS, or --show, or --undo.")
    settings = invocation.settings()
    labelled = load_questions(questions) if questions else []
    trial: RewritingTrial | None = None
    lead: LeadingTrial | None = None
    with output_kept_clean(), application(settings) as app:
        if labelled:
            fitted, trial, lead = _fit(app, labelled, collection, target_risk)
        else:
            with app.pool.connection() as conn:
                if undo:
                    _undo(conn)
                fitted = latest(conn)
    if chart and fitted:
        write_chart(chart, fitted.chart)
    if as_json:
        told = calibration_as_dict(fitted)
        tried = {"rewrites": trial, "answers": lead}
        print_json(told and told | {name: one.as_dict() for name, one in tried.items() if one is not None})
    else:
        click.echo(describe_calibration(fitted))
        if trial is not None:
            click.echo(describe_trial(trial))
        if lead is not None:
            click.echo(describe_lead(lead))


def _fit(
    app: "Application", labelled: "Sequence[LabelledQuestion]", collection: str | None, target_risk: float | None
) -> "tuple[FittedCalibration | None, RewritingTrial | None, LeadingTrial | None]":
    """All fits, each under a bar of its own. What the settings decide is not tried."""
    from retrieval.answering.measuring.fitting import (
        PassageFinder,
        fit_abstention,
        fit_leading,
        fit_rewriting,
        tells_who_leads,
    )
    from retrieval.answering.measuring.leading_trial import tellable
    from retrieval.answering.measuring.rewriting_trial import follow_ups
    from retrieval.searching.scope import Scope

    names = (collection,) if collection else None
    with app.pool.connection() as conn:
        check_collections(conn, names)
        finding = PassageFinder(conn, app.embedder, app.reranker, Scope(names))
        with progress_bars("questions") as bars:
            bar = bars.add_task("Searching", total=len(labelled))
            fitted = fit_abstention(finding, labelled, target_risk, lambda: bars.advance(bar))
        trial: RewritingTrial | None = None
        if app.settings.rewrite_followups == "auto":
            with progress_bars("follow-ups") as bars:
                rewriting = bars.add_task("Rewriting", total=len(follow_ups(labelled)))
                trial = fit_rewriting(finding, app.answering_model, labelled, lambda: bars.advance(rewriting))
    if app.settings.answers != "auto" or not tells_who_leads(labelled):
        return fitted, trial, None
    model = app.answering_model()
    with progress_bars("questions") as bars, app.pool.connection() as conn:
        answering = bars.add_task("Answering", total=len(tellable(labelled)))
        chain, advance = app.leading_chain(model), lambda: bars.advance(answering)
        return fitted, trial, fit_leading(conn, chain, model, labelled, names, advance)


def _undo(conn: "Connection[Any]") -> None:
    """The calibration before holds again, and what was known of the model before this one."""
    from retrieval.answering import abilities
    from retrieval.answering.measuring.calibration import latest, take_back

    held = latest(conn)
    if not take_back(conn):
        note("The default holds already.")
    if held is not None and held.calibrated_at is not None:
        abilities.take_back(conn, held.calibrated_at)
