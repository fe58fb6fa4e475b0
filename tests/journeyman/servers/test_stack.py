"""The embedded servers: shared by the processes of a home, apart from every other home."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from journeyman.errors import HomeNotWritable, ServerFailed
from journeyman.servers.processes import read_pid
from journeyman.servers.stack import make_runtime_folder, running_stack, runtime_folder

ROOT = Path(__file__).parents[3]

HOLD = """
    import sys, pathlib
    from journeyman.servers.stack import running_stack
    with running_stack(pathlib.Path(sys.argv[1]), durable=False) as stack:
        print(stack.database_url, flush=True)
        sys.stdin.read()
"""


def user_of(home: Path) -> "subprocess.Popen[str]":
    """Another process that uses the home's servers until its standard input is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), str(home)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("postgresql://")
    return process


def becoming(home: Path, user: int) -> list[str]:
    """The beginning of a command that runs as `user`, who may write to `home`; nothing if we are that user."""
    if os.geteuid() == user:
        return []
    os.chown(home, user, user)
    # Root's Python may lie where nobody else can read: the user keeps the right to read it, and no other of root's.
    effective = int(Path("/proc/self/status").read_text().split("CapEff:")[1].split()[0], 16)
    reading = "dac_read_search" if effective & 1 << 2 else "dac_override"  # capability numbers: capabilities(7)
    caps = [f"--inh-caps=-all,+{reading}", f"--ambient-caps=-all,+{reading}"]
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *caps]


def postmaster(home: Path) -> int | None:
    """The pid of the home's PostgreSQL, if it runs."""
    return read_pid(home / "postgres" / "data" / "postmaster.pid")


def test_the_servers_are_what_we_need(stack: object, database_url: str, redis_url: str) -> None:
    """PostgreSQL 18 with pgvector 0.8, and a Redis that keeps what it is given; neither on TCP."""
    with psycopg.connect(database_url) as conn:
        assert conn.info.server_version // 10000 == 18
        assert conn.execute("SELECT extversion >= '0.8' FROM pg_extension WHERE extname = 'vector'").fetchone()
        assert conn.execute("SHOW listen_addresses").fetchone() == ("",)
    with Redis.from_url(redis_url) as redis:
        wanted = {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "port": "0",
        }
        assert {name: redis.config_get(name)[name] for name in wanted} == wanted


@pytest.mark.slow
def test_two_homes_do_not_meet_and_a_deep_one_works(home: Path) -> None:
    """Each home has its own servers, however long its path is and whatever is in its name."""
    deep = home / "a folder" / ("deep" * 30) / "ünï'\"$x" / "home"
    with running_stack(home / "one", durable=False) as one, running_stack(deep, durable=False) as two:
        assert one != two
        with psycopg.connect(one.database_url) as conn:
            conn.execute("CREATE TABLE only_here ()")
        with psycopg.connect(two.database_url) as conn:
            assert conn.execute("SELECT to_regclass('only_here')").fetchone() == (None,)
        with Redis.from_url(one.redis_url) as first, Redis.from_url(two.redis_url) as second:
            first.set("only", "here")
            assert second.get("only") is None
    with running_stack(home / "one", durable=False) as again, psycopg.connect(again.database_url) as conn:
        assert conn.execute("SELECT to_regclass('only_here') IS NOT NULL").fetchone() == (True,)


@pytest.mark.slow
def test_the_last_user_stops_the_servers(home: Path) -> None:
    """While one process uses the servers they run; when the last one leaves they are gone."""
    other = user_of(home)
    with running_stack(home, durable=False) as stack:
        pid = postmaster(home)
        other.communicate()
        with psycopg.connect(stack.database_url) as conn:
            assert conn.execute("SELECT 1").fetchone() == (1,)
        assert postmaster(home) == pid
    assert postmaster(home) is None
    assert not runtime_folder(home.resolve()).exists()


@pytest.mark.slow
def test_after_kill_9_the_next_user_takes_over(home: Path) -> None:
    """A killed process leaves its servers; the next one uses the same ones, and stops them when it leaves."""
    killed = user_of(home)
    pid = postmaster(home)
    killed.kill()
    killed.communicate()
    with running_stack(home, durable=False):
        assert postmaster(home) == pid
    assert postmaster(home) is None


@pytest.mark.slow
def test_servers_that_died_are_started_again(home: Path) -> None:
    """Files of a killed server, which name a pid that may be anyone's by now, do not prevent a start."""
    killed = user_of(home)
    pid = postmaster(home)
    assert pid is not None
    redis_pid = read_pid(home / "redis" / "redis.pid")
    assert redis_pid is not None
    for process in (killed.pid, pid, redis_pid):
        os.kill(process, signal.SIGKILL)
    killed.communicate()
    stale = home / "postgres" / "data" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{home}/postgres/data\n")
    with running_stack(home, durable=False) as stack, psycopg.connect(stack.database_url) as conn:
        assert conn.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.slow
def test_many_may_start_at_once(home: Path) -> None:
    """Processes that start together start one server of each kind."""
    pids, barrier = [], threading.Barrier(4)

    def use() -> None:
        barrier.wait()
        with running_stack(home, durable=False):
            pids.append(postmaster(home))
            barrier.wait()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pids) == 4
    assert len(set(pids)) == 1
    assert postmaster(home) is None


@pytest.mark.slow
def test_a_user_other_than_root_can_run_it(home: Path) -> None:
    """PostgreSQL and Redis run as whoever runs Journeyman."""
    user = os.geteuid() or 65534
    code = textwrap.dedent(HOLD)
    done = subprocess.run(
        [*becoming(home, user), sys.executable, "-c", code, str(home / "state")],
        cwd=ROOT,
        env=os.environ | {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"},
        input="",
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert f"journeyman-{user}-" in done.stdout
    assert (home / "state" / "postgres" / "data").stat().st_uid == user


def test_a_home_that_cannot_be_made_is_said(home: Path) -> None:
    """A home folder that is not writable is one clear sentence, for root too."""
    (home / "file").write_text("")
    with pytest.raises(HomeNotWritable, match="--home"), running_stack(home / "file" / "home"):
        pass


def test_urls_replace_the_embedded_servers(home: Path) -> None:
    """With both URLs nothing is started, and the home is not even looked at."""
    with running_stack(home / "unused", database_url="postgresql://x", redis_url="redis://y") as stack:
        assert (stack.database_url, stack.redis_url) == ("postgresql://x", "redis://y")
    assert not (home / "unused").exists()


def test_data_of_another_version_is_refused(home: Path) -> None:
    """The data of another PostgreSQL is left alone, with a sentence that says what to do."""
    data = home / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("16\n")
    with pytest.raises(ServerFailed, match="PostgreSQL 16"), running_stack(home):
        pass


def test_a_foreign_socket_folder_is_refused(home: Path, tmp_path: Path) -> None:
    """In a folder that everyone can write, someone else's folder under our name is not used."""
    folder = tmp_path / "sockets"
    folder.symlink_to(home)
    with pytest.raises(ServerFailed, match="someone else"):
        make_runtime_folder(folder)
