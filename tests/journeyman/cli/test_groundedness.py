"""`journeyman groundedness` judges the lines of a file, and says what is wrong with one."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from journeyman.cli import cli
from journeyman.cli.judged_answers import AnswersUnreadable, read_answers
from journeyman.cli.options import Invocation

LINE = {
    "question": "How often is the pump serviced?",
    "passages": [
        {"title": "Canteen", "text": "The canteen opens at noon."},
        {"title": "Pump", "text": "The pump is serviced every 500 operating hours."},
    ],
    "answer": "The pump is serviced every 500 operating hours. It is painted red on Sundays.",
}


def written(folder: Path, *lines: Any) -> Path:
    """A file of these lines, as JSON or as they stand."""
    path = folder / "answers.jsonl"
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


def run(*arguments: str) -> Any:
    """The command's result; errors rise."""
    return CliRunner().invoke(cli, ["groundedness", *arguments], obj=Invocation(), catch_exceptions=False)


def test_json_has_an_entry_a_line(tmp_path: Path) -> None:
    """One document: a list in the order of the lines, with statements and the passages they rest on, from 1."""
    done = run(str(written(tmp_path, LINE, "", {**LINE, "answer": ""})), "--json")
    first, second = json.loads(done.stdout)
    assert [s["text"] for s in first["statements"]] == [
        "The pump is serviced every 500 operating hours.",
        "It is painted red on Sundays.",
    ]
    assert [s["shown"] for s in first["statements"]] == [True, False]
    assert first["statements"][0]["passages"] == [2]
    assert 0 <= first["statements"][1]["probability"] <= 1
    assert second == {"statements": []}


def test_readable_without_json(tmp_path: Path) -> None:
    """A line a statement, with its citations where it is shown."""
    done = run(str(written(tmp_path, LINE)))
    assert "1. How often is the pump serviced?" in done.stdout
    assert "every 500 operating hours. [2]" in done.stdout


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2: not JSON"),
        ("[]", "line 2: not an object"),
        ({**LINE, "answer": None}, "line 2: `answer` is missing"),
        ({**LINE, "passages": "x"}, "line 2: `passages` is not a list"),
        ({**LINE, "passages": [{"title": "x"}]}, "line 2: passage 1 has no `text`"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, line: Any, said: str) -> None:
    """What is wrong, and where."""
    with pytest.raises(AnswersUnreadable, match=said.replace("`", ".")):
        read_answers(written(tmp_path, LINE, line))


def test_an_empty_file_is_no_file_of_answers(tmp_path: Path) -> None:
    """It says so."""
    with pytest.raises(AnswersUnreadable, match="holds no answers"):
        read_answers(written(tmp_path, ""))
