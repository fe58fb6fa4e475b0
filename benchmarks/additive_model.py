"""Fits the additive model of groundedness: a logistic regression on curves that only rise or only fall.

A feature's curve is straight between its points. That it may not turn keeps what was fitted on a few hundred answers
sensible on others.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from retrieval.answering.groundedness.features import FEATURES

Array = npt.NDArray[np.float64]

RISES, FALLS = 1, -1
CURVES: Mapping[str, tuple[int, tuple[float, ...]]] = {
    "nearness": (RISES, (0.3, 0.45, 0.6, 0.75, 0.9)),
    "cover of all": (RISES, (0.4, 0.6, 0.75, 0.85, 0.93, 1.0)),
    "letters of all": (RISES, (0.3, 0.5, 0.7, 0.85, 1.0)),
    "words in context": (RISES, (0.4, 0.5, 0.6, 0.7, 0.8)),
    "worst word": (FALLS, (0.0, 0.3, 0.6, 0.9, 1.2)),
    "missing mass": (FALLS, (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)),
    "number missing": (FALLS, (0.0, 1.0, 2.0)),
    "number elsewhere": (FALLS, (0.0, 1.0, 2.0)),
    "unit differs": (FALLS, (0.0, 0.3, 0.6, 1.0)),
    "count missing": (FALLS, (0.0, 1.0, 2.0)),
    "name missing": (FALLS, (0.0, 0.2, 0.5, 0.8, 1.2)),
    "name of the question missing": (FALLS, (0.0, 0.4, 0.8, 1.2)),
    "code missing": (FALLS, (0.0, 1.0, 2.0)),
    "denial added": (FALLS, (0.0, 0.3, 0.6, 1.0, 1.5)),
    "denial dropped": (FALLS, (0.0, 0.3, 0.6, 1.0)),
    "opposite": (FALLS, (0.0, 1.0, 2.0)),
    "value apart": (FALLS, (0.0, 0.1, 0.2, 0.4, 0.7)),
    "about the question": (RISES, (0.0, 0.2, 0.4, 0.7)),
    "cover of the new": (RISES, (0.2, 0.5, 0.7, 0.85, 1.0)),
    "cover of the common": (RISES, (0.2, 0.4, 0.6, 0.8, 1.0)),
    "pairs": (RISES, (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)),
    "name split": (FALLS, (0.0, 1.0, 2.0)),
    "value out of company": (FALLS, (0.0, 0.15, 0.3, 0.5, 0.8)),
    "number beside others": (FALLS, (0.0, 0.5, 1.0)),
    "name beside others": (FALLS, (0.0, 0.5, 1.0)),
}
WITHOUT_VECTORS = frozenset(("nearness", "words in context", "about the question"))
"""Features that there are none of where the embedding model does not know the words."""
L2 = 3e-5
BEND = 1e-4
"""How much it costs that a curve's next piece is steeper or flatter than the one before."""


def fit(features: Array, true: Array, counts: Array, curves: Mapping[str, Any] = CURVES) -> Array:
    """The steps of all curves' pieces, the bias last. `counts` says how much each statement counts."""
    pieces, signs, owners = _pieces(features, curves)
    counts = counts / counts.sum()
    same = np.array([one == other for one, other in zip(owners[1:], owners[:-1], strict=True)])

    def loss(steps: Array) -> tuple[float, Array]:
        total = pieces @ steps[:-1] + steps[-1]
        missed = counts * (1 / (1 + np.exp(-total)) - true)
        bends = np.where(same, np.diff(steps[:-1]), 0.0)
        value = counts @ (np.logaddexp(0, total) - true * total) + L2 * steps[:-1] @ steps[:-1] + BEND * bends @ bends
        slope = pieces.T @ missed + 2 * L2 * steps[:-1]
        slope[1:] += 2 * BEND * bends
        slope[:-1] -= 2 * BEND * bends
        return float(value), np.append(slope, missed.sum())

    bounds = [(0, None) if sign == RISES else (None, 0) for sign in signs]
    found = minimize(
        loss,
        np.zeros(len(signs) + 1),
        jac=True,
        method="L-BFGS-B",
        bounds=[*bounds, (None, None)],
        options={"maxiter": 2000, "maxfun": 4000, "ftol": 1e-11, "gtol": 1e-8},
    )
    return np.asarray(found.x)


def log_odds(steps: Array, features: Array, curves: Mapping[str, Any] = CURVES) -> Array:
    """Of each row of features."""
    return np.asarray(_pieces(features, curves)[0] @ steps[:-1] + steps[-1])


def as_weights(steps: Array, threshold: float, scale: float, shift: float, curves: Mapping[str, Any] = CURVES) -> Any:
    """As groundedness_weights.json keeps them, the log odds times `scale` plus `shift`; curves that add nothing are
    left out. `threshold` is of the log odds before that.
    """
    kept, place = {}, 0
    for name, (_, at) in curves.items():
        adds = np.cumsum([0.0, *steps[place : place + len(at) - 1]]) * scale
        place += len(at) - 1
        if np.abs(adds).max() >= 0.005:
            kept[name] = {"at": list(at), "adds": [round(float(a), 3) for a in adds]}
    shown_from = 1 / (1 + np.exp(-(threshold * scale + shift)))
    return {
        "bias": round(float(steps[-1] * scale + shift), 4),
        "threshold": round(float(shown_from), 4),
        "curves": kept,
    }


def _pieces(features: Array, curves: Mapping[str, Any]) -> tuple[Array, list[int], list[str]]:
    """How far each row has come along each piece of each curve, from 0 to 1."""
    columns, signs, owners = [], [], []
    for name, (sign, at) in curves.items():
        values = features[:, FEATURES.index(name)]
        for start, end in pairwise(at):
            columns.append(np.clip((values - start) / (end - start), 0, 1))
            signs.append(sign)
            owners.append(name)
    return np.array(columns, dtype=np.float64).T, signs, owners
