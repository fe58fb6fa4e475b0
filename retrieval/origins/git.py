"""Git repositories: a shallow bare copy, of which blobs are read. Nothing is checked out, so no hook, filter or link of
a repository does anything here.
"""

import base64
import hashlib
import re
import shutil
import subprocess
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from retrieval.loading import is_supported
from retrieval.loading.blocks import LoadError
from retrieval.loading.files import SKIPPED_FOLDERS
from retrieval.origins import Access, Address, Fetched, Listing, SourceItem, Unreachable, too_large
from retrieval.origins.addresses import public_addresses

PATIENCE = 600.0
"""Seconds that git may take for one command."""

_LARGE_FILE = b"version https://git-lfs.github.com/spec/"
_PAGES = {  # where a file is shown: https://<host>/<owner>/<name> and this
    "github.com": "/blob/{ref}/{path}",
    "gitlab.com": "/-/blob/{ref}/{path}",
    "bitbucket.org": "/src/{ref}/{path}",
    "codeberg.org": "/src/branch/{ref}/{path}",
}


@contextmanager
def open_repository(source: Address, access: Access) -> Iterator["Repository"]:
    """A repository's newest commit, of the branch or tag behind `#` in the address or of its default branch."""
    if access.cache is None:
        raise Unreachable("there is no folder to keep a copy of the repository in")
    parts = urlsplit(source.uri.removeprefix("git+"))
    address = urlunsplit((parts.scheme, parts.netloc, parts.path, parts.query, ""))
    pinned = None if access.private_hosts else _pinned(parts.scheme, parts.hostname, parts.port)
    folder = access.cache / "git" / hashlib.sha256(address.encode()).hexdigest()[:32]
    git = _Git(folder, _environment(access, address, access.secret_of(source), pinned))
    yield Repository(git, address, parts.fragment, access.max_bytes)


@dataclass(frozen=True, slots=True)
class _Blob:
    """A file's bytes by their hash. `size` is None if they were too large to be fetched."""

    hash: str
    size: int | None


@dataclass(slots=True)
class Repository:
    """A repository's files that can be indexed. Its `listing`, which comes first, fetches the newest commit."""

    git: "_Git"
    address: str
    ref: str
    max_bytes: int | None = None
    blobs: dict[str, _Blob] = field(default_factory=dict)
    committed_at: datetime | None = None

    def listing(self, index_names: Collection[str]) -> Listing:
        """Lists the files by their path."""
        self._fetch_commit()
        branch = self.ref or self._default_branch()
        self.committed_at = datetime.fromtimestamp(int(self.git("log", "-1", "--format=%ct", "FETCH_HEAD")), UTC)
        files = dict(_hashes(self.git("ls-tree", "-r", "-z", "--full-tree", "FETCH_HEAD")))
        hashes = {path: blob for path, blob in files.items() if is_supported(path)}
        sizes = self._sizes(hashes.values())
        self.blobs = {path: _Blob(blob, sizes.get(blob)) for path, blob in hashes.items()}
        items = {path: SourceItem(path, page_of(self.address, branch, path)) for path in sorted(self.blobs)}
        return Listing(items, unsupported=[path for path in files if path not in hashes])

    def fetch(self, item: SourceItem, since: str | None, max_bytes: int) -> Fetched | None:
        """A file's bytes, unless its blob is the one known."""
        blob = self.blobs[item.name]
        if blob.hash == since:
            return None
        if blob.size is None or blob.size > max_bytes:
            raise too_large(max_bytes)
        data = self.git("cat-file", "blob", blob.hash)
        if data.startswith(_LARGE_FILE):
            raise LoadError("the repository holds only a pointer to it (Git LFS)")
        return Fetched(data, self.committed_at or datetime.now(UTC), blob.hash)

    def _fetch_commit(self) -> None:
        """Brings the newest commit here, without files that are too large where the server can leave them out: others
        ignore the filter. A copy that was made with another limit lacks what this one allows, and is made anew.
        """
        blob_filter = f"blob:limit={self.max_bytes + 1}" if self.max_bytes is not None else ""
        self._init()
        of_copy = self.git("config", "--default", "", "--get", f"remote.{self.address}.partialclonefilter")
        if of_copy.strip() not in (b"", blob_filter.encode()):
            shutil.rmtree(self.git.folder)
            self._init()
        options = [
            "--quiet",
            "--depth=1",
            "--no-tags",
            "--force",
            *([f"--filter={blob_filter}"] if blob_filter else []),
        ]
        self.git("fetch", *options, "--", self.address, self.ref or "HEAD")

    def _init(self) -> None:
        self.git.folder.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--bare")

    def _sizes(self, blobs: Collection[str]) -> dict[str, int]:
        """The sizes of those blobs that are here. To be asked for another would make git fetch it."""
        objects = self.git("rev-list", "--objects", "--missing=print", "FETCH_HEAD").decode(errors="replace")
        absent = {line[1:] for line in objects.splitlines() if line.startswith("?")}
        request = "".join(f"{blob}\n" for blob in blobs if blob not in absent).encode()
        answer = self.git("cat-file", "--batch-check=%(objectname) %(objectsize)", given=request).decode().split()
        return dict(zip(answer[::2], map(int, answer[1::2]), strict=True))

    def _default_branch(self) -> str:
        """The branch that HEAD names there, for the addresses of files."""
        answer = self.git("ls-remote", "--symref", "--", self.address, "HEAD").decode(errors="replace")
        match = re.search(r"ref: refs/heads/(\S+)\s+HEAD", answer)
        return match[1] if match else "HEAD"


@dataclass(frozen=True, slots=True)
class _Git:
    """The git command in a bare repository."""

    folder: Path
    environment: Mapping[str, str]

    def __call__(self, *arguments: str, given: bytes = b"") -> bytes:
        """What git printed when it was given something to read. Raises Unreachable with what it complained of."""
        command = ["git", "--git-dir", str(self.folder), *arguments]
        try:
            process = subprocess.run(command, env=self.environment, input=given, capture_output=True, timeout=PATIENCE)
        except FileNotFoundError as error:
            raise Unreachable("the program git is not installed") from error
        except subprocess.TimeoutExpired as error:
            raise Unreachable(f"git took longer than {PATIENCE:.0f} s") from error
        if process.returncode:
            complaint = process.stderr.decode(errors="replace").strip().splitlines()
            raise Unreachable(f"git: {complaint[-1].removeprefix('fatal: ') if complaint else process.returncode}")
        return process.stdout


_PORTS = {"http": 80, "https": 443, "ssh": 22}


def _pinned(scheme: str, host: str | None, port: int | None) -> str | None:
    """The only addresses that git may ask, as `host:port:address,…`; None for a repository on this machine's disk.

    Raises Unreachable if one of them is private, or the host has none.
    """
    if scheme not in _PORTS or host is None:
        return None
    port = port or _PORTS[scheme]
    return f"{host}:{port}:{','.join(public_addresses(host, port))}"


def _environment(access: Access, address: str, secret: str | None, pinned: str | None = None) -> Mapping[str, str]:
    """Git's surroundings: it asks for nothing and runs no program that an address names. A secret goes neither into
    its arguments, which other users see, nor into a file, and to no host but the repository's. A host that was
    checked is asked at the `pinned` addresses, whatever its name means a moment later, and may not send git elsewhere.
    """
    parts = urlsplit(address)
    settings = {"protocol.allow": "never", "gc.auto": "0", "core.hooksPath": "/dev/null"}
    settings |= {f"protocol.{name}.allow": "always" for name in ("http", "https", "ssh", "file")}
    if secret is not None:
        login = secret if ":" in secret else f"x-access-token:{secret}"
        header = "Authorization: Basic " + base64.b64encode(login.encode()).decode()
        settings |= {f"http.{parts.scheme}://{parts.netloc}/.extraHeader": header, "http.followRedirects": "false"}
    if pinned:
        settings |= {"http.curloptResolve": pinned, "http.followRedirects": "false"}
    numbered = {f"GIT_CONFIG_KEY_{n}": key for n, key in enumerate(settings)}
    numbered |= {f"GIT_CONFIG_VALUE_{n}": value for n, value in enumerate(settings.values())}
    own = {"GIT_CONFIG_COUNT": str(len(settings)), "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true"}
    own |= {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o ConnectTimeout=20", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C"}
    outside = {name: value for name, value in access.environment.items() if not name.startswith("GIT_")}
    return outside | own | numbered


def _hashes(tree: bytes) -> Iterator[tuple[str, str]]:
    """The files of a tree, with their blobs' hashes: no links, no submodules, nothing hidden."""
    for line in tree.split(b"\0"):
        if not line:
            continue
        about, _, raw_path = line.partition(b"\t")
        mode, kind, blob = about.decode().split()
        path = raw_path.decode("utf-8", errors="replace")
        *folders, name = path.split("/")
        hidden = any(part.startswith(".") or part in SKIPPED_FOLDERS for part in folders) or name.startswith(".")
        if kind == "blob" and mode != "120000" and not hidden:
            yield path, blob


def page_of(address: str, ref: str, path: str) -> str | None:
    """The address where a person can read a file, on hosts that are known to show them."""
    parts = urlsplit(address)
    host = (parts.hostname or "").lower()
    if host not in _PAGES:
        return None
    return f"https://{host}{parts.path.removesuffix('.git')}" + _PAGES[host].format(ref=quote(ref), path=quote(path))
