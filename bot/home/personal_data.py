"""A person's own data: what they see of it in the Home tab, and its deletion when they ask for it.

Deleted are their questions with the answers to them, votes, complaints and reactions, and what other answers of the
same threads kept of their words. A dataset for fine-tuning with a part in any of it is trained on no more. What was
approved as a verified answer stays, and names them no more. The audit log stays, for it says what admins did and no
words of anybody. Fair use remembers for an hour how much somebody asked, by a hash. The messages in Slack are Slack's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from bot.questions.answers import CALLED_OFF
from bot.questions.limits import remember_count
from finetune.dataset.storage import erase_person
from retrieval.indexing.verified import rename_verified, verified_name

_MINE = """
SELECT a.id, a.question, a.asked_at, f.vote,
       CASE WHEN a.error = ANY (%(called_off)s) THEN 'called off' ELSE a.state END AS state
FROM answer a LEFT JOIN feedback f ON f.answer_id = a.id AND f.person = %(person)s
WHERE a.asked_by = %(person)s
ORDER BY a.asked_at DESC
LIMIT %(limit)s
"""
_COUNT = """
SELECT (SELECT count(*) FROM answer WHERE asked_by = %(person)s) AS questions,
       (SELECT count(*) FROM feedback WHERE person = %(person)s) AS votes
"""
# Later answers of a thread keep its earlier questions as their history, in the prompt and in the rewritten question.
_FORGET_HISTORY = """
UPDATE answer SET history = '[]', prompt = NULL, standalone = NULL
WHERE asked_by <> %(person)s AND history <> '[]' AND (channel, thread_ts) IN (
    SELECT channel, thread_ts FROM answer WHERE asked_by = %(person)s
)
"""
_FORGET_PROMPTS = """
UPDATE training_example SET prompt = NULL
WHERE verified_id IN (SELECT v.id FROM verified_answer v JOIN answer a ON a.id = v.answer_id
                      WHERE a.asked_by = %(person)s)
"""
_DELETE = (
    "DELETE FROM answer WHERE asked_by = %(person)s",
    "DELETE FROM feedback WHERE person = %(person)s",
    "DELETE FROM complaint WHERE person = %(person)s",
    "DELETE FROM reaction WHERE person = %(person)s",
    "UPDATE complaint SET reviewed_by = NULL WHERE reviewed_by = %(person)s",
    "UPDATE complaint SET fixed_by = NULL WHERE fixed_by = %(person)s",
    "UPDATE expert_request SET asked_by = 'deleted' WHERE asked_by = %(person)s",
    "UPDATE verified_answer SET written_by = NULL WHERE written_by = %(person)s",
    "UPDATE channel SET experts = array_remove(experts, %(person)s), "
    "trusted_experts = array_remove(trusted_experts, %(person)s) WHERE %(person)s = ANY (experts)",
    "UPDATE expert_request SET experts = array_remove(experts, %(person)s) WHERE %(person)s = ANY (experts)",
)
_UNNAME = """
UPDATE verified_answer SET verified_by = NULL WHERE verified_by = %(person)s
RETURNING id, document_id, verified_at, awaits_admin
"""


@dataclass(frozen=True, slots=True)
class OwnQuestion:
    """A question of the person's, and what they thought of the answer."""

    id: UUID
    question: str
    asked_at: datetime
    state: Literal["pending", "answered", "abstained", "failed", "called off"]
    vote: Literal[1, -1] | None


@dataclass(frozen=True, slots=True)
class DataCounts:
    """How much there is of a person, or was until it was deleted."""

    questions: int
    votes: int


def my_questions(conn: Connection[Any], person: str, limit: int = 5) -> Sequence[OwnQuestion]:
    """Reads the person's last questions, newest first."""
    with conn.cursor(row_factory=class_row(OwnQuestion)) as cursor:
        return cursor.execute(_MINE, {"person": person, "limit": limit, "called_off": CALLED_OFF}).fetchall()


def count_data(conn: Connection[Any], person: str) -> DataCounts:
    """Counts how many questions and votes of the person are kept."""
    with conn.cursor(row_factory=class_row(DataCounts)) as cursor:
        return cursor.execute(_COUNT, {"person": person}).fetchone() or DataCounts(0, 0)


def delete_data(conn: Connection[Any], person: str) -> DataCounts:
    """Deletes all data of a person in one transaction; returns how much it was."""
    parameters = {"person": person}
    with conn.transaction():
        deleted = count_data(conn, person)
        remember_count(conn, person)
        conn.execute(_FORGET_HISTORY, parameters)
        conn.execute(_FORGET_PROMPTS, parameters)
        for statement in _DELETE:
            conn.execute(statement, parameters)
        erase_person(conn, person)
        for number, document, verified_at, awaits_admin in conn.execute(_UNNAME, parameters).fetchall():
            if document is not None:
                name = verified_name(number, None, verified_at, saved_only=awaits_admin)
                rename_verified(conn, document, name)
    return deleted
