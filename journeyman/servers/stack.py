"""The servers that a command needs: the embedded PostgreSQL and Redis of a home, shared by all that use it.

Each process holds a shared lock on `run/users.lock` while it uses the servers, and the last one to leave
stops them. The kernel drops the lock of a process that was killed, so the next command finds the servers
still running, uses them, and stops them when it leaves. Joining and leaving happen under an exclusive lock on
`run/start.lock`, so that nobody joins servers that are about to stop.
"""

import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from journeyman.errors import HomeNotWritable, ServerFailed
from journeyman.servers.embedded_postgres import EmbeddedPostgres
from journeyman.servers.embedded_redis import EmbeddedRedis

# Unix socket paths end at 107 characters, so this must be short; `make_runtime_folder` checks whose it is.
SOCKET_FOLDER = Path("/tmp")  # noqa: S108

Server = EmbeddedPostgres | EmbeddedRedis


@dataclass(frozen=True, slots=True)
class Stack:
    """Where the servers are."""

    database_url: str
    redis_url: str


@contextmanager
def running_stack(
    home: Path, *, database_url: str | None = None, redis_url: str | None = None, durable: bool = True
) -> Iterator[Stack]:
    """The servers, running while the context lasts. A URL that is given replaces the embedded server.

    Raises HomeNotWritable, PartMissing or ServerFailed.
    """
    if database_url and redis_url:
        yield Stack(database_url, redis_url)
        return
    home = prepare_home(home)
    sockets = runtime_folder(home)
    postgres = EmbeddedPostgres(home / "postgres", sockets / "pg", home / "logs" / "postgres.log", durable=durable)
    redis = EmbeddedRedis(home / "redis", sockets, home / "logs" / "redis.log")
    servers: list[Server] = []
    if not redis_url:
        servers.append(redis)
    if not database_url:
        servers.append(postgres)
    with users_of(home / "run", sockets, servers):
        yield Stack(database_url or postgres.url(), redis_url or redis.url)


@contextmanager
def users_of(run: Path, sockets: Path, servers: Sequence[Server]) -> Iterator[None]:
    """Be one of the users of the servers: start them if they are not running, stop them if nobody is left."""
    with (run / "users.lock").open("ab") as users:
        try:
            with locked(run / "start.lock"):
                fcntl.flock(users, fcntl.LOCK_SH)
                make_runtime_folder(sockets)
                for server in servers:
                    server.start()
            yield
        finally:
            with locked(run / "start.lock"):
                leave(users.fileno(), sockets, servers)


def leave(users: int, sockets: Path, servers: Sequence[Server]) -> None:
    """Stop the servers if nobody else uses them."""
    fcntl.flock(users, fcntl.LOCK_UN)
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    with ExitStack() as stops:  # the second is stopped even if the first resists
        stops.callback(shutil.rmtree, sockets, ignore_errors=True)
        for server in servers:
            stops.callback(server.stop)


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the exclusive lock on a file, waiting for it; the kernel frees it if this process is killed."""
    with file.open("ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def prepare_home(home: Path) -> Path:
    """Make the home and its folders; returns its absolute path. Raises HomeNotWritable."""
    home = home.expanduser().absolute()
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        home = home.resolve()
        for name in ("run", "logs"):
            (home / name).mkdir(exist_ok=True, mode=0o700)
        (home / "run" / "start.lock").open("ab").close()
    except OSError as error:
        raise HomeNotWritable(
            f"The home folder {home} cannot be written ({error.strerror}): "
            "choose another with --home or JOURNEYMAN_HOME, or mend its permissions."
        ) from error
    return home


def runtime_folder(home: Path) -> Path:
    """The path of a short folder of our own for the sockets of `home`, however deep that lies."""
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    return SOCKET_FOLDER / f"journeyman-{os.geteuid()}-{name}"


def make_runtime_folder(folder: Path) -> None:
    """Make the folder, for us alone. Raises ServerFailed when it is someone else's."""
    try:
        folder.mkdir(exist_ok=True, mode=0o700)
        status = folder.lstat()
        # /tmp is everyone's: another user could have made this folder first, to listen in on us.
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise ServerFailed(f"{folder} belongs to someone else: remove it, the servers' sockets go there.")
        # PostgreSQL of root runs as another user, who must get through to its own folder inside.
        folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    except OSError as error:
        raise ServerFailed(f"{folder} cannot be made for the servers' sockets ({error.strerror}).") from error
