"""A burst of questions on the real bot process: is every event acknowledged in time, every question answered once?

    python benchmarks/slack_load.py
    python benchmarks/slack_load.py --questions 50 --people 10 --older --json load.json

The bot runs as `journeyman bot` over Socket Mode, on the example company's index, in the tests' Slack workspace. Its
language model is a stand-in behind JOURNEYMAN_MODEL_URL that writes one sentence at once: what is measured is the app,
not the model. Slack's own pace (about one message a second in a channel) is not simulated. Exits with 1 if an event
was acknowledged after 500 ms (99th percentile), or a question was lost or answered twice.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.bot_process import BotProcess  # noqa: E402 - the repository's root comes first
from tests.finetune.model_server import model_server  # noqa: E402
from tests.slack_workspace import Workspace  # noqa: E402
from tests.slack_workspace.model import Channel, Message  # noqa: E402

ACKNOWLEDGE_WITHIN = 0.5  # seconds, 99th percentile; Slack gives up after 3
PATIENCE = 300.0  # seconds for everything to be answered
START = 120.0  # seconds for the bot to be connected
CHANNELS = 10
NO_LIMITS = {"JOURNEYMAN_QUESTIONS_PER_PERSON": "0", "JOURNEYMAN_QUESTIONS_PER_HOUR": "0"}


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds: the median, the 99th percentile and the longest."""

    p50: float
    p99: float
    longest: float


@dataclass(frozen=True, slots=True)
class Result:
    """What one burst led to. `lost` are questions without an end, `doubled` those with more than one reply."""

    questions: int
    people: int
    events: int
    delivered_again: int
    not_acknowledged: int
    acknowledged: Spread
    first_sign: Spread
    finished: Spread
    answered: int
    abstained: int
    lost: int
    doubled: int

    @property
    def passed(self) -> bool:
        """Whether the app did what it promises."""
        in_time = self.acknowledged.p99 < ACKNOWLEDGE_WITHIN
        return in_time and not (self.not_acknowledged or self.lost or self.doubled)


def main() -> int:
    """Set everything up, make the burst, print what came of it."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="journeyman-load-") as folder, Workspace() as workspace:
        workspace.install(ROOT / "bot" / "manifest.yaml")
        workspace.become_older(options.older)
        with StandIn() as url, bot(Path(folder), workspace, url) as process:
            process.run("index", str(ROOT / "examples" / "company"))
            process.start()
            places = channels(workspace, options.people)
            warm_up(workspace, process)
            asked = burst(workspace, places, options.questions, options.people)
            wait(workspace, asked)
            result = measured(workspace, asked, options.people)
    show(result)
    if options.json:
        options.json.write_text(json.dumps(asdict(result), indent=1) + "\n", encoding="utf-8")
    return 0 if result.passed else 1


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--older", action="store_true", help="a Slack without streams, status and feedback buttons")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    return parser.parse_args()


class StandIn:
    """The model server as a process of its own, so that it takes no time from Slack's or the bot's. Gives its URL."""

    def __enter__(self) -> str:
        context = get_context("spawn")
        here, there = context.Pipe()
        self._pipe = here
        self._process = context.Process(target=serve_model, args=(there,), daemon=True)
        self._process.start()
        return str(here.recv())

    def __exit__(self, *_: object) -> None:
        self._pipe.send("end")
        self._process.join(10)


def serve_model(pipe: Connection) -> None:
    """The stand-in's process: says where it is, and ends when it is told to."""
    with model_server() as url:
        pipe.send(url)
        pipe.recv()


def bot(folder: Path, workspace: Workspace, model_url: str) -> BotProcess:
    """The bot, not yet started."""
    model = {"JOURNEYMAN_MODEL_URL": model_url, "JOURNEYMAN_MODEL": "stand-in"}
    return BotProcess(folder / "home", workspace.environment() | model | NO_LIMITS)


def channels(workspace: Workspace, people: int) -> list[Channel]:
    """Channels with everybody in them."""
    names = [workspace.add_person(f"person{number}") for number in range(people)]
    return [workspace.add_channel(f"hall-{number}", *names) for number in range(CHANNELS)]


def warm_up(workspace: Workspace, process: BotProcess) -> None:
    """One question before the burst: a bot that has been running for a while is what people meet."""
    workspace.wait_for(lambda: workspace.connections > 0 or process.ended, START)
    if process.ended:
        sys.exit(f"The bot did not start:\n{process.said()}")
    question = workspace.post("ada", "maintenance", f"{workspace.mention} what does alarm A204 mean?")
    workspace.wait_for(lambda: ends(workspace, question), START)


def burst(workspace: Workspace, places: Sequence[Channel], questions: int, people: int) -> list[Message]:
    """All questions, one right after the other; each person asks several."""
    lines = (ROOT / "examples" / "questions" / "company.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["question"] for line in lines]
    asked = []
    for number in range(questions):
        person, place, text = f"person{number % people}", places[number % len(places)], texts[number % len(texts)]
        asked.append(workspace.post(person, place, f"{workspace.mention} {text}"))
    return asked


def wait(workspace: Workspace, asked: Sequence[Message]) -> None:
    """Until every question has its end and nothing more comes, or patience ends."""
    deadline = time.monotonic() + PATIENCE
    left = list(asked)
    while left and time.monotonic() < deadline:
        time.sleep(0.5)
        left = [question for question in left if not ends(workspace, question)]
    time.sleep(3.0)  # for whatever should not come


def ends(workspace: Workspace, question: Message) -> list[Message]:
    """The finished replies to a question: those with thumbs below them."""
    replies = workspace.replies_by_app(question)
    return [m for m in replies if any(block["type"] in ("context_actions", "actions") for block in m.blocks)]


def measured(workspace: Workspace, asked: Sequence[Message], people: int) -> Result:
    """The figures of a burst."""
    posts = {question.ts: question for question in asked}
    owed = [d for d in workspace.deliveries if d.event.get("ts") in posts]
    acknowledged = [d.acknowledged_at - d.attempts[0].at for d in owed if d.acknowledged_at is not None]
    replies = {ts: ends(workspace, question) for ts, question in posts.items()}
    state = Counter("abstained" if says_no(found[-1]) else "answered" for found in replies.values() if found)
    return Result(
        questions=len(asked),
        people=people,
        events=len(owed),
        delivered_again=sum(len(d.attempts) - 1 for d in owed),
        not_acknowledged=len(owed) - len(acknowledged),
        acknowledged=spread(acknowledged),
        first_sign=spread([signs(workspace, question) for question in asked]),
        finished=spread([found[-1].states[-1].at - float(ts) for ts, found in replies.items() if found]),
        answered=state["answered"],
        abstained=state["abstained"],
        lost=sum(not found for found in replies.values()),
        doubled=sum(len(workspace.replies_by_app(question)) > 1 for question in asked),
    )


def says_no(reply: Message) -> bool:
    """Whether the reply says that the documents don't say."""
    return "The documents don't say" in json.dumps([reply.text, reply.blocks])


def signs(workspace: Workspace, question: Message) -> float:
    """Seconds until the asker sees that the bot took the question on: a status or the first message."""
    statuses = [status.at for status in workspace.statuses if status.thread_ts == question.ts]
    replies = [message.states[0].at for message in workspace.replies_by_app(question)]
    return min([*statuses, *replies], default=float("inf")) - float(question.ts)


def spread(seconds: Sequence[float]) -> Spread:
    """The nearest-rank percentiles; zeros for none."""
    ordered = sorted(seconds) or [0.0]

    def rank(share: float) -> float:
        return round(ordered[max(0, -(-int(len(ordered) * share * 100) // 100) - 1)], 4)

    return Spread(rank(0.5), rank(0.99), round(ordered[-1], 4))


def show(result: Result) -> None:
    """The figures as a table."""
    table = Table(title=f"{result.questions} questions in one burst from {result.people} people")
    for column in ("", "p50", "p99", "longest"):
        table.add_column(column, justify="left" if not column else "right")
    for name, times in (
        (f"{result.events} events acknowledged after", result.acknowledged),
        ("the asker sees a sign after", result.first_sign),
        ("finished after", result.finished),
    ):
        table.add_row(name, *(f"{value * 1000:,.0f} ms" for value in (times.p50, times.p99, times.longest)))
    console = Console()
    console.print(table)
    counts = ("answered", "abstained", "lost", "doubled", "delivered_again", "not_acknowledged")
    console.print(" · ".join(f"{name.replace('_', ' ')} {getattr(result, name)}" for name in counts))
    console.print("passed" if result.passed else "FAILED", style="bold")


if __name__ == "__main__":
    sys.exit(main())
