"""Follow-ups: which way of asking them finds the right documents? Several ways side by side, over one index.

    python benchmarks/followups.py benchmarks/data/conversations/questions.jsonl benchmarks/data/conversations/documents
    JOURNEYMAN_MODEL_URL=http://… python benchmarks/followups.py QUESTIONS.jsonl DOCUMENTS --model

QUESTIONS is a set as `journeyman evaluate` reads it; its last turns, with and without `history`, are searched by
themselves, behind the question before them, behind it where their words lean on it, behind all that were asked, and as
the product does without a model: by themselves and with what was said at once. With --model they are rewritten by the
model of the settings: only if the rewrite passes the check, and every rewrite as it is. Right is a passage of one of
the question's `sources`, at the place where the chain has it.

The index is kept in --home, so that a second run reads no document again; without, it is made anew and thrown away.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from journeyman.composition import Application, application
from journeyman.indexing import index_paths
from journeyman.settings import Settings
from retrieval.answering.answer import Question
from retrieval.answering.measuring.evaluation import LabelledQuestion, load_questions
from retrieval.answering.passages import passages_for
from retrieval.answering.question.followup import meaning_of, standalone
from retrieval.answering.question.rewriting import checked, proposed

RESAMPLES = 10_000
NOWHERE = 99
"""The place of a document that was not found."""

Way = Callable[[Question], tuple[str, Mapping[str, float] | None]]
"""What is asked, and what is searched near to where that is something else."""


@dataclass(frozen=True)
class Asked:
    """What was searched for one question, and the place of the first right document."""

    question: LabelledQuestion
    text: str
    place: int


def main() -> None:
    """Measure all ways, print a table, and the questions on which they differ."""
    options = arguments()
    labelled = [question for question in load_questions(options.questions) if question.answerable]
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    with home(options.home) as folder, application(Settings(home=folder)) as app:
        index_paths(app.indexing, [options.documents], "default", lambda _: None)
        found = {name: list(asked(app, way, labelled)) for name, way in ways(app, model=options.model)}
    told(found)
    if options.json:
        options.json.write_text(json.dumps({name: rows(answers) for name, answers in found.items()}, indent=1))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path)
    parser.add_argument("documents", type=Path)
    parser.add_argument("--model", action="store_true", help="have the model of the settings rewrite them, too")
    parser.add_argument("--home", type=Path, help="where the index is kept")
    parser.add_argument("--json", type=Path, help="write what was searched and found")
    return parser.parse_args()


@contextmanager
def home(folder: Path | None) -> Iterator[Path]:
    """The folder, or one that is gone afterwards."""
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="jm-bench-") as made:
        yield Path(made)


def ways(app: Application, *, model: bool) -> Iterator[tuple[str, Way]]:
    """Each way of asking by its name."""
    yield "last turn", lambda question: (question.text, None)
    yield "last two turns", lambda question: (" ".join([*said(question)[-1:], question.text]), None)
    yield "two if it leans", lambda question: (standalone(question), None)
    yield "all turns", lambda question: (" ".join([*said(question), question.text]), None)
    yield "plain fallback", lambda question: meant(question, standalone(question))
    if model:
        said_by_model = remembered(lambda question: proposed(question, app.model) if question.history else None)
        yield "model, checked", lambda question: meant(question, checked(said_by_model(question), question))
        yield "model, unchecked", lambda question: meant(question, said_by_model(question) or standalone(question))
        yield "model alone", lambda question: (said_by_model(question) or standalone(question), None)


def meant(question: Question, asked: str) -> tuple[str, Mapping[str, float] | None]:
    """As the chain searches it."""
    return asked, meaning_of(question, asked)


def said(question: Question) -> list[str]:
    """What the person asked before."""
    return [turn.text for turn in question.history if turn.role == "user"]


def remembered(way: Callable[[Question], Any]) -> Callable[[Question], Any]:
    """The same, which asks once."""
    known: dict[str, Any] = {}

    def again(question: Question) -> Any:
        key = repr(question)
        if key not in known:
            known[key] = way(question)
        return known[key]

    return again


def asked(app: Application, way: Way, labelled: Sequence[LabelledQuestion]) -> Iterator[Asked]:
    """Searches each question as the chain does."""
    with app.connect() as conn:
        for one in labelled:
            text, meaning = way(Question(one.question, one.history))
            passages = passages_for(conn, app.embedder, app.reranker, text, meaning=meaning)
            places = (place for place, passage in enumerate(passages, 1) if passage.document in one.sources)
            yield Asked(one, text, next(places, NOWHERE))


def told(found: dict[str, list[Asked]]) -> None:
    """The table: of all questions, and of those that others came before; then the misses of the plain fallback."""
    for what, chosen in (("all", lambda one: True), ("with history", lambda one: bool(one.question.history))):
        first = next(iter(found.values()))
        print(f"\n{what}: {sum(map(chosen, first))} questions")
        for name, answers in found.items():
            places = np.array([one.place for one in answers if chosen(one)])
            base = np.array([one.place for one in first if chosen(one)])
            print(f"  {name:<18}" + "".join(f"  hit@{k} {rate(places <= k)}" for k in (1, 5)), end="")
            print("" if answers is first else f"   hit@1 over the last turn {difference(places <= 1, base <= 1)}")


def rate(hits: "np.ndarray") -> str:
    """The mean with its 95 % percentile bootstrap interval."""
    low, high = interval(hits.astype(float))
    return f"{hits.mean():.3f} [{low:.3f}, {high:.3f}]"


def difference(ours: "np.ndarray", theirs: "np.ndarray") -> str:
    """The mean of the paired difference with its interval."""
    moved = ours.astype(float) - theirs.astype(float)
    low, high = interval(moved)
    return f"{moved.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def interval(values: "np.ndarray") -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of the mean."""
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


def rows(answers: Sequence[Asked]) -> list[dict[str, Any]]:
    """For JSON."""
    return [{"id": one.question.id, "text": one.text, "place": one.place} for one in answers]


if __name__ == "__main__":
    main()
