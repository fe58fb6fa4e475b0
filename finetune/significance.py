"""How sure a difference is: intervals of means and of shares, and how often chance alone would give as much."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

RESAMPLES = 10_000
Z = 1.959964
"""The quantile of the normal distribution for 95 % intervals."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval over `n` questions."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"


NO_GAIN = Interval(0.0, 0.0, 0.0, 0)
"""The gain where there was nothing to compare."""


def paired_gain(differences: Sequence[float], groups: Sequence[str], *, resamples: int = RESAMPLES) -> Interval:
    """The mean difference with its percentile bootstrap interval over groups (Field and Welsh, JRSS B 69, 2007); the
    same for the same input.

    `groups` has one entry for each difference. Without differences all is 0, with n 0.
    """
    n = len(differences)
    if not n:
        return NO_GAIN
    sums, sizes = _group_sums(differences, groups)
    draws = np.random.default_rng(0).integers(len(sums), size=(resamples, len(sums)))
    low, high = np.quantile(sums[draws].sum(1) / sizes[draws].sum(1), (0.025, 0.975))
    return Interval(float(np.mean(differences)), float(low), float(high), n)


def by_chance(differences: Sequence[float], groups: Sequence[str], *, resamples: int = RESAMPLES) -> float:
    """The probability of at least so large a mean if each group might as well have moved the other way: Fisher's
    randomization test for paired differences (The Design of Experiments, 1935, section 21), by so many draws.
    """
    sums, _ = _group_sums(differences, groups)
    signs = np.random.default_rng(0).choice((-1.0, 1.0), size=(resamples, len(sums)))
    return float((1 + np.count_nonzero(signs @ sums >= sums.sum() - _ROUNDING)) / (1 + resamples))


def mcnemar(better: int, worse: int) -> float:
    """The exact two-sided p-value of so many questions that only one arm, and that only the other, got right."""
    n = better + worse
    tail = sum(math.comb(n, k) for k in range(min(better, worse) + 1))
    return min(1.0, math.ldexp(tail, 1 - n))


def wilson(hits: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share, `hits` of `n` (Wilson, JASA 22, 1927); all of [0, 1] where n is 0."""
    if not n:
        return 0.0, 1.0
    p = hits / n
    centre = (p + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(p * (1 - p) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def _group_sums(differences: Sequence[float], groups: Sequence[str]) -> tuple[Floats, Counts]:
    """The sum of the differences in each group, and how many there are; shape (groups,) each."""
    _, places = np.unique(np.asarray(groups), return_inverse=True)
    sums: Floats = np.bincount(places, weights=np.asarray(differences, dtype=np.float64)).astype(np.float64)
    return sums, np.bincount(places)
