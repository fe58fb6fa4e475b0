"""The command line as people and programs use it: real processes, their output and their exit codes."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import psycopg
import pytest
from click.testing import CliRunner

from journeyman.cli import SUMMARIES, cli
from journeyman.cli.options import Invocation
from retrieval.answering.abilities import ability
from tests.finetune.model_server import model_server
from tests.journeyman.conftest import Run, one_sentence

ROOT = Path(__file__).parents[3]
COMMANDS = (
    *("up", "index", "source", "collection", "search", "ask", "evaluate", "groundedness", "calibrate", "compare"),
    *("status", "jobs", "reindex", "embedder", "dataset", "finetune", "model", "export", "admins", "slack"),
    *("bot", "worker", "beat", "migrate", "doctor", "backup", "restore"),
)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_an_example(name: str) -> None:
    """--help names what the command does and shows it."""
    shown = CliRunner().invoke(cli, [name, "--help"])
    assert shown.exit_code == 0
    assert f"journeyman {name}" in shown.output.split("Example:")[1]
    assert {"--home", "--debug"} <= set(shown.output.split())


def test_the_commands_are_the_contract() -> None:
    """There are these commands, and those that return data have --json."""
    context = click.Context(cli)
    assert set(cli.list_commands(context)) == set(COMMANDS)
    commands = {name: cli.get_command(context, name) for name in COMMANDS}
    with_json = {name for name, one in commands.items() if one and "as_json" in {p.name for p in one.params}}
    assert with_json == {
        *("index", "search", "ask", "evaluate", "groundedness", "calibrate", "compare"),
        *("status", "jobs", "reindex", "finetune", "admins", "migrate", "doctor", "backup"),
    }


def test_help_is_fast_and_loads_nothing_heavy() -> None:
    """`journeyman --help` imports no numpy, database driver or model library, and none of the commands."""
    heavy = {"numpy", "psycopg", "torch", "rich", "pydantic", *(f"journeyman.cli.{name}" for name in COMMANDS)}
    code = (
        "import sys, journeyman.cli\n"
        "journeyman.cli.cli.main(['--help'], standalone_mode=False)\n"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_one_says(name: str) -> None:
    """The help of all commands is written down, so that none is imported for it; it is how the command's own begins."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert SUMMARIES[name] == command.get_short_help_str(200)


@pytest.mark.parametrize(
    "arguments", [["index"], ["search", "x", "-k", "0"], ["search", ""], ["ask", " "], ["nonsense"], ["ask", "--nope"]]
)
def test_wrong_use_is_exit_code_2(arguments: list[str]) -> None:
    """What click or a command refuses before it does anything is wrong use."""
    with pytest.raises(click.UsageError) as error:
        cli.main(arguments, standalone_mode=False, obj=Invocation())
    assert error.value.exit_code == 2


@pytest.mark.slow
def test_index_and_search(journeyman: Run, documents: Path, tmp_path: Path) -> None:
    """What can be read is indexed, what cannot is reported with its reason, and JSON is alone on standard output."""
    done = journeyman("--home", tmp_path / "home", "index", documents, "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 0
    assert report["documents"] == {"new": 1, "changed": 0, "unchanged": 0, "removed": 0, "failed": 1}
    assert report["chunks"]["embedded"] == 1
    assert [failure["document"] for failure in report["failures"]] == ["broken.pdf"]

    again = json.loads(journeyman("index", documents, "--json").stdout)
    assert again["documents"]["unchanged"] == 1
    assert again["chunks"] == {"embedded": 0, "reused": 1, "removed": 0}

    found = json.loads(journeyman("search", "where is the pump", "-k", 1, "--json", "--home", tmp_path / "home").stdout)
    assert len(found) == 1
    assert {"document", "title", "heading", "text", "score", "ranks"} <= found[0].keys()
    assert found[0]["document"] == "pump.md"

    only_broken = journeyman("index", documents / "broken.pdf")
    assert only_broken.returncode == 1
    unknown = journeyman("search", "pump", "--collection", "none")
    assert unknown.returncode == 1
    assert "there are: default" in one_sentence(unknown)


@pytest.mark.slow
def test_ask_and_evaluate(journeyman: Run, documents: Path, database: str, tmp_path: Path) -> None:
    """An answer comes with its sources and is kept; a question set gives figures and a row per question."""
    journeyman("index", documents)
    history = tmp_path / "history.json"
    history.write_text(json.dumps([{"role": "user", "content": "Hello"}, {"role": "assistant", "text": "Hello."}]))
    questions = tmp_path / "questions.jsonl"
    labelled = {"id": "1", "question": "Where does the pump stand?", "sources": ["pump.md"], "expect": ["hall 3"]}
    questions.write_text(json.dumps(labelled) + "\n")
    with model_server() as url:
        server = {"JOURNEYMAN_MODEL_URL": url, "JOURNEYMAN_MODEL": "test"}
        text = "Where does the blue pump stand?"
        done = journeyman("ask", text, "--history", history, "--json", **server)
        evaluated = journeyman("evaluate", questions, "--json", **server)
        plain = journeyman("ask", text, **server)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    keys = {"answer", "abstained", "sources", "answer_id", "model", "adapter", "timings"}
    assert keys <= answer.keys()
    assert not answer["abstained"]
    assert {"number", "document", "title", "heading", "url", "quote", "modified"} <= answer["sources"][0].keys()
    assert "hall 3" in answer["answer"]
    with psycopg.connect(database) as conn:
        rows = conn.execute(
            "SELECT state, asked_by, jsonb_array_length(history) FROM answer WHERE id = %s", (answer["answer_id"],)
        ).fetchall()
    assert rows == [("answered", "console", 2)]
    assert "hall 3" in plain.stdout
    assert "[1] Pump" in plain.stdout
    report = json.loads(evaluated.stdout)
    assert {"hit@1", "hit@5", "mrr", "answer_hit_rate", "abstention_precision", "abstention_recall"} <= report.keys()
    assert len(report["questions"]) == 1


@pytest.mark.slow
def test_calibrate(journeyman: Run, documents: Path, database: str, tmp_path: Path) -> None:
    """What is fitted holds, is shown, and is taken back; a wrong use says what is right."""
    journeyman("index", documents)
    questions, chart = tmp_path / "questions.jsonl", tmp_path / "curve.png"
    known = ["Where does the pump stand?", "Where is the blue pump?", "Which hall has the pump?"]
    unknown = ["Who won the match?", "What is the capital of Peru?", "When does the train leave?"]
    labelled = [{"question": text, "sources": ["pump.md"]} for text in known] + [{"question": text} for text in unknown]
    questions.write_text("\n".join(map(json.dumps, labelled)) + "\n")
    fitted = json.loads(journeyman("calibrate", questions, "--target-risk", "0", "--chart", chart, "--json").stdout)
    assert (fitted["answerable"], fitted["unanswerable"], fitted["risk"]) == (3, 3, 0.0)
    assert chart.read_bytes().startswith(b"\x89PNG")
    assert f"{fitted['threshold']:.2f}" in journeyman("calibrate", "--show").stdout
    assert "default" in journeyman("calibrate", "--undo").stdout
    history = [{"role": "user", "content": "Where does the pump stand?"}]
    more = [{"question": "and the colour?", "history": history, "sources": ["pump.md"]}] * 10
    questions.write_text("\n".join(map(json.dumps, labelled + more)) + "\n")
    with model_server(lambda turn: "What colour is the pump?") as url:
        told = journeyman("calibrate", questions, JOURNEYMAN_MODEL_URL=url).stdout
    assert "Of 10 follow-ups" in told
    assert "rewrote 100% of them" in told
    assert "did not prove better" in told  # there is one document: it comes first in any case
    with psycopg.connect(database) as conn:
        assert ability(conn, "default", None).rewrites is False
        assert journeyman("calibrate", "--undo").returncode == 0
        assert ability(conn, "default", None).rewrites is None
    assert journeyman("calibrate").returncode == 2
    questions.write_text(json.dumps(labelled[0]) + "\n")
    assert "at least 3" in one_sentence(journeyman("calibrate", questions))


@pytest.mark.slow
def test_errors_are_one_sentence(journeyman: Run, tmp_path: Path) -> None:
    """A missing path, a database that is down, a home that cannot be made: a sentence, and no traceback."""
    missing = journeyman("index", tmp_path / "nowhere")
    assert missing.returncode == 1
    assert "nowhere" in one_sentence(missing)

    down = journeyman("search", "x", JOURNEYMAN_DATABASE_URL="postgresql://localhost:1/none")
    assert down.returncode == 1
    assert "JOURNEYMAN_DATABASE_URL" in one_sentence(down)

    (tmp_path / "file").write_text("")
    home = journeyman("search", "x", "--home", tmp_path / "file" / "home", JOURNEYMAN_DATABASE_URL="")
    assert home.returncode == 1
    assert "cannot be written" in one_sentence(home)

    setting = journeyman("search", "x", JOURNEYMAN_DEVICE="abacus")
    assert setting.returncode == 2
    assert "JOURNEYMAN_DEVICE" in one_sentence(setting)

    history = tmp_path / "history.json"
    history.write_text('[{"role": "robot", "text": "x"}]')
    wrong = journeyman("ask", "x", "--history", history)
    assert wrong.returncode == 1
    assert "JSON list of turns" in one_sentence(wrong)

    token = journeyman("bot")
    assert token.returncode == 2
    assert "SLACK_BOT_TOKEN" in one_sentence(token)

    traced = journeyman("index", tmp_path / "nowhere", "--debug")
    assert "Traceback" in traced.stderr


@pytest.mark.slow
def test_a_changed_migration_is_refused(journeyman: Run, database: str) -> None:
    """A database whose history differs from the files is left alone."""
    with psycopg.connect(database, autocommit=True) as conn:
        conn.execute("UPDATE schema_migration SET checksum = 'other' WHERE name = '0001_documents'")
    done = journeyman("migrate")
    assert done.returncode == 1
    assert "0001_documents" in one_sentence(done)


@pytest.mark.slow
def test_doctor_finds_what_is_broken(journeyman: Run) -> None:
    """Everything required works here; a database that is down is found, with what to do, and is exit code 1."""
    healthy = journeyman("doctor", "--json")
    report = json.loads(healthy.stdout)
    assert healthy.returncode == 0, healthy.stdout
    states = {check["name"]: check["state"] for check in report["checks"]}
    assert states["Slack"] == "off"
    assert {states[name] for name in ("Python", "Home", "PostgreSQL", "pgvector", "Schema", "Redis", "Embedder")} == {
        "ok"
    }

    broken = journeyman("doctor", "--json", JOURNEYMAN_DATABASE_URL="postgresql://localhost:1/none")
    found = {check["name"]: check for check in json.loads(broken.stdout)["checks"]}
    assert broken.returncode == 1
    assert found["PostgreSQL"]["state"] == "broken"
    assert "JOURNEYMAN_DATABASE_URL" in found["PostgreSQL"]["detail"]


@pytest.mark.slow
def test_ctrl_c_ends_a_command_cleanly(environment: dict[str, str], documents: Path) -> None:
    """Exit code 130, a word, no traceback."""
    # A shell that starts the tests in the background has them ignore Ctrl-C, and so would what they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in range(40):
        (documents / f"{number}.md").write_text(f"# Note {number}\n\n" + f"Number {number} says something. " * 400)
    process = subprocess.Popen(
        [sys.executable, "-m", "journeyman", "index", str(documents)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with psycopg.connect(environment["JOURNEYMAN_DATABASE_URL"], autocommit=True) as conn:
        while conn.execute("SELECT count(*) FROM source").fetchone() != (1,):
            assert process.poll() is None
            time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors.strip()) == (130, "", "Stopped.")


@pytest.fixture
def running_up(environment: dict[str, str], home: Path, tmp_path: Path) -> Iterator[Any]:
    """`journeyman up` on embedded servers, without Slack and without a terminal."""
    own = {name: value for name, value in environment.items() if not name.endswith("_URL")}
    with (tmp_path / "up.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "journeyman", "up"],
            cwd=ROOT,
            env=own | {"JOURNEYMAN_HOME": str(home), "JOURNEYMAN_SCAN_MINUTES": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        yield process
        process.kill()
        process.wait()


def log_says(tmp_path: Path, text: str, seconds: float = 90.0) -> str:
    """The log of `up`, once it says `text`."""
    deadline = time.monotonic() + seconds
    while text not in (log := (tmp_path / "up.log").read_text()):
        assert time.monotonic() < deadline, log
        time.sleep(0.05)
    return log


def processes_of(home: Path) -> list[str]:
    """The command lines of all running processes that name the home."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(home) in line:
            found.append(line)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_up_runs_the_services_and_stops_them_all(
    running_up: Any, home: Path, tmp_path: Path, sign: signal.Signals
) -> None:
    """A scan is done soon after the start; a signal ends everything, and no process is left."""
    log_says(tmp_path, "scanned")
    assert len(processes_of(home)) >= 3
    running_up.send_signal(sign)
    assert running_up.wait(60) == 0
    assert processes_of(home) == []


@pytest.mark.slow
def test_when_up_is_killed_its_children_end(running_up: Any, home: Path, tmp_path: Path) -> None:
    """`kill -9` of the supervisor leaves no worker without one; the last to leave stops the servers."""
    log_says(tmp_path, "scanned")
    running_up.kill()
    running_up.wait()
    deadline = time.monotonic() + 60
    while processes_of(home):
        assert time.monotonic() < deadline, processes_of(home)
        time.sleep(0.1)
