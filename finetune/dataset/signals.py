"""What a vote or a correction teaches: the first step from answers to examples.

A correction that the documents support is learnt from; one that they don't is a gap in the documents. A thumb down
counts against the model only if it had what it needed; else search is to blame. Silence teaches nothing.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from finetune.dataset.grounding import Grounding
from finetune.dataset.rows import AnswerRow, Example, ExamplePassage, Kind
from retrieval.answering.draft import written_by_model

OUR_FAULT = frozenset({"source", "outdated"})
"""Reasons of a thumb down that are about documents or search, not about what the model made of them."""
ITS_FAULT = frozenset({"wrong", "unclear"})


def examples_of(answer: AnswerRow, grounding: Grounding, counts: Counter[str]) -> Iterator[Example]:
    """The examples in one answer, each signal counted by what became of it."""
    counts["corrections: wait for a reviewer"] += answer.waiting
    if answer.correction is not None:
        yield from _of_correction(answer, answer.correction, grounding, counts)
    yield from _of_votes(answer, grounding, counts)


def _of_correction(answer: AnswerRow, correction: str, grounding: Grounding, counts: Counter[str]) -> Iterator[Example]:
    passages: Sequence[ExamplePassage] = answer.passages
    oracle = _evidence(correction, passages, grounding)
    if oracle:
        counts["corrections: supported by what was read"] += 1
    else:
        passages, oracle = _with_support(correction, passages, grounding, counts)
    if not oracle:
        return
    right = replace(_example(answer, "sft", passages, correction), oracle=oracle, corrected=True)
    yield right
    rejected = written_by_model(answer.text)
    if rejected and rejected != correction:
        yield replace(right, id=f"dpo:{answer.id}", kind="dpo", rejected=rejected)


def _with_support(
    correction: str, passages: Sequence[ExamplePassage], grounding: Grounding, counts: Counter[str]
) -> tuple[Sequence[ExamplePassage], frozenset[int]]:
    """The passages with those before them that support a correction, as many as fit, and the indices of what supports
    it there; no index where nothing does.
    """
    candidates = grounding.search(correction)
    support = _evidence(correction, candidates, grounding)
    if not support:
        counts["corrections: no document says it (a gap in the documents)"] += 1
        return passages, support
    counts["corrections: supported, but not found (for search to learn from)"] += 1
    hashes = {passage.content_hash for passage in passages}
    missing = [candidates[index] for index in sorted(support) if candidates[index].content_hash not in hashes]
    fitting = grounding.fitting([*missing, *passages])
    oracle = _evidence(correction, fitting, grounding)
    if not oracle:
        counts["corrections: what supports them fits no prompt"] += 1
    return fitting, oracle


def _of_votes(answer: AnswerRow, grounding: Grounding, counts: Counter[str]) -> Iterator[Example]:
    balance = sum(vote.vote for vote in answer.votes)
    if not answer.votes:
        return
    text = written_by_model(answer.text)
    if balance == 0:
        counts["votes: as many for as against"] += 1
    elif answer.abstained or not answer.passages:
        counts["votes: on an answer that the model did not write"] += 1
    elif not text:
        counts["votes: on quotes alone"] += 1
    elif balance > 0:
        yield from _of_thumbs_up(answer, text, grounding, counts)
    elif _had_what_it_needed(answer, grounding, counts):
        yield replace(_example(answer, "kto", answer.passages, text), label=False)


def _of_thumbs_up(answer: AnswerRow, text: str, grounding: Grounding, counts: Counter[str]) -> Iterator[Example]:
    if answer.correction is not None:
        counts["thumbs up: for an answer that a reviewer corrected"] += 1
        return
    counts["thumbs up"] += 1
    yield replace(_example(answer, "kto", answer.passages, text), label=True)
    if oracle := _evidence(text, answer.passages, grounding):
        counts["thumbs up: grounded, so also imitated"] += 1
        yield replace(_example(answer, "sft", answer.passages, text), oracle=oracle)


def _had_what_it_needed(answer: AnswerRow, grounding: Grounding, counts: Counter[str]) -> bool:
    """Whether a thumb down is the model's fault: a right answer stood before it, or a person says that it did."""
    reasons = {vote.reason for vote in answer.votes if vote.vote == -1}
    if answer.correction is not None:
        right = bool(_evidence(answer.correction, answer.passages, grounding))
    elif reasons & OUR_FAULT:
        right = False
    elif reasons & ITS_FAULT:
        right = True
    else:
        counts["thumbs down: no reason given"] += 1
        return False
    counts["thumbs down: the right passage was there" if right else "thumbs down: it was missing (for search)"] += 1
    return right


def _evidence(text: str, passages: Sequence[ExamplePassage], grounding: Grounding) -> frozenset[int]:
    """The indices of what bears a text out besides verified answers, in which every approved correction stands
    itself.
    """
    places = [index for index, passage in enumerate(passages) if not passage.verified]
    support = grounding.rests_on(text, [passages[index] for index in places])
    return frozenset(places[index] for index in support)


def _example(answer: AnswerRow, kind: Kind, passages: Sequence[ExamplePassage], completion: str) -> Example:
    return Example(
        id=f"{kind}:{answer.id}",
        kind=kind,
        question=answer.question,
        passages=tuple(passages),
        completion=completion,
        asked_at=answer.asked_at,
        thread=answer.thread,
        answer_id=answer.id,
        persons=answer.persons,
    )
