"""Where a statement denies what its evidence says, says what that denies, or says the opposite."""

import numpy as np
import numpy.typing as npt

from retrieval.answering.groundedness.alignment import SAME, Alignment
from retrieval.answering.groundedness.negation import (
    NOT_DENIED,
    NegationScope,
    clause_breaks,
    denies,
    denying,
    opposites,
)
from retrieval.text.words import COMMON

HELD = 0.7
"""How like one of the statement's words a word of the passages is, from which it is the same."""


def contradiction_features(alignment: Alignment) -> dict[str, float]:
    """Whether a word is denied in the statement and nowhere near its best counterparts, or the other way round."""
    forms = [word.form for word in alignment.own]
    denied = NegationScope.of(forms, clause_breaks(alignment.statement.text, alignment.own))
    here = alignment.here
    near = np.isin(alignment.basis.sentence_of, list(alignment.nearly_best()))
    there = alignment.basis.denied
    credit = alignment.credit + (0.3 * alignment.cosines if alignment.cosines is not None else 0.0) + 0.05 * here
    credit *= near
    added = dropped = 0.0
    for i, form in enumerate(forms):
        best = float(credit[i].max(initial=0))
        if denies(form) or alignment.own[i].is_number or alignment.rarity[i] < 0.1 or best < HELD:
            continue
        alike = credit[i] >= best - 0.1
        if denied.near[i] and not there.wide[alike].any():
            added = max(added, min(best, 1.0) * (0.3 + float(alignment.rarity[i])))
        elif not denied.wide[i] and there.wide[alike].all() and _states_what_is_denied(alignment, alike & here):
            dropped = max(dropped, min(best, 1.0) * (0.3 + float(alignment.rarity[i])))
    if denying(forms).any() and not alignment.basis.denying[here].any():
        added += 0.5
    return {"denial added": added, "denial dropped": dropped, "opposite": _opposites(alignment)}


def _states_what_is_denied(alignment: Alignment, places: npt.NDArray[np.bool_]) -> bool:
    """Whether one of these places of the passages is denied, and the statement has the word that is denied there first,
    or half of all that are: found is another word than find, and the limit switch is with it.
    """
    heads = alignment.basis.denied.heads
    for head in set(heads[places].tolist()) - {NOT_DENIED}:
        group = [k for k in np.flatnonzero(heads == head) if alignment.basis.words[k].form not in COMMON]
        held = alignment.credit[:, [head, *group]].max(axis=0) >= HELD
        if held[0] or (group and held[1:].mean() >= 0.5):
            return True
    return False


def _opposites(alignment: Alignment) -> float:
    """How many words the evidence does not have, but has an opposite of."""
    held = alignment.letters[:, alignment.here].max(axis=1, initial=0)
    forms = {alignment.basis.words[k].form for k in np.flatnonzero(alignment.here)}
    missing = [word.form for i, word in enumerate(alignment.own) if held[i] < SAME and alignment.rarity[i] > 0]
    return float(sum(bool(opposites(form) & forms) for form in missing))
