"""Votes that say more about the voter than about the answer are left out before anything is learnt from them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from finetune.dataset.rows import AnswerRow, VoteRow

AGAINST_ALL = 2
"""So many others who all say the opposite make one vote suspicious."""
COMPARED = 4
"""Votes of a person that can be compared with others', from which their habit is judged."""
CONTRARY = 0.6
"""Share of these that go against the majority, from which none of the person's votes counts."""


def without_suspicious(answers: Sequence[AnswerRow], counts: Counter[str]) -> list[AnswerRow]:
    """The answers with the votes that may count: none of one person against all, none of who is mostly against all."""
    compared: Counter[str] = Counter()
    contrary: Counter[str] = Counter()
    for answer in answers:
        for vote in answer.votes:
            others = _others(answer, vote)
            if others:
                compared[vote.person] += 1
                contrary[vote.person] += vote.vote * others < 0
    distrusted = {
        person for person, votes in compared.items() if votes >= COMPARED and contrary[person] >= CONTRARY * votes
    }
    trusted = []
    for answer in answers:
        votes = [vote for vote in answer.votes if vote.person not in distrusted and not _is_alone(answer, vote)]
        counts["left out: suspicious votes"] += len(answer.votes) - len(votes)
        trusted.append(replace(answer, votes=tuple(votes)))
    return trusted


def _others(answer: AnswerRow, vote: VoteRow) -> int:
    return sum(other.vote for other in answer.votes if other.person != vote.person)


def _is_alone(answer: AnswerRow, vote: VoteRow) -> bool:
    others = [other.vote for other in answer.votes if other.person != vote.person]
    return len(others) >= AGAINST_ALL and all(other == -vote.vote for other in others)
