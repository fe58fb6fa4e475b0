"""`journeyman calibrate`: when to say "the documents don't say", whether follow-ups are rewritten, whose words lead."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
from langchain_core.language_models import BaseChatModel
from psycopg import Connection

from finetune.registry import in_use
from journeyman.cli.options import (
    Invocation,
    check_collections,
    collection_option,
    common_options,
    json_option,
    pass_invocation,
)
from journeyman.cli.terminal import note, output_kept_clean, print_json, progress_bars, write_chart
from journeyman.composition import Application, application
from retrieval.answering import abilities
from retrieval.answering.measuring.calibration import FittedCalibration, latest, take_back
from retrieval.answering.measuring.evaluation import LabelledQuestion, load_questions
from retrieval.answering.measuring.fitting import (
    PassageFinder,
    fit_abstention,
    fit_leading,
    fit_rewriting,
    tells_who_leads,
)
from retrieval.answering.measuring.leading_trial import LeadingTrial, tellable
from retrieval.answering.measuring.rewriting_trial import RewritingTrial, follow_ups
from retrieval.searching.scope import Scope


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
    if sum((questions is not None, show, undo)) != 1:
        raise click.UsageError("Give a file of QUESTIONS, or --show, or --undo.")
    settings = invocation.settings()
    labelled = load_questions(questions) if questions else []
    with output_kept_clean(), application(settings) as app:
        fits = _fit(app, labelled, collection, target_risk) if labelled else _fits_that_hold(app, undo=undo)
    if chart and fits.calibration:
        write_chart(chart, fits.calibration.chart)
    if as_json:
        print_json(_as_dict(fits))
    else:
        _print(fits)


@dataclass(frozen=True, slots=True)
class Fits:
    """What was fitted: when to abstain, and, where it was tried, whether follow-ups are rewritten and who leads."""

    calibration: FittedCalibration | None
    rewriting: RewritingTrial | None = None
    leading: LeadingTrial | None = None


def _fit(
    app: Application, labelled: Sequence[LabelledQuestion], collection: str | None, target_risk: float | None
) -> Fits:
    """All fits, each under a bar of its own. What the settings decide is not tried."""
    scope = Scope((collection,) if collection else None)
    with app.pool.connection() as conn:
        check_collections(conn, scope.collections)
        finder = PassageFinder(conn, app.embedder, app.reranker, scope)
        with progress_bars("questions") as bars:
            bar = bars.add_task("Searching", total=len(labelled))
            calibration = fit_abstention(finder, labelled, target_risk, lambda: bars.advance(bar))
        rewriting = _try_rewriting(app, finder, labelled) if app.settings.rewrite_followups == "auto" else None
    if app.settings.answers != "auto" or not tells_who_leads(labelled):
        return Fits(calibration, rewriting)
    return Fits(calibration, rewriting, _try_leading(app, labelled, collection))


def _try_rewriting(
    app: Application, finder: PassageFinder, labelled: Sequence[LabelledQuestion]
) -> RewritingTrial | None:
    with progress_bars("follow-ups") as bars:
        bar = bars.add_task("Rewriting", total=len(follow_ups(labelled)))
        return fit_rewriting(finder, lambda: _tuned_model(app), labelled, lambda: bars.advance(bar))


def _try_leading(app: Application, labelled: Sequence[LabelledQuestion], collection: str | None) -> LeadingTrial | None:
    """What the model's own words are worth, of the chain in which they lead, whatever was measured of it before."""
    model, names = _tuned_model(app), (collection,) if collection else None
    chain = app.chain().with_model(model).with_policy(replace(app.policy, answers="model"))
    with progress_bars("questions") as bars, app.pool.connection() as conn:
        bar = bars.add_task("Answering", total=len(tellable(labelled)))
        return fit_leading(conn, chain, model, labelled, names, lambda: bars.advance(bar))


def _tuned_model(app: Application) -> BaseChatModel:
    """The model with the adapter that answers most people, if one does."""
    with app.connect() as conn:
        switch = in_use(conn)
    model: Any = app.model
    tuned: BaseChatModel = model.with_adapter(app.adapters / switch.active) if switch and switch.active else model
    return tuned


def _fits_that_hold(app: Application, *, undo: bool) -> Fits:
    """The calibration that holds now; with `undo`, after the newest was taken back."""
    with app.pool.connection() as conn:
        if undo:
            _undo(conn)
        return Fits(latest(conn))


def _undo(conn: Connection[Any]) -> None:
    """The calibration before holds again, and what was known of the model before this one."""
    calibration = latest(conn)
    if not take_back(conn):
        note("The default holds already.")
    if calibration is not None and calibration.calibrated_at is not None:
        abilities.take_back(conn, calibration.calibrated_at)


def _as_dict(fits: Fits) -> dict[str, Any] | None:
    values = calibration_as_dict(fits.calibration)
    trials = {"rewrites": fits.rewriting, "answers": fits.leading}
    return values and values | {name: trial.as_dict() for name, trial in trials.items() if trial is not None}


def _print(fits: Fits) -> None:
    click.echo(describe_calibration(fits.calibration))
    if fits.rewriting is not None:
        click.echo(describe_trial(fits.rewriting))
    if fits.leading is not None:
        click.echo(describe_lead(fits.leading))


def describe_calibration(fitted: "FittedCalibration | None") -> str:
    """When the documents are taken to answer, in words."""
    if fitted is None:
        return "The default calibration holds."
    questions = fitted.answerable + fitted.unanswerable
    lines = [
        f"Answers from a confidence of {fitted.threshold:.2f} on. "
        f"Of questions like these {questions}, cross-validated:",
        f"  answered                        {fitted.coverage:.0%}",
        f"  of those wrongly                {fitted.risk:.0%}",
        f"  area under risk and coverage    {fitted.area:.3f}  (answering all: {fitted.unanswerable / questions:.3f})",
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
