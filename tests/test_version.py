"""One version, everywhere: what is installed, what it says of itself, the images, and the changelog."""

import re
import tomllib
from datetime import date
from pathlib import Path

from click.testing import CliRunner

from journeyman import __version__
from journeyman.cli import cli

ROOT = Path(__file__).parent.parent


def test_the_command_line_says_its_version() -> None:
    """In a form that a bug report can hold."""
    shown = CliRunner().invoke(cli, ["--version"])
    assert (shown.exit_code, shown.output) == (0, f"journeyman, version {__version__}\n")


def test_the_package_has_it() -> None:
    """pyproject.toml names what is installed."""
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__


def test_the_images_are_named_by_it() -> None:
    """Compose runs the image of this version, and the Dockerfile tells how it is built."""
    for name in ("docker-compose.yml", "Dockerfile"):
        assert set(re.findall(r"journeyman:(\d+\.\d+\.\d+)-", (ROOT / name).read_text())) == {__version__}, name


def test_the_changelog_has_a_dated_section_for_it() -> None:
    """The newest dated section is this version's."""
    sections = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert sections[0][0] == __version__
    assert [date.fromisoformat(day) for _, day in sections] == sorted(
        (date.fromisoformat(day) for _, day in sections), reverse=True
    )
