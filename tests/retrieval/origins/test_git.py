"""Git repositories: a bare one on disk, served as git serves it."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg import Connection

from retrieval.origins import Access
from retrieval.origins.git import _environment, page_of
from tests.retrieval.indexing.test_index import HashEmbedder
from tests.retrieval.origins.conftest import Index, counts, documents

PUMP = "# Pump\n\nThe pump is blue and stands in hall 3.\n"
NIGHT = "# Night\n\nNobody works alone at night.\n"
Commit = Callable[..., None]


def git(folder: Path, *arguments: str) -> None:
    identity = {f"GIT_{who}_{what}": "ada@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=os.environ | identity | {"GIT_CONFIG_GLOBAL": "/dev/null"},
        check=True,
        capture_output=True,
    )


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A working copy of the repository `handbook.git` beside it, whose branch is `trunk`."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=trunk", "handbook.git")
    git(tmp_path, "clone", "--quiet", "handbook.git", "work")
    git(tmp_path / "work", "checkout", "--quiet", "-B", "trunk")
    return tmp_path / "work"


@pytest.fixture
def commit(work: Path) -> Commit:
    """Writes files, None to delete one, and pushes them."""

    def write(branch: str = "trunk", /, **files: str | None) -> None:
        git(work, "checkout", "--quiet", "-B", branch)
        for name, text in files.items():
            path = work / name.replace("__", "/").replace("_md", ".md")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink() if text is None else path.write_text(text)
        git(work, "add", "--all")
        git(work, "commit", "--quiet", "--message", "Change")
        git(work, "push", "--quiet", "origin", branch)

    return write


@pytest.fixture
def access(tmp_path: Path) -> Access:
    return Access(cache=tmp_path / "cache", environment=dict(os.environ))


@pytest.fixture
def uri(work: Path) -> str:
    return f"git+file://{work.parent}/handbook.git"


def test_what_is_committed_is_indexed(
    conn: Connection, commit: Commit, access: Access, uri: str, index: Index, embedder: HashEmbedder
) -> None:
    """New, changed, moved and deleted files of the default branch; what stays is neither read nor embedded."""
    commit(docs__pump_md=PUMP, night_md=NIGHT)
    assert counts(index(uri, access)) == {"new": 2}
    assert sorted(documents(conn)) == ["docs/pump.md", "night.md"]
    assert counts(index(uri, access)) == {"unchanged": 2}
    commit(docs__pump_md=None, manual__pump_md=PUMP)
    assert counts(index(uri, access)) == {"new": 1, "unchanged": 1, "removed": 1}
    assert embedder.texts == []
    commit(manual__pump_md=PUMP.replace("blue", "green"), night_md=None)
    assert counts(index(uri, access)) == {"changed": 1, "removed": 1}
    assert "green" in documents(conn)["manual/pump.md"]


def test_the_copy_is_shallow_and_bare(commit: Commit, access: Access, uri: str, index: Index) -> None:
    """One commit of history, and no file that somebody could have made a link or a hook of."""
    commit(pump_md=PUMP)
    commit(pump_md=PUMP + "\nMore.\n")
    index(uri, access)
    assert access.cache is not None
    (copy,) = (access.cache / "git").iterdir()
    done = subprocess.run(
        ["git", "--git-dir", copy, "rev-list", "--count", "FETCH_HEAD"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"
    assert not list(copy.rglob("pump.md"))


def test_history_that_was_rewritten_is_followed(
    conn: Connection, work: Path, commit: Commit, access: Access, uri: str, index: Index
) -> None:
    """A forced push is as good as any other."""
    commit(pump_md=PUMP)
    index(uri, access)
    (work / "pump.md").write_text(NIGHT)
    git(work, "commit", "--quiet", "--all", "--amend", "--message", "Other")
    git(work, "push", "--quiet", "--force", "origin", "trunk")
    assert counts(index(uri, access)) == {"changed": 1}


def test_a_branch_can_be_named(conn: Connection, commit: Commit, access: Access, uri: str, index: Index) -> None:
    """Behind the #; one that there is not is a failure of the source."""
    commit(pump_md=PUMP)
    commit("drafts", night_md=NIGHT)
    index(f"{uri}#drafts", access)
    assert sorted(documents(conn)) == ["night.md", "pump.md"]
    report = index(f"{uri}#nothing", access)
    assert "documents stay in the index" in report.failures[0]["error"]


def test_a_repository_that_is_away_loses_nothing(
    conn: Connection, work: Path, commit: Commit, access: Access, uri: str, index: Index
) -> None:
    """Its documents stay, and the run goes on."""
    commit(pump_md=PUMP)
    index(uri, access)
    (work.parent / "handbook.git").rename(work.parent / "elsewhere.git")
    assert counts(index(uri, access)) == {"failed": 1}
    assert documents(conn)


def test_links_hidden_files_and_pointers_are_left_out(
    conn: Connection, work: Path, commit: Commit, access: Access, uri: str, index: Index
) -> None:
    """A link would lead out of the repository; a pointer to a large file is reported."""
    (work / "passwd.md").symlink_to("/etc/passwd")
    (work / ".github").mkdir()
    (work / ".github" / "notes.md").write_text(PUMP)
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    commit(pump_md=PUMP, large_md=pointer)
    report = index(uri, access)
    assert [failure["document"] for failure in report.failures] == ["large.md"]
    assert sorted(documents(conn)) == ["pump.md"]


def test_a_file_that_is_too_large_is_not_read(commit: Commit, access: Access, uri: str, index: Index) -> None:
    """Its size stands in the tree."""
    commit(pump_md=PUMP * 100)
    assert "too large" in index(uri, access, limit=1000).failures[0]["error"]


@pytest.mark.parametrize("filters", ["true", "false"])
def test_a_file_that_is_too_large_is_not_even_fetched(
    conn: Connection, work: Path, commit: Commit, access: Access, uri: str, index: Index, filters: str
) -> None:
    """By servers that can leave it out. Once it is allowed it is read."""
    git(work.parent / "handbook.git", "config", "uploadpack.allowFilter", filters)
    commit(pump_md=PUMP * 100, night_md=NIGHT)
    for _ in range(2):
        report = index(uri, replace(access, max_bytes=1000), limit=1000)
        assert [failure["document"] for failure in report.failures] == ["pump.md"]
        assert "too large" in report.failures[0]["error"]
        assert sorted(documents(conn)) == ["night.md"]
    assert access.cache is not None
    (copy,) = (access.cache / "git").iterdir()
    command = ["git", "--git-dir", copy, "rev-list", "--objects", "--missing=print", "FETCH_HEAD"]
    missing = [line for line in subprocess.check_output(command, text=True).split() if line.startswith("?")]
    assert len(missing) == (filters == "true")
    commit(valve_md=NIGHT)
    assert counts(index(uri, replace(access, max_bytes=100_000), limit=100_000)) == {"new": 2, "unchanged": 1}


def test_files_have_the_page_where_people_read_them() -> None:
    """On hosts that are known; a name with blanks is quoted."""
    page = page_of("https://github.com/example/handbook.git", "main", "docs/the pump.md")
    assert page == "https://github.com/example/handbook/blob/main/docs/the%20pump.md"
    assert page_of("git@unknown.example", "main", "x.md") is None


def test_the_secret_is_in_no_argument_and_only_for_its_host() -> None:
    """It goes through the environment, bound to the repository's host, and no redirect is followed with it."""
    environment = _environment(Access(), "https://git.example/a/b.git", "token-123")
    settings = {
        environment[f"GIT_CONFIG_KEY_{n}"]: environment[f"GIT_CONFIG_VALUE_{n}"]
        for n in range(int(environment["GIT_CONFIG_COUNT"]))
    }
    header = settings["http.https://git.example/.extraHeader"]
    assert header == "Authorization: Basic eC1hY2Nlc3MtdG9rZW46dG9rZW4tMTIz"
    assert settings["http.followRedirects"] == "false"
    assert settings["protocol.allow"] == "never"  # ext:: would run any program


def test_the_secret_is_kept_nowhere(
    work: Path, commit: Commit, tmp_path: Path, conn: Connection, uri: str, index: Index
) -> None:
    """Neither in the copy nor in the database."""
    commit(pump_md=PUMP)
    secret = "token-that-nobody-may-see"
    access = Access(secret={"hub": secret}.get, cache=tmp_path / "cache", environment=dict(os.environ))
    assert counts(index(uri, access, secret="hub")) == {"new": 1}
    for file in (tmp_path / "cache").rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes()
    assert secret not in str(conn.execute("SELECT * FROM source").fetchall())
