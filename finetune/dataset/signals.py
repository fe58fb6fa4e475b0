"""What a vote or a correction teaches: the first step from answers to examples.

A correction that the documents support is learnt from; one that they don't is a gap in the documents. A thumb down
counts against the model only if it had what it needed; else search is to blame. Silence teaches nothing.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from finetune.dataset.rows import AnswerRow, Example, Judges, Kind, PassageRow

OUR_FAULT = frozenset({"source", "outdated"})
"""Reasons of a thumb down that are about documents or search, not about what the model made of them."""
ITS_FAULT = frozenset({"wrong", "unclear"})


def examples_of(answer: AnswerRow, judges: Judges, counts: Counter[str]) -> Iterator[Example]:
    """The examples in one answer, each signal counted by what became of it."""
    counts["corrections: wait for a reviewer"] += answer.waiting
    present = [passage for passage in answer.passages if passage.text is not None]
    if answer.correction is not None:
        yield from _of_correction(answer, answer.correction, present, judges, counts)
    yield from _of_votes(answer, present, judges, counts)


def _of_correction(
    answer: AnswerRow, correction: str, present: Sequence[PassageRow], judges: Judges, counts: Counter[str]
) -> Iterator[Example]:
    oracle = _evidence(correction, present, judges)
    passages = list(present)
    if oracle:
        counts["corrections: supported by what was read"] += 1
    else:
        found = [passage for passage in judges.search(correction) if passage.text is not None]
        elsewhere = _evidence(correction, found, judges)
        if not elsewhere:
            counts["corrections: no document says it (a gap in the documents)"] += 1
            return
        counts["corrections: supported, but not found (for search to learn from)"] += 1
        known = {passage.content_hash for passage in passages}
        missing = [found[index] for index in sorted(elsewhere) if found[index].content_hash not in known]
        passages = list(judges.fit([*missing, *passages]))
        oracle = _evidence(correction, passages, judges)
        if not oracle:
            counts["corrections: what supports them fits no prompt"] += 1
            return
    right = _example(answer, "sft", passages, correction)
    right = replace(right, oracle=oracle, corrected=True)
    yield right
    wrong = judges.written(answer.text)
    if wrong and wrong != correction:
        yield replace(right, id=f"dpo:{answer.id}", kind="dpo", rejected=wrong)


def _of_votes(
    answer: AnswerRow, present: Sequence[PassageRow], judges: Judges, counts: Counter[str]
) -> Iterator[Example]:
    up = [vote for vote in answer.votes if vote.vote == 1]
    down = [vote for vote in answer.votes if vote.vote == -1]
    if not up and not down:
        return
    if len(up) == len(down):
        counts["votes: as many for as against"] += 1
        return
    if answer.abstained or not answer.passages:
        counts["votes: on an answer that the model did not write"] += 1
        return
    said = judges.written(answer.text)
    if not said:
        counts["votes: on quotes alone"] += 1
        return
    if len(up) > len(down):
        if answer.correction is not None:
            counts["thumbs up: for an answer that a reviewer corrected"] += 1
            return
        counts["thumbs up"] += 1
        yield replace(_example(answer, "kto", present, said), label=True)
        if oracle := _evidence(said, present, judges):
            counts["thumbs up: grounded, so also imitated"] += 1
            yield replace(_example(answer, "sft", present, said), oracle=oracle)
        return
    if _had_what_it_needed(answer, present, judges, counts):
        yield replace(_example(answer, "kto", present, said), label=False)


def _had_what_it_needed(answer: AnswerRow, present: Sequence[PassageRow], judges: Judges, counts: Counter[str]) -> bool:
    """Whether a thumb down is the model's fault: a right answer stood before it, or a person says that it did."""
    reasons = {vote.reason for vote in answer.votes if vote.vote == -1}
    if answer.correction is not None:
        right = bool(_evidence(answer.correction, present, judges))
    elif reasons & OUR_FAULT:
        right = False
    elif reasons & ITS_FAULT:
        right = True
    else:
        counts["thumbs down: no reason given"] += 1
        return False
    counts["thumbs down: the right passage was there" if right else "thumbs down: it was missing (for search)"] += 1
    return right


def _evidence(text: str, passages: Sequence[PassageRow], judges: Judges) -> frozenset[int]:
    """What bears a text out besides verified answers, in which every approved correction stands itself."""
    places = [index for index, passage in enumerate(passages) if not passage.verified]
    found = judges.rests_on(text, [passages[index] for index in places])
    return frozenset(places[index] for index in found)


def _example(answer: AnswerRow, kind: Kind, passages: Sequence[PassageRow], completion: str) -> Example:
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
