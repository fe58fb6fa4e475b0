"""`journeyman groundedness`: it judges written answers by their passages."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from journeyman.cli.judged_answers import as_dict, judge_answers, read_answers
from journeyman.cli.options import Invocation, common_options, json_option, pass_invocation
from journeyman.cli.terminal import note, output_kept_clean, print_json, printable, progress_bars
from retrieval.answering.groundedness.judge import Groundedness, Judgement
from retrieval.embedding import MiniLM

QUIET = 2.0
"""Seconds after which it is said how far it is, where there is no terminal to draw a bar on; then every ten."""


@click.command()
@click.argument("answers", metavar="FILE.jsonl", type=click.Path(path_type=Path))
@json_option
@common_options
@pass_invocation
def groundedness(invocation: Invocation, answers: Path, as_json: bool) -> None:
    """Judge how likely passages bear out each statement of answers. No index, server or model is needed.

    A line of the file is an object with `question`, `passages` (a list of objects with `title` and `text`) and
    `answer`. Passages are numbered from 1.

    \b
    Example:
      journeyman groundedness answers.jsonl
      journeyman groundedness answers.jsonl --json > judged.json
    """
    written = read_answers(answers)
    with output_kept_clean(), progress_bars("answers") as bars:
        bar = bars.add_task("Judging", total=len(written))
        tell = _teller(len(written), lambda: bars.advance(bar), quiet=not bars.disable)
        judgements_of_all = judge_answers(Groundedness(MiniLM()), written, tell)
    if as_json:
        print_json([as_dict(judgements) for judgements in judgements_of_all])
        return
    for number, (answered, judgements) in enumerate(zip(written, judgements_of_all, strict=True), 1):
        click.echo(f"{number}. {printable(answered.question)}")
        click.echo(_table(judgements))


def _teller(total: int, advance: Callable[[], None], *, quiet: bool) -> Callable[[], None]:
    """What is called after each answer: moves the bar and, where there is none, says a line now and then."""
    count, due = 0, time.monotonic() + QUIET

    def tell() -> None:
        nonlocal count, due
        count += 1
        advance()
        if not quiet and time.monotonic() >= due and count < total:
            note(f"Judged {count} of {total} answers.")
            due = time.monotonic() + 5 * QUIET

    return tell


def _table(judgements: "Sequence[Judgement]") -> str:
    lines = []
    for judgement in judgements:
        cited = "".join(f"[{index + 1}]" for index in judgement.passages) if judgement.shown else ""
        mark = "shown " if judgement.shown else "      "
        lines.append(f"   {mark} {judgement.probability:.2f}  {printable(judgement.text)} {cited}".rstrip())
    return "\n".join(lines) or "   (no statement)"
