"""Where a statement denies what its evidence says, says what that denies, or says the opposite."""

import numpy as np

from retrieval.answering.groundedness.alignment import SAME, Alignment
from retrieval.answering.groundedness.negation import NegationScope, clause_breaks, denies, denying, opposites


def contradiction(c: Alignment) -> dict[str, float]:
    """Whether a word is denied in the statement and nowhere near its best counterparts, or the other way round."""
    forms = [word.form for word in c.own]
    denied = NegationScope.of(forms, clause_breaks(c.statement.text, c.own))
    here = c.here
    near = np.isin(c.basis.sentence_of, list(c.nearly_best()))
    there = c.basis.denied
    credit = c.credit + (0.3 * c.cosines if c.cosines is not None else 0.0) + 0.05 * here
    credit *= near
    added = dropped = 0.0
    for i, form in enumerate(forms):
        best = float(credit[i].max(initial=0))
        if denies(form) or c.own[i].is_number or c.rarity[i] < 0.1 or best < 0.7:
            continue
        alike = credit[i] >= best - 0.1
        if denied.near[i] and not there.wide[alike].any():
            added = max(added, min(best, 1.0) * (0.3 + float(c.rarity[i])))
        elif not denied.wide[i] and there.near[alike & here].any() and there.wide[alike].all():
            dropped = max(dropped, min(best, 1.0) * (0.3 + float(c.rarity[i])))
    if denying(forms).any() and not c.basis.denying[here].any():
        added += 0.5
    return {"denial added": added, "denial dropped": dropped, "opposite": _opposites(c)}


def _opposites(c: Alignment) -> float:
    """How many words the evidence does not have, but has an opposite of."""
    likeness = c.letters[:, c.here].max(axis=1, initial=0)
    forms = {c.basis.words[k].form for k in np.flatnonzero(c.here)}
    absent = [word.form for i, word in enumerate(c.own) if likeness[i] < SAME and c.rarity[i] > 0]
    return float(sum(bool(opposites(form) & forms) for form in absent))
