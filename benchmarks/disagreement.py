"""Are documents that disagree told from documents that do not? 40 pairs that do, and 200 that do not.

    python benchmarks/disagreement.py [--half development|kept] [--show]

benchmarks/data/disagreement.jsonl holds 40 subjects of several trades (34 in English, 4 in German, 2 in Hebrew): what
two documents say of each, in different words, with a value to be filled in. From each subject come one pair that
disagrees and five that do not: the same value in other words or another unit; another variant of the thing; another
condition; the same statement once more; and the statement of another subject. Half of the subjects were looked at in
development, half were kept aside until the end. `disagreement_short.jsonl` are further pairs of short sentences, all
for development.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from retrieval.answering.disagreement.disagreements import disagreements
from retrieval.answering.evidence.quotes import Quote
from retrieval.answering.measuring.evaluation import _proportion
from retrieval.searching.passage import Passage

DATA = Path(__file__).parent / "data" / "disagreement.jsonl"
SHORT = Path(__file__).parent / "data" / "disagreement_short.jsonl"
KINDS = ("disagree", "same value", "other variant", "other condition", "repeated", "other subject")


@dataclass(frozen=True)
class Pair:
    """Two documents and a question; `kind` is "disagree" or why they do not."""

    id: str
    kind: str
    question: str
    passages: Sequence[Passage]

    @property
    def is_flagged(self) -> bool:
        return bool(self.found())

    def found(self) -> list[str]:
        """What is said of them, with the first one quoted."""
        quotes = [Quote(self.passages[0], self.passages[0].text)]
        return [str(one) for one in disagreements(self.question, self.passages, quotes)]


def main() -> None:
    """Print the shares that were flagged, by kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=("development", "kept", "short"))
    parser.add_argument("--show", action="store_true", help="print each pair that was judged wrongly")
    options = parser.parse_args()
    for half in [options.half] if options.half else ["development", "kept", "short"]:
        report(half, list(short_pairs() if half == "short" else pairs(half)), options.show)


def report(half: str, judged: Sequence[Pair], show: bool) -> None:
    """A line for each kind, and both rates."""
    print(half)
    flagged = {pair.id: pair.is_flagged for pair in judged}
    for kind in KINDS:
        if not (of_kind := [flagged[pair.id] for pair in judged if pair.kind == kind]):
            continue
        print(f"  {kind:<16} flagged {_proportion(of_kind)}")
    print(f"  {'falsely':<16} flagged {_proportion([flagged[pair.id] for pair in judged if pair.kind != KINDS[0]])}")
    for pair in judged:
        if show and flagged[pair.id] != (pair.kind == KINDS[0]):
            said = " || ".join(passage.text for passage in pair.passages)
            print(f"  {pair.id}: {pair.question}\n      {said}\n      {pair.found()}")


def pairs(half: str) -> Iterator[Pair]:
    """Six of each subject."""
    lines = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    subjects = [line for line in lines if line["half"] == half]
    for place, one in enumerate(subjects):
        next_one = subjects[(place + 1) % len(subjects)]
        first = passage(1, one, "a", one["a"], one["value"])
        others = (
            passage(2, one, "b", one["b"], one["other_value"]),
            passage(2, one, "b", one["b"], one["same"]),
            passage(2, one, "b", one["variant"], one["other_value"]),
            passage(2, one, "b", one["condition"], one["other_value"]),
            passage(2, one, "a", one["a"], one["value"]),
            passage(2, next_one, "b", next_one["b"], next_one["other_value"]),
        )
        for kind, other in zip(KINDS, others, strict=True):
            yield Pair(f"{one['id']} {kind}", kind, one["question"], (first, other))


def short_pairs() -> Iterator[Pair]:
    """Each of two sentences."""
    for line in SHORT.read_text(encoding="utf-8").splitlines():
        one = json.loads(line) | {"title_a": "Manual", "title_b": "Notes", "heading_a": "", "heading_b": ""}
        kind = KINDS[0] if one["disagree"] else "something else"
        yield Pair(
            one["id"], kind, one["question"], (passage(1, one, "a", one["a"], ""), passage(2, one, "b", one["b"], ""))
        )


def passage(number: int, subject: dict[str, Any], side: str, text: str, value: str) -> Passage:
    """What one document says; the second is newer."""
    said = text.replace("{v}", value)
    return Passage(
        chunk_id=number,
        document_id=number,
        ordinal=0,
        document=f"{number}.md",
        title=subject[f"title_{side}"],
        heading=subject[f"heading_{side}"],
        kind="row" if said.startswith("ROW ") else "table" if said.startswith("|") else "text",
        text=said.removeprefix("ROW "),
        url=None,
        content_hash=str(number),
        collection="default",
        score=0.5,
        ranks={},
        similarity=0.5,
        modified_at=datetime(2023 + number, 3, 1, tzinfo=UTC),
    )


if __name__ == "__main__":
    main()
