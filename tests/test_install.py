"""What `make run` installs: PyTorch's CPU build where there is no NVIDIA GPU, and nothing that tests alone need.

The real Makefile, with a Python that notes what pip is asked for instead of doing it.
"""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = ("touch", "mkdir", "cp", "sh", "bash", "make")
PYTHON = f"""#!/bin/bash
case "$1 $2" in
    "-c "*) exec {sys.executable} "$@" ;;
    "-m venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    *) echo "$@" >> asked ; [[ "$*" != *refused* ]] ;;
esac
"""


class Index(BaseHTTPRequestHandler):
    """A package index that is there."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""


@pytest.fixture
def index() -> Iterator[str]:
    """The address of an index that answers."""
    server = HTTPServer(("127.0.0.1", 0), Index)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/cpu"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What make reads, and a folder with the programs that it finds."""
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in TOOLS:
        (programs / name).symlink_to(str(shutil.which(name)))
    add_program(programs / "python", PYTHON)
    return tmp_path


def add_program(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)


def made(clone: Path, torch_index: str, target: str = ".venv/installed") -> tuple[list[str], str]:
    """The installations that were asked for, and what was said."""
    command = ["make", f"PYTHON={clone}/bin/python", f"TORCH_INDEX={torch_index}", target]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        command, cwd=clone, env=environment | {"PATH": f"{clone}/bin"}, capture_output=True, text=True, check=True
    )
    asked = [line for line in (clone / "asked").read_text().splitlines() if " install " in line]
    return asked, done.stdout


def test_without_a_gpu_torch_comes_first_from_its_own_index(clone: Path, index: str) -> None:
    """By itself: what it needs, and everything else, comes from where pip is told to look."""
    asked, said = made(clone, index)
    torch = [line for line in asked if index in line]
    assert len(torch) == 1
    assert torch[0].endswith(f"--no-deps --index-url {index} torch")
    assert asked.index(torch[0]) < next(place for place, line in enumerate(asked) if "model" in line)
    assert "GPU" not in said


@pytest.mark.parametrize("torch_index", ["http://127.0.0.1:9/cpu", "refused"])
def test_an_index_that_gives_nothing_is_told_of(clone: Path, torch_index: str) -> None:
    """At once, with what it costs; the installation goes on."""
    asked, said = made(clone, torch_index)
    assert any("-e .[model,embedded,charts]" in line for line in asked)
    assert torch_index in said
    assert "4 GB for NVIDIA GPUs" in said


def test_an_index_that_lacks_the_version_is_told_of(clone: Path, index: str) -> None:
    """It answers, but pip finds no such build there."""
    asked, said = made(clone, f"{index}/refused")
    assert any("-e .[model,embedded,charts]" in line for line in asked)
    assert "4 GB for NVIDIA GPUs" in said


@pytest.mark.parametrize("why", ["a GPU", "no index is named"])
def test_who_has_a_gpu_or_names_no_index_gets_what_pip_finds(clone: Path, index: str, why: str) -> None:
    """No index but pip's own is asked, and nothing is said."""
    if why == "a GPU":
        add_program(clone / "bin" / "nvidia-smi", "#!/bin/bash\n")
    asked, said = made(clone, index if why == "a GPU" else "")
    assert not [line for line in asked if "--index-url" in line]
    assert "NVIDIA" not in said


def test_what_tests_need_is_installed_for_tests(clone: Path) -> None:
    """A first look takes neither the checkers nor what they pull in."""
    assert not [line for line in made(clone, "")[0] if "dev" in line]
    assert [line for line in made(clone, "", ".venv/developed")[0] if line.endswith("-e .[dev]")]
