"""Fits and measures what tells questions for the documents from other talk (`bot/questions/classifier.py`).

    pip install --no-deps --target data zaragoza-construction-faq fitz-gov chatterbot-corpus
    python benchmarks/question_classifier.py data --write

Fitted on half of three open collections and on tests/bot/questions/channel_messages.py; measured on the other halves
and on tests/bot/questions/held_out_messages.py, with 95 % intervals. `--write` keeps the weights in
bot/questions/question_weights.json.

The collections, which are not part of Journeyman: zaragoza-construction-faq (CC-BY-4.0: questions and sentences of
answers), fitz-gov (MIT: questions and sentences of passages), chatterbot-corpus (BSD: English and German talk). L2 was
chosen by five-fold cross-validation on what is fitted on.
"""

import argparse
import json
import random
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bot.questions.channels import ChannelSettings  # noqa: E402 - the repository's root comes first
from bot.questions.classifier import READ, WEIGHTS, question_score, traits  # noqa: E402
from retrieval.embedding import MiniLM  # noqa: E402
from tests.bot.questions.channel_messages import OTHERS, QUESTIONS  # noqa: E402
from tests.bot.questions.held_out_messages import ASKED, OTHER  # noqa: E402

KEPT = ROOT / "bot" / "questions" / "question_weights.json"
L2 = 3e-4
MOST = 500  # messages of one kind from one collection, in each half
TALK = ("botprofile", "conversations", "emotion", "food", "gossip", "greetings", "humor", "psychology")
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """Messages of one kind; `weight` is how much they count together when they are fitted on."""

    name: str
    asked: bool
    texts: Sequence[str]
    weight: float = 1.0


def main() -> None:
    """Fit, measure, print; write if it is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder that pip installed the collections into")
    parser.add_argument("--write", action="store_true", help="keep the fitted weights")
    given = parser.parse_args()
    fitted_on, held_out = groups(given.data)
    embedder = MiniLM()
    features = [Features.of(group, embedder) for group in fitted_on]
    weights = fit(np.concatenate([f.values for f in features]), *labels(fitted_on), L2)
    threshold = ChannelSettings().threshold
    print(f"Share of messages at or above the default threshold of {threshold}, with its 95 % interval")
    print(f"{'':26} {'n':>5}  {'vector and traits':>22}  {'traits alone':>22}")
    scores: dict[str, tuple[Array, Array]] = {}
    for group in held_out:
        with_vector = logistic(Features.of(group, embedder).values @ weights)
        alone = np.array([question_score(text) for text in group.texts])
        scores[group.name] = with_vector, alone
        shares = "  ".join(f"{interval(float((s >= threshold).mean()), len(s)):>22}" for s in scores[group.name])
        print(f"{group.name:26} {len(group.texts):5}  {shares}")
    for place, how in enumerate(("vector and traits", "traits alone")):
        asked, other = scores["own: asked"][place], scores["own: other"][place]
        low, high = bootstrap(asked, other)
        hits, false = int((asked >= threshold).sum()), int((other >= threshold).sum())
        precision, recall = interval(hits / (hits + false), hits + false), interval(hits / len(asked), len(asked))
        print(f"own, {how}: AUC {auc(asked, other):.3f} [{low:.3f}, {high:.3f}], {precision=!s}, {recall=!s}")
    if given.write:
        keep(weights, embedder.name)
        print(f"Wrote {KEPT}")


def groups(data: Path) -> tuple[list[Group], list[Group]]:
    """What is fitted on, and what is held out."""
    faq = read_lines(data / "zaragoza_construction_faq/data/faq-en.jsonl")
    fitz = [case for file in sorted((data / "fitz_gov/data/tier1_core").glob("*.json")) for case in read_cases(file)]
    talk = data / "chatterbot_corpus/data"
    faq_asked, faq_asked_out = halves(row["q"] for row in faq)
    fitz_asked, fitz_asked_out = halves(case["query"] for case in fitz)
    faq_said, faq_said_out = halves(sentence for row in faq for sentence in sentences(row["a"]))
    fitz_said, fitz_said_out = halves(s for case in fitz for text in case["contexts"] for s in sentences(str(text)))
    talked, talked_out = halves(line for name in TALK for line in read_talk(talk / "english" / f"{name}.yml"))
    german = [line for name in ("conversations", "greetings") for line in read_talk(talk / "german" / f"{name}.yml")]
    fitted_on = [
        Group("faq: asked", True, faq_asked, 0.5),
        Group("fitz: asked", True, fitz_asked, 0.5),
        Group("faq: as typed", True, as_typed(faq_asked), 0.3),
        Group("fitz: as typed", True, as_typed(fitz_asked), 0.3),
        Group("own: asked", True, QUESTIONS, 2.0),
        Group("faq: said", False, faq_said),
        Group("fitz: said", False, fitz_said),
        Group("talk", False, talked),
        Group("own: other", False, OTHERS, 3.0),
    ]
    held_out = [
        Group("own: asked", True, ASKED),
        Group("faq: asked", True, faq_asked_out),
        Group("faq: as typed", True, as_typed(faq_asked_out)),
        Group("fitz: asked", True, fitz_asked_out),
        Group("own: other", False, OTHER),
        Group("faq: said", False, faq_said_out),
        Group("fitz: said", False, fitz_said_out),
        Group("talk, English", False, talked_out),
        Group("talk, German", False, sorted(set(german))),
    ]
    return fitted_on, held_out


def halves(texts: Iterable[str]) -> tuple[list[str], list[str]]:
    """Two halves without a common text, at most MOST each, the same at every run."""
    found = sorted({" ".join(text.split()) for text in texts})
    random.Random(0).shuffle(found)
    middle = len(found) // 2
    return found[:middle][:MOST], found[middle:][:MOST]


def as_typed(texts: Iterable[str]) -> list[str]:
    """As people type in a hurry: no capital at the beginning, no question mark at the end."""
    return [text[:1].lower() + text[1:].rstrip("? ") for text in texts]


def sentences(text: str) -> list[str]:
    """Of 3 to 40 words."""
    return [s for s in re.split(r"(?<=[.!?])\s+", text.strip()) if 3 <= len(s.split()) <= 40]


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]


def read_cases(file: Path) -> list[dict[str, Any]]:
    """The cases of a file of fitz-gov: a list, or the one list in an object."""
    found = json.loads(file.read_text(encoding="utf-8"))
    cases = found if isinstance(found, list) else next(value for value in found.values() if isinstance(value, list))
    return list(cases)


def read_talk(file: Path) -> list[str]:
    """What is said in a file of chatterbot-corpus; longer texts are jokes and essays."""
    conversations = yaml.safe_load(file.read_text(encoding="utf-8"))["conversations"]
    return [str(line) for conversation in conversations for line in conversation if len(str(line)) < 300]


@dataclass(frozen=True)
class Features:
    """`values` of shape (messages, dimensions + traits + 1): vectors, traits, and a column of ones."""

    values: Array

    @classmethod
    def of(cls, group: Group, embedder: MiniLM) -> "Features":
        read = [text.strip()[:READ] for text in group.texts]
        has = [[name in found for name in WEIGHTS] for found in map(traits, read)]
        ones = np.ones((len(read), 1))
        return cls(np.hstack([embedder.embed(read).astype(np.float64), np.array(has, dtype=np.float64), ones]))


def labels(fitted_on: Sequence[Group]) -> tuple[Array, Array]:
    """1 for what is asked, and how much each message counts: both labels the same together."""
    asked = np.concatenate([np.full(len(g.texts), float(g.asked)) for g in fitted_on])
    counts = np.concatenate([np.full(len(g.texts), g.weight / len(g.texts)) for g in fitted_on])
    for label in (0.0, 1.0):
        counts[asked == label] /= counts[asked == label].sum()
    return asked, counts


def fit(values: Array, asked: Array, counts: Array, l2: float) -> Array:
    """Logistic regression by Newton's method; the last column, of ones, is not regularised."""
    weights = np.zeros(values.shape[1])
    penalty = np.full(len(weights), l2)
    penalty[-1] = 1e-8
    for _ in range(100):
        expected = logistic(values @ weights)
        gradient = values.T @ (counts * (expected - asked)) + penalty * weights
        curvature = (values * (counts * expected * (1 - expected))[:, None]).T @ values + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < 1e-9:
            return weights
    raise RuntimeError("the fit did not come to an end")


def logistic(values: Array) -> Array:
    """From 0 to 1."""
    return np.asarray(1 / (1 + np.exp(-values)))


def auc(asked: Array, other: Array) -> float:
    """How often one that is asked scores higher than one that is not."""
    return float(((asked[:, None] > other) + 0.5 * (asked[:, None] == other)).mean())


def bootstrap(asked: Array, other: Array) -> tuple[float, float]:
    """The 95 % interval of the AUC, by drawing messages anew."""
    draw = np.random.default_rng(0)
    drawn = [auc(draw.choice(asked, len(asked)), draw.choice(other, len(other))) for _ in range(2000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def interval(share: float, n: int) -> str:
    """A share with Wilson's interval (https://doi.org/10.1080/01621459.1927.10502953)."""
    z = 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return f"{share:.3f} [{max(0.0, middle - half):.3f}, {min(1.0, middle + half):.3f}]"


def keep(weights: Array, embedder: str) -> None:
    """Writes what `bot.questions.classifier` reads."""
    *vector, bias = [round(float(weight), 4) for weight in weights]
    named = dict(zip(WEIGHTS, vector[-len(WEIGHTS) :], strict=True))
    kept = {"embedder": embedder, "bias": bias, "traits": named, "vector": vector[: -len(WEIGHTS)]}
    KEPT.write_text(json.dumps(kept, indent=None) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
