"""What an adapter must not become worse at: the guards of the gate, for the items that an evaluation has."""

from collections.abc import Sequence

from finetune.evaluation.gate import PRIMARY, Guard
from finetune.evaluation.items import DISTRACTED, GENERAL, GOLDEN, HELD_OUT, REGRESSION, UNANSWERABLE, EvaluationItem

# What may be lost at most, of each score: about what chance moves a set of the size at hand. Without a question that
# tells about one of these, nobody knows: the gate then decides nothing.
REQUIRED = (
    Guard("refused", UNANSWERABLE, most_lost=0.05),
    Guard("kept", most_lost=0.05),
    Guard("grounded", most_lost=0.05),
    Guard("cited", least=1.0),
    Guard("stopped", most_lost=0.05),
    Guard("brief", most_lost=0.1),
    Guard("general", GENERAL, most_lost=0.1),
)
# These are looked at where there are such questions, or right answers to compare with.
OPTIONAL = (
    Guard(PRIMARY, GOLDEN, most_lost=0.0, certain=0.02),
    Guard(PRIMARY, REGRESSION, most_lost=0.02),
    Guard(PRIMARY, DISTRACTED, most_lost=0.02),
    Guard("chrf", HELD_OUT, most_lost=0.02),
    Guard("similarity", HELD_OUT, most_lost=0.05),
)


def guards_for(items: Sequence[EvaluationItem]) -> list[Guard]:
    """The guards that every adapter must pass, and those besides that these items tell about."""
    scored = {(PRIMARY, item.set) for item in items}
    scored |= {(score, item.set) for item in items if item.right is not None for score in ("chrf", "similarity")}
    return [*REQUIRED, *(guard for guard in OPTIONAL if (guard.score, guard.set) in scored)]
