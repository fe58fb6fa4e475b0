"""What to do after a comparison, in a few sentences: documents, examples in the prompt, or an adapter."""

import math
from typing import TYPE_CHECKING

from finetune.comparison.outcomes import BASE, BOTH, EXAMPLES, RAG, TUNED
from finetune.significance import Interval

if TYPE_CHECKING:
    from finetune.comparison.report import Comparison

FEW = 50
"""Questions below which a difference of a tenth can hardly be seen."""


def advise(comparison: "Comparison") -> str:
    """What to do, and how many questions that rests on."""
    differences = {(gain.arm, gain.over): gain.difference for gain in comparison.gains}
    parts = [
        _way(differences),
        _about_examples(comparison, differences),
        f"This rests on {comparison.questions} questions{_hedge(comparison)}.",
    ]
    return " ".join(filter(None, parts))


def cheaper_way(tokens: float, seconds: float, training_seconds: float | None) -> str:
    """Which of two ways to the same quality costs less: examples in each prompt, so many tokens and seconds a question
    more than the adapter's, or an adapter that was trained for so long.
    """
    if seconds <= 0:
        return "The cheaper way is examples in the prompt: they take no more time for a question, and no training."
    more = f"Examples in the prompt cost {tokens:+.0f} tokens and {seconds:+.2f} s a question"
    if training_seconds is None:
        return f"{more}; the adapter costs its training, of which nothing is known here."
    even = math.ceil(training_seconds / seconds)
    return (
        f"{more}, the adapter {training_seconds:.0f} s of training: examples are the cheaper way up to {even:,} "
        "questions for each training, the adapter from then on."
    )


def _way(differences: dict[tuple[str, str], Interval]) -> str:
    """Which arm to use, by its gain over the documents alone, else over the model alone; '' where only examples are
    compared. An adapter that examples in the prompt can stand in for is no advice.
    """
    both, tuned, base = (differences.get((arm, RAG)) for arm in (BOTH, TUNED, BASE))
    if tuned and tuned.low > 0 and not (both and both.low > 0):
        return f"Use the adapter without the documents: {tuned} over the documents alone."
    if both:
        if both.low > 0:
            beside = differences.get((BOTH, EXAMPLES))
            if beside is None or beside.low > 0:
                return f"Use both: the adapter adds {both} to the documents."
            return f"Your adapter helps: it adds {both} to the documents."
        if both.high < 0:
            return f"Your adapter does harm: {both} to what the documents give. Do not use it."
        return f"Your adapter does not help: {both} to what the documents give."
    if base:
        if base.high < 0:
            return f"Use your documents: without them {base}."
        return f"Your documents do not help: without them {base}. Are the right ones indexed?"
    alone = differences.get((TUNED, BASE))
    if alone is None:
        return "" if (EXAMPLES, RAG) in differences else "There is nothing to compare."
    return f"Your adapter {'helps' if alone.low > 0 else 'does not help'}: {alone} over the model alone."


def _about_examples(comparison: "Comparison", differences: dict[tuple[str, str], Interval]) -> str:
    """What examples in the prompt give beside an adapter, and which is the cheaper way; '' where there are none."""
    beside = differences.get((BOTH, EXAMPLES))
    if beside is None:
        return _examples_alone(differences.get((EXAMPLES, RAG)))
    if beside.low > 0:
        return f"It adds {beside} to what examples in the prompt give, so it is worth its training."
    if beside.high < 0:
        return (
            f"Examples in the prompt give more: in their place the adapter gives {beside}. Set JOURNEYMAN_EXAMPLES, "
            "and do without it."
        )
    arms = {arm.name: arm for arm in comparison.arms}
    examples, tuned = arms[EXAMPLES], arms[BOTH]
    way = cheaper_way(examples.tokens - tuned.tokens, examples.seconds - tuned.seconds, comparison.training_seconds)
    return f"Examples in the prompt give as much as the adapter, as far as can be seen ({beside}). {way}"


def _examples_alone(gain: Interval | None) -> str:
    if gain is None:
        return ""
    effect = "help" if gain.low > 0 else "do harm" if gain.high < 0 else "do not help"
    return f"Examples in the prompt {effect}: {gain} to what the documents give."


def _hedge(comparison: "Comparison") -> str:
    trained = "" if comparison.examples is None else f", and the adapter on {comparison.examples} examples"
    if comparison.questions >= FEW:
        return trained
    widest = max(((gain.difference.high - gain.difference.low) / 2 for gain in comparison.gains), default=0.0)
    return f"{trained}; that is too few to see a difference below about {widest:.2f}" if widest else trained
