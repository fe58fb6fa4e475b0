"""What every command accepts, before its name or after it: --home and --debug; --json where it has data."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from journeyman.errors import WrongInput, WrongSetting

if TYPE_CHECKING:
    from psycopg import Connection

    from journeyman.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass
class Invocation:
    """What was said on the command line, wherever in it."""

    home: Path | None = None
    debug: bool = False

    def settings(self, *, service: bool = False) -> "Settings":
        """The settings from environment and .env, with the command line's home; logs are set up by them.

        INFO tells the operator of a service what it does; beside the result of a command it would be noise.
        Raises WrongSetting.
        """
        from pydantic import ValidationError

        from journeyman.observing.logs import configure_logs
        from journeyman.settings import Settings

        try:
            settings = Settings() if self.home is None else Settings(home=self.home)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)[0]
            name = str(wrong["loc"][0]) if wrong["loc"] else "a setting"
            variable = name if name.isupper() else f"JOURNEYMAN_{name.upper()}"
            reason = wrong["msg"][:1].lower() + wrong["msg"][1:]
            raise WrongSetting(f"{variable} cannot be used: {reason}; see .env.example.") from error
        level = "WARNING" if settings.log_level == "INFO" and not service else settings.log_level
        configure_logs(level, structured=service and not sys.stderr.isatty())
        return settings


pass_invocation = click.make_pass_decorator(Invocation)


def common_options(command: Command) -> Command:
    """Add --home and --debug. Said twice, the later one counts; not said, the earlier one stays."""
    home = click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        expose_value=False,
        callback=_remember("home"),
        help="Folder for all state.  [default: JOURNEYMAN_HOME, or the user's data folder]",
    )
    debug = click.option(
        "--debug",
        is_flag=True,
        default=None,
        expose_value=False,
        callback=_remember("debug"),
        help="Show the traceback of an error.",
    )
    return home(debug(command))


def _remember(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if value is not None:
            setattr(context.ensure_object(Invocation), name, value)

    return remember


class Principal(click.ParamType[str]):
    """Somebody whom a collection can be for, as an audience names them."""

    name = "who"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from retrieval.collections import WrongAudience, principal

        try:
            return principal(str(value))
        except WrongAudience as error:
            raise WrongInput(str(error)) from error


def check_collections(conn: "Connection[Any]", names: Sequence[str] | None) -> None:
    """Raises WrongInput when one of the collections does not exist."""
    if names is None:
        return
    collections = [name for (name,) in conn.execute("SELECT name FROM collection ORDER BY name").fetchall()]
    for name in names:
        if name not in collections:
            choice = f"there are: {', '.join(collections)}" if collections else "nothing has been indexed yet"
            raise WrongInput(f"There is no collection named {name!r}: {choice}.")


audience_option = click.option(
    "--audience",
    multiple=True,
    type=Principal(),
    metavar="WHO",
    help="Whom a new collection is for: everyone, anyone, U…, S… or C…; may be repeated.  [default: everyone]",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
collection_option = click.option("--collection", metavar="NAME", help="Only this collection.")
