"""What checks a change is one thing: by hand, before a commit, and in continuous integration."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent


def recipe(target: str) -> list[str]:
    """The commands of a target of the Makefile, with the interpreter's own path."""
    text = (ROOT / "Makefile").read_text().replace("$(BIN)", ".venv/bin")
    (found,) = re.findall(rf"^{target}:.*\n((?:\t.*\n)+)", text, re.MULTILINE)
    return [line.strip() for line in found.splitlines()]


def test_hooks_run_what_make_check_runs() -> None:
    """The same commands in the same order, from the same .venv."""
    (local,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = [hook["entry"] for hook in local["hooks"]]
    assert hooks == [line.removesuffix(" .") for line in recipe("check")]


def test_continuous_integration_checks_before_it_tests() -> None:
    """Style and types are told of in a minute, before the tests take theirs."""
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    assert lines[-2:] == ["make check", "make test"]
