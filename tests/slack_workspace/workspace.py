"""A Slack workspace with one installed app: build it, start it, act as its people, look at what they see.

    with Workspace() as workspace:
        ...start the bot with `workspace.environment()`...
        question = workspace.post("ada", "maintenance", f"{workspace.mention} what does alarm 7 mean?")
        answer = workspace.wait_for_reply(question)
        workspace.press("ada", answer, "feedback", "positive")

`people.py` has the acts, `looking.py` the sights, `switches.py` the troubles; `state.py` holds everything.
"""

import secrets
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.slack_workspace import events
from tests.slack_workspace.arguments import Arguments
from tests.slack_workspace.courier import Courier, Delivery
from tests.slack_workspace.looking import Looking
from tests.slack_workspace.manifest import read_manifest
from tests.slack_workspace.methods import WEB_METHODS
from tests.slack_workspace.model import App, Channel, Json, Person
from tests.slack_workspace.people import People
from tests.slack_workspace.server import Server
from tests.slack_workspace.socket_mode import SocketMode
from tests.slack_workspace.state import State, Timing, new_id
from tests.slack_workspace.switches import Switches
from tests.slack_workspace.web_api import Method, WebApi


def _new_app(name: str) -> App:
    """An app with fresh secrets, in the formats that Slack's have."""
    return App(
        team_id=new_id("T"),
        team_name="Acme Works",
        team_domain="acme-works",
        app_id=new_id("A"),
        bot_id=new_id("B"),
        bot_user_id=new_id("U"),
        name=name,
        bot_token=f"xoxb-{secrets.token_hex(12)}",
        app_token=f"xapp-1-{secrets.token_hex(12)}",
        signing_secret=secrets.token_hex(16),
        verification_token=secrets.token_hex(12),
    )


class Workspace(People, Looking, Switches):
    """The whole. There are `ada` (an admin), `ben`, and the channel `maintenance` with both and the app."""

    ada: Person
    ben: Person
    maintenance: Channel

    def __init__(self, *, app_name: str = "journeyman", port: int = 0) -> None:
        state = State(_new_app(app_name))
        socket_mode = SocketMode(state)
        courier = Courier(state, socket_mode)
        web_api = WebApi(state, WEB_METHODS | {"apps.connections.open": _connections_open(socket_mode)})
        server = Server(state, web_api, socket_mode, courier, port=port)
        People.__init__(self, state, courier)
        Looking.__init__(self, state, courier)
        Switches.__init__(self, state, web_api, socket_mode, server)
        state.emit = self._send_event
        self._populate()

    def _populate(self) -> None:
        app = self.state.app
        self.state.add_person(app.name, id=app.bot_user_id, is_bot=True, bot_id=app.bot_id, app_id=app.app_id, email="")
        self.ada = self.add_person("ada", real_name="Ada Alvarez", is_admin=True)
        self.ben = self.add_person("ben", real_name="Ben Brandt")
        self.maintenance = self.add_channel("maintenance", self.ada, self.ben)

    def _send_event(self, event: Json) -> None:
        self.courier.deliver(Delivery("events_api", events.wrap(self.state, event)))

    def install(self, manifest: Path) -> None:
        """Give the app exactly what its manifest asks for: scopes, events, commands, tabs."""
        with self.state.lock():
            read_manifest(manifest).grant(self.state)

    def start(self) -> None:
        """Listen on 127.0.0.1."""
        self.server.start()

    def stop(self) -> None:
        self.server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def api_url(self) -> str:
        """What SLACK_API_URL has to be: the base_url of a WebClient."""
        return f"{self.state.base_url}/api/"

    @property
    def app(self) -> App:
        return self.state.app

    @property
    def timing(self) -> Timing:
        """How long things last (acknowledgements, triggers, retries, silent streams); a test may change it."""
        return self.state.timing

    @property
    def mention(self) -> str:
        """How a person's text names the app."""
        return f"<@{self.state.app.bot_user_id}>"

    def environment(self) -> dict[str, str]:
        """The environment variables that connect a bot to this workspace."""
        return {
            "SLACK_API_URL": self.api_url,
            "SLACK_BOT_TOKEN": self.app.bot_token,
            "SLACK_APP_TOKEN": self.app.app_token,
            "SLACK_SIGNING_SECRET": self.app.signing_secret,
        }


def _connections_open(socket_mode: SocketMode) -> Method:
    """apps.connections.open needs the carrier, not the state alone."""

    def connections_open(state: State, args: Arguments) -> Json:
        return {"url": socket_mode.issue_url()}

    return Method(connections_open, token="app")
