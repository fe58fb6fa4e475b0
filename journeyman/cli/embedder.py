"""`journeyman embedder`: which embedding models there are, build one beside the others, switch, drop one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta

import click

from journeyman.cli.asking import PERSON
from journeyman.cli.options import Invocation, common_options, json_option, pass_invocation
from journeyman.cli.terminal import note, output_kept_clean, print_json, progress_bars
from journeyman.composition import application
from journeyman.enqueueing import EnqueueingParts, start_build
from journeyman.indexing import build_embedder
from journeyman.worker_app import celery_app
from retrieval.indexing.building import BuildProgress, models, previous
from retrieval.indexing.building import drop as drop_vectors
from retrieval.indexing.building import switch as switch_to

name_argument = click.argument("name", metavar="NAME")


@click.group()
@common_options
def embedder() -> None:
    """The embedding model that documents are searched with.

    \b
    Example:
      journeyman embedder show
      journeyman embedder switch multilingual-e5-small
    """


@embedder.command()
@json_option
@common_options
@pass_invocation
def show(invocation: Invocation, as_json: bool) -> None:
    """Show the models whose vectors are kept, the one that is searched with first.

    \b
    Example:
      journeyman embedder show
    """
    settings = invocation.settings()
    with output_kept_clean(), application(settings) as app, app.connect() as conn:
        builds = models(conn)
    if as_json:
        print_json([asdict(model) for model in builds])
        return
    for model in builds:
        click.echo(
            f"{model.state:<9} {model.name}, {model.dimensions} dimensions, "
            f"{model.built} of {model.chunks or 0} passages ({model.share:.0%})"
            + (", being built now" if model.is_worked_on else "")
        )
    if not builds:
        note("Nothing is indexed yet: JOURNEYMAN_EMBEDDER names the model of a new index.")
    elif builds[0].name != settings.embedder:
        note(
            f"JOURNEYMAN_EMBEDDER is {settings.embedder}, which counts for a new index alone. To search with it: "
            f"journeyman embedder switch {settings.embedder}"
        )


@embedder.command()
@name_argument
@click.option("--worker", is_flag=True, help="Have a worker do it, and do not wait for it.")
@common_options
@pass_invocation
def build(invocation: Invocation, name: str, worker: bool) -> None:
    """Make a model's vectors beside those that are searched with. Go on with the same command if it is stopped.

    \b
    Example:
      journeyman embedder build multilingual-e5-small
      journeyman embedder build openai:text-embedding-3-small --worker
    """
    with output_kept_clean(), application(invocation.settings()) as app:
        if worker:
            start_build(EnqueueingParts(app.connect, app.embedder, celery_app(app)), PERSON, name)
            note("It waits for a worker. `journeyman embedder show` and `journeyman status` tell how far it is.")
            return
        with app.connect() as conn, build_bar() as progress:
            build_embedder(app.indexing, conn, name, progress)
    note(f"{name} is built. To search with it: journeyman embedder switch {name}")


@embedder.command()
@name_argument
@common_options
@pass_invocation
def switch(invocation: Invocation, name: str) -> None:
    """Search with this model from the next question on, once its vectors are complete. The old ones are kept.

    \b
    Example:
      journeyman embedder switch multilingual-e5-small
    """
    _switch(invocation, name)


@embedder.command()
@common_options
@pass_invocation
def rollback(invocation: Invocation) -> None:
    """Go back to the model that was searched with before.

    \b
    Example:
      journeyman embedder rollback
    """
    _switch(invocation, None)


@embedder.command()
@name_argument
@common_options
@pass_invocation
def drop(invocation: Invocation, name: str) -> None:
    """Delete the vectors of a model that is not searched with. They can be built again.

    \b
    Example:
      journeyman embedder drop all-MiniLM-L6-v2
    """
    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn:
        drop_vectors(conn, name)
    note(f"The vectors of {name} are gone.")


def _switch(invocation: Invocation, name: str | None) -> None:
    with output_kept_clean(), application(invocation.settings()) as app, app.connect() as conn, build_bar() as progress:
        model = switch_to(conn, app.embedder.named(name or previous(conn)), progress)
    note(f"Searched with {model.name} from now on. To go back: journeyman embedder rollback")


@contextmanager
def build_bar() -> Iterator[Callable[[BuildProgress], None]]:
    """A bar over the passages, with the texts a second and the time that is left."""
    with progress_bars("passages") as bars:
        bar = bars.add_task("Looking for passages", total=None)

        def show_progress(progress: BuildProgress) -> None:
            seconds = progress.seconds_left
            pace = f"{progress.texts_per_second:.0f} texts/s"
            description = pace if seconds is None else f"{pace}, {timedelta(seconds=round(seconds))} left"
            bars.update(bar, total=progress.total, completed=progress.done, description=description)

        yield show_progress
