"""Scores how surely a message that nobody addressed to the bot asks something that documents could answer.

It is for channels where every question is answered: the channel's threshold decides. The score is a logistic function
of the message's vector and of a few traits of its words: traits tell a question from a statement, the vector tells
"which oil goes into the pump?" from "which pizza do you want?". `benchmarks/question_classifier.py` fits the weights in
question_weights.json and measures them on messages that they were not fitted on: docs/experiments.md.

The vector's weights belong to one embedding model, whichever the index is searched with. Where that one is not
installed the traits decide alone, with the weights below.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from retrieval.embedders import of_model
from retrieval.embedding import Embedder, EmbedderMissing, Vectors

READ = 1_000  # characters that are looked at
BIAS = -1.4
WEIGHTS = {  # without a vector
    "ends with a question mark": 2.4,
    "opens with a question word": 2.1,
    "opens with an auxiliary verb": 1.9,
    "asks for help or knowledge": 3.2,
    "speaks of you": -2.0,
    "speaks to one person": -1.2,
    "is very short": -1.7,
    "is an announcement": -1.9,
    "is small talk": -3.6,
}
_WORDS = (
    "what|which|who|whom|whose|when|where|why|how|was|wer|wen|wem|welche[rsn]?|wann|wo|warum|wieso|wie|wohin|que|quel|"
    "quelle|qui|quand|où|pourquoi|comment|combien|qué|cuál|quién|cuándo|dónde|cómo"
)
_AUXILIARIES = (
    "is|are|do|does|did|can|could|may|should|shall|must|has|have|will|would|ist|sind|kann|können|darf|gibt|hat"
)
_LEAD = r"^(?:(?:hi|hello|hey|hallo|morning|quick question|question|frage|so|and|und|ok|but|please|sorry)\b[\s,:!-]*)*"
_TRAITS = {
    "ends with a question mark": re.compile(r"\?[\s)\"'”!?]{0,40}$"),
    "opens with a question word": re.compile(rf"{_LEAD}(?:{_WORDS})\b(?!\s+a\b)", re.IGNORECASE),
    "opens with an auxiliary verb": re.compile(rf"{_LEAD}(?:{_AUXILIARIES})\b", re.IGNORECASE),
    "asks for help or knowledge": re.compile(
        r"\b(?:any(?:one|body) know|somebody know|any idea|how (?:do|can|to)|need (?:help|to know)|"
        r"looking for|where (?:can|do) (?:i|we)|can't find|cannot find|weiß jemand|kennt jemand|wondering|tell me)\b",
        re.IGNORECASE,
    ),
    "speaks of you": re.compile(r"\b(?:you|your|u|du|dein\w*|ihr)\b(?!\s+(?:know|have to)\b)", re.IGNORECASE),
    "speaks to one person": re.compile(r"@\w"),
    "is very short": re.compile(r"^\S+(?:\s+\S+){0,2}$"),
    "is an announcement": re.compile(
        r"\b(?:fyi|reminder|heads up|please note|update:|just (?:finished|started|fixed)|will be|has been|"
        r"i(?:'ve| have)|we(?:'ve| have)|i(?:'ll| will)|let's)\b",
        re.IGNORECASE,
    ),
    "is small talk": re.compile(
        r"\b(?:lunch|coffee|weekend|birthday|how are you|how's it going|what's up|who's in|right\?|isn't it|lol|haha|"
        r"congrat\w*|anyone up for|ready\?|ok\?|really\?|seriously)",
        re.IGNORECASE,
    ),
}


@dataclass(frozen=True, slots=True)
class QuestionWeights:
    """The weights of a message's vector by `embedder`, of shape (dimensions,), and of the traits beside it."""

    embedder: str
    bias: float
    traits: Mapping[str, float]
    vector: Vectors


def question_score(text: str, embedder: Embedder | None = None) -> float:
    """Returns how sure it is, from 0 to 1, that the message asks something that documents could answer.

    Embeds the message if `embedder` is, or has, the model that the vector's weights were fitted on.
    """
    message = text.strip()[:READ]
    names = traits(message)
    weights = _fitted()
    vector = None if embedder is None else _vector(message, embedder, weights.embedder)
    if vector is None:
        return _logistic(BIAS + sum(WEIGHTS[name] for name in names))
    return _logistic(weights.bias + sum(weights.traits[name] for name in names) + float(vector @ weights.vector))


def traits(text: str) -> list[str]:
    """Returns the names of the traits that the message has."""
    return [name for name, trait in _TRAITS.items() if trait.search(text)]


def _vector(text: str, embedder: Embedder, model: str) -> Vectors | None:
    """Embeds the message as a vector of shape (dimensions,); None where the model is missing.

    The index's active model is not asked for: that takes a connection, of which the caller holds one already.
    """
    try:
        fitting = of_model(embedder, model)
        return fitting.embed([text])[0] if fitting.name == model else None
    except EmbedderMissing:
        return None


@cache
def _fitted() -> QuestionWeights:
    weights = json.loads((files("bot.questions") / "question_weights.json").read_text(encoding="utf-8"))
    return QuestionWeights(
        weights["embedder"], weights["bias"], weights["traits"], np.array(weights["vector"], dtype=np.float32)
    )


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))
