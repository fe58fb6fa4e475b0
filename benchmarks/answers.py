"""What a model wrote, what of it people see, and what the documents' own words say beside it: the whole answer chain.

    python benchmarks/answers.py QUESTIONS.jsonl DOCUMENTS --model-url http://127.0.0.1:8000/v1 --keep answers.jsonl
    python benchmarks/answers.py QUESTIONS.jsonl DOCUMENTS --replay answers.jsonl

DOCUMENTS are indexed in a home of their own (`--home` keeps it), the questions go through the product's own chain, and
what the model writes is recorded as it streams. Without `--model` or `--model-url` the default model answers; all other
settings are the environment's. `--keep` writes every answer as a line of JSON, with its passages, all that the model
wrote and every yes or no that it was asked for. `--replay` takes the model's part from such a file in place of a model,
so that another check, or another composition of the answer, is measured on the same writings in seconds.

Of each question: what the model *wrote*, all of it; what is *shown* of that; the *evidence* shown beside it; the
*quotes* that would be the whole answer without a model; and the *answer* as people see it. Where a question has
`expect`, a text holds the facts if all patterns are found; where it has only an `answer`, its worth is the words that
both share (F1, as in SQuAD). All sides come from one run, intervals are 95 % bootstraps over questions.
"""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from langchain_core.language_models.chat_models import BaseChatModel, generate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field

sys.path.insert(0, str(Path(__file__).parent.parent))

from finetune.evaluation.scoring import answer_score, bare, quoted
from journeyman.composition import Application, application
from journeyman.indexing import index_paths
from journeyman.settings import Settings
from retrieval.answering.answer import Answer, Done, Question
from retrieval.answering.draft import written_by_model
from retrieval.answering.measuring.evaluation import LabelledQuestion, load_questions
from retrieval.answering.statements import statements, without_citations

RESAMPLES = 10_000
COLLECTION = "benchmark"
END_OF_PASSAGES = "</passage>"
SIDES = ("wrote", "shown", "evidence", "quotes", "answer")


@dataclass
class Heard:
    """What a model wrote and how it judged, since it was last cleared.

    `writings` are those of prompts with passages in them, for a follow-up may be rewritten by the same model. A verdict
    is kept under what was asked behind the passages.
    """

    writings: list[str] = field(default_factory=list)
    verdicts: dict[str, float | None] = field(default_factory=dict)

    def clear(self) -> None:
        self.writings, self.verdicts = [], {}


def asked_behind(messages: Sequence[BaseMessage]) -> str:
    """What stands behind the last passage of a prompt; empty for one without passages."""
    texts = "\n".join(message.text for message in messages)
    return texts.rpartition(END_OF_PASSAGES)[2].strip() if END_OF_PASSAGES in texts else ""


def recorded(model: Any, heard: Heard) -> Any:
    """The same model, whose every word is written down in `heard` as it streams."""

    class Recorded(type(model)):  # type: ignore[misc]
        def _stream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
            pieces: list[str] = []
            try:
                for chunk in super()._stream(messages, *args, **kwargs):
                    pieces.append(chunk.message.text)
                    yield chunk
            finally:
                if asked_behind(messages):
                    heard.writings.append("".join(pieces))

        def probability_of_yes(self, messages: Sequence[BaseMessage]) -> float | None:
            found: float | None = super().probability_of_yes(messages)
            heard.verdicts[asked_behind(messages)] = found
            return found

    copy = model.model_copy()
    copy.__class__ = Recorded
    return copy


class Replayed(BaseChatModel):
    """A chat model that writes again what was written to a question: its first writing, then its second, and so on.

    What it has no writing for, as a follow-up to be rewritten, it leaves empty.
    """

    model_name: str
    writings: Mapping[str, Sequence[str]]
    verdicts: Mapping[str, Mapping[str, float | None]]
    told: dict[str, int] = Field(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "replayed"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return generate_from_stream(self._stream(messages))

    def _stream(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Iterator[ChatGenerationChunk]:
        for word in self._next(messages).splitlines(keepends=True):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
        metadata = {"finish_reason": "stop", "model_name": self.model_name}
        last = AIMessageChunk(content="", response_metadata=metadata, chunk_position="last")
        yield ChatGenerationChunk(message=last, generation_info=metadata)

    def _next(self, messages: Sequence[BaseMessage]) -> str:
        if (question := self._question(messages)) is None:
            return ""
        written = self.writings[question]
        number = self.told.get(question, 0)
        self.told[question] = number + 1
        return written[min(number, len(written) - 1)] if written else ""

    def _question(self, messages: Sequence[BaseMessage]) -> str | None:
        """The longest of the questions that stands behind the passages: one may begin another."""
        asked = asked_behind(messages)
        return max((question for question in self.writings if question in asked), key=len, default=None)

    def probability_of_yes(self, messages: Sequence[BaseMessage]) -> float | None:
        """What was said then to the same words; None to others."""
        question = self._question(messages)
        return None if question is None else self.verdicts.get(question, {}).get(asked_behind(messages))


def replayed(file: Path) -> Replayed:
    """The model of a file that `--keep` wrote; lines need `standalone` or `question`, and `writings` or `written`."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    asked = [line.get("standalone") or line["question"] for line in lines]
    written = [line["writings"] if "writings" in line else [line["written"]] for line in lines]
    return Replayed(
        model_name=next((line["model"] for line in lines if line.get("model")), "replayed"),
        writings=dict(zip(asked, written, strict=True)),
        verdicts={question: line.get("verdicts") or {} for question, line in zip(asked, lines, strict=True)},
    )


@dataclass(frozen=True)
class Told:
    """One answer, taken apart. `text` is what people see; `statements` are pairs of what was written and whether it is
    shown; `rank` is the place of the first right document.
    """

    id: str
    kind: str
    question: str
    standalone: str
    text: str
    sides: Mapping[str, str]
    writings: Sequence[str]
    verdicts: Mapping[str, float | None]
    statements: Sequence[tuple[str, bool]]
    worth: Mapping[str, float]
    answerable: bool
    abstained: bool
    rank: int | None
    sources: Sequence[Mapping[str, Any]]
    passages: Sequence[Mapping[str, Any]]
    model: str
    timings: Mapping[str, float]


def told(labelled: LabelledQuestion, answer: Answer, heard: Heard, quotes: str) -> Told:
    """Takes an answer apart; `quotes` is what the documents' own words alone would have said."""
    shown = written_by_model(answer.text)
    sides = {
        "wrote": "\n".join(heard.writings),
        "shown": "" if answer.abstained else shown,
        "evidence": "" if answer.abstained else quoted(answer.text),
        "quotes": "" if answer.abstained else quoted(quotes),
        "answer": "" if answer.abstained else bare(answer.text),
    }
    documents = [passage.document for passage in answer.passages]
    return Told(
        id=labelled.id,
        kind=labelled.kind,
        question=labelled.question,
        standalone=answer.standalone,
        text=answer.text,
        sides=sides,
        writings=list(heard.writings),
        verdicts=dict(heard.verdicts),
        statements=[(one, is_in(one, sides["shown"])) for one in written_statements(heard.writings)],
        worth={side: worth(labelled, text) for side, text in sides.items()},
        answerable=labelled.answerable,
        abstained=answer.abstained,
        rank=next((place for place, name in enumerate(documents, 1) if name in labelled.sources), None),
        sources=[asdict(source) for source in answer.sources],
        passages=[asdict(passage) for passage in answer.passages],
        model=answer.model,
        timings=dict(answer.timings),
    )


def worth(labelled: LabelledQuestion, text: str) -> float:
    """In [0, 1], by facts or else by shared words; nothing said is worth nothing."""
    if not text.strip() or not labelled.answerable or not (labelled.expect or labelled.answer):
        return 0.0
    return answer_score(text, expect=labelled.expect, right=labelled.answer)


def written_statements(writings: Iterable[str]) -> list[str]:
    """Every statement once, in order, without citations."""
    found = [without_citations(one)[0] for text in writings for one in statements([text])]
    return list(dict.fromkeys(found))


def is_in(statement: str, shown: str) -> bool:
    """Whether the words of a statement stand one after the other in what is shown."""
    return f" {plain(statement)} " in f" {plain(shown)} "


def plain(text: str) -> str:
    return " ".join("".join(letter if letter.isalnum() else " " for letter in text.lower()).split())


def ask_all(app: Application, questions: Sequence[LabelledQuestion], model: Any) -> Iterator[Told]:
    """Every question through the chain, one after the other."""
    heard = Heard()
    chain = app.chain().with_model(recorded(model, heard))
    for labelled in questions:
        heard.clear()
        question = Question(labelled.question, labelled.history, [COLLECTION])
        for event in chain.stream(question):
            if isinstance(event, Done):
                yield told(labelled, event.answer, heard, chain.quoted(question))


def report(found: Sequence[Told]) -> dict[str, str]:
    """Every figure by what it is called."""
    answerable, other = [one for one in found if one.answerable], [one for one in found if not one.answerable]
    figures = {"questions": f"{len(answerable)} with an answer, {len(other)} without"}
    for side in SIDES:
        values = [one.worth[side] for one in answerable]
        whole = f"{sum(value == 1 for value in values)} of {len(values)}, "
        figures[f"right in {side}"] = whole + interval(values)
    for one, than in (("answer", "quotes"), ("shown", "quotes"), ("answer", "wrote")):
        figures[f"{one} over {than}"] = interval([row.worth[one] - row.worth[than] for row in answerable])
    figures["quotes or wrote"] = interval([max(row.worth["quotes"], row.worth["wrote"]) for row in answerable])
    kept = [(min(row.worth["shown"], row.worth["wrote"]), row.worth["wrote"]) for row in answerable]
    figures["shown of what was written right"] = ratio(kept)
    counts = [(sum(is_shown for _, is_shown in row.statements), len(row.statements)) for row in found]
    figures["statements shown"] = f"{sum(a for a, _ in counts)} of {sum(b for _, b in counts)}, {ratio(counts)}"
    figures["asked again"] = interval([float(len(row.writings) > 1) for row in found])
    figures["nothing of the model shown"] = interval([float(not row.sides["shown"]) for row in answerable])
    figures["abstained, with an answer"] = interval([float(row.abstained) for row in answerable])
    figures["abstained, without"] = interval([float(row.abstained) for row in other])
    for k in (1, 5):
        hits = [float(row.rank is not None and row.rank <= k) for row in answerable]
        figures[f"hit@{k}"] = interval(hits)
    for name in ("first_text", "total"):
        seconds = [row.timings[name] for row in found if name in row.timings]
        figures[f"seconds to {name.replace('_', ' ')}, p50"] = f"{np.median(seconds):.2f}" if seconds else "-"
    return figures


def interval(values: Sequence[float]) -> str:
    """The mean with its interval."""
    return ratio([(value, 1.0) for value in values])


def ratio(pairs: Sequence[tuple[float, float]]) -> str:
    """One sum over the other, with the interval of drawing questions again and again."""
    whole = np.array(pairs, dtype=float).reshape(-1, 2)
    if not whole[:, 1].sum():
        return "-"
    drawn = whole[np.random.default_rng(0).integers(len(whole), size=(RESAMPLES, len(whole)))].sum(axis=1)
    drawn = drawn[drawn[:, 1] > 0]
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], (0.025, 0.975))
    return f"{whole[:, 0].sum() / whole[:, 1].sum():.3f} [{low:.3f}, {high:.3f}]"


def keep(file: Path | None) -> Callable[[Told], None]:
    """Writes a line for an answer as soon as it is there, if it is to be kept."""
    if file is None:
        return lambda _: None
    file.write_text("", encoding="utf-8")

    def write(one: Told) -> None:
        with file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(asdict(one), ensure_ascii=False, default=str) + "\n")

    return write


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path)
    parser.add_argument("documents", type=Path, nargs="+")
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--model", help="Folder or hub id of a Phi-3.")
    model.add_argument("--model-url", help="An OpenAI-compatible server.")
    model.add_argument("--replay", type=Path, metavar="FILE", help="What --keep wrote, in place of a model.")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="Where every answer is written (JSONL).")
    parser.add_argument("--home", type=Path, help="Where the index is made, or is already; without, it is not kept.")
    parser.add_argument("--kinds", help="Kinds of question that are asked, separated by commas.")
    parser.add_argument("--most", type=int, help="The first so many questions.")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    kinds = options.kinds.split(",") if options.kinds else None
    questions = [one for one in load_questions(options.questions) if kinds is None or one.kind in kinds]
    given = {name: getattr(options, name) for name in ("model", "model_url") if getattr(options, name)}
    write = keep(options.keep)
    with (
        tempfile.TemporaryDirectory() as folder,
        application(Settings(home=options.home or Path(folder), **given)) as app,
    ):
        index_paths(app.indexing, options.documents, COLLECTION, lambda _: None)
        model = replayed(options.replay) if options.replay else app.model
        found = []
        for one in ask_all(app, questions[: options.most], model):
            write(one)
            found.append(one)
            print("." if one.worth["answer"] or not one.answerable else "x", end="", flush=True)
    print(f"\n{found[0].model if found else 'no questions'}, {platform.machine()}")
    for name, figure in report(found).items():
        print(f"{name:<34}{figure}")


if __name__ == "__main__":
    main()
