"""From the features of a statement to the probability that its passages bear it out: an additive model, fitted.

The weights are data of the package; benchmarks/groundedness.py fits them and writes them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from retrieval.answering.groundedness.alignment import Floats
from retrieval.answering.groundedness.features import FEATURES


@dataclass(frozen=True, slots=True)
class AdditiveModel:
    """An additive model: each feature adds what its curve, straight between its points, has at the feature's value.

    `threshold` is the probability from which a statement is shown; `judge` weighs the log odds of a model's yes.
    """

    bias: float
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    threshold: float
    judge: float = 0.0

    def probability(self, features: Floats, by_model: float | None = None) -> float:
        """From the features in the order of FEATURES and, where a model judged, its probability of yes, `by_model`."""
        total = self.bias
        for name, (at, adds) in self.curves.items():
            total += float(np.interp(features[FEATURES.index(name)], at, adds))
        if by_model is not None:
            sure = min(max(by_model, 1e-4), 1 - 1e-4)
            total += self.judge * float(np.log(sure / (1 - sure)))
        return float(1 / (1 + np.exp(-total)))


@cache
def fitted_models() -> Mapping[str, AdditiveModel]:
    """The weights in the package: "vectors" for a model that knows the words, "letters" for words alone."""
    file = files("retrieval") / "answering" / "groundedness" / "groundedness_weights.json"
    weights = json.loads(file.read_text(encoding="utf-8"))
    return {name: read_model(weights[name]) for name in ("vectors", "letters")}


def read_model(weights: Mapping[str, Any]) -> AdditiveModel:
    """A model from its weights as JSON has them."""
    curves = {name: (tuple(curve["at"]), tuple(curve["adds"])) for name, curve in weights["curves"].items()}
    return AdditiveModel(weights["bias"], curves, weights["threshold"], weights.get("judge", 0.0))
