"""The answers that this process is writing, in the order in which their questions were asked.

What happens to a question while it is answered meets its answer here: an edit restarts it, a deletion cancels it, and
those who wait are told how many are before them. Nothing here must survive a restart: the rows do, and where they say
something else, as after an edit that another process was told of, they are right.
"""

from dataclasses import dataclass, replace
from threading import Lock
from uuid import UUID

from bot.questions.replies import AnyReply
from bot.slack.events import Post
from retrieval.answering.answer import Question

NOTIFIED = 5  # how many of those who wait are notified that they have moved up: each is a call to Slack


@dataclass(eq=False, slots=True)
class PendingAnswer:
    """A question on its way to its answer.

    `private`: its asker alone will see the answer. `before`: how many questions must be done before this one's turn
    comes. `writing` once the model's turn has come; `edited` is the newest question that has not been begun yet; `lost`
    once another process has taken the answer over.
    """

    post: Post
    answer_id: UUID
    question: Question
    reply: AnyReply
    private: bool = False
    before: int = 0
    writing: bool = False
    deleted: bool = False
    lost: bool = False
    edited: Question | None = None

    @property
    def changed(self) -> bool:
        """Whether what is being answered is no longer what is asked."""
        return self.deleted or self.lost or self.edited is not None


class InFlight:
    """The pending answers of this process; `at_a_time` is how many of them the model serves together."""

    def __init__(self, at_a_time: int = 1) -> None:
        self._at_a_time = at_a_time
        self._queue: list[PendingAnswer] = []
        self._lock = Lock()

    def begin(self, pending: PendingAnswer) -> None:
        """Gives a pending answer a place at the end of the queue."""
        with self._lock:
            self._queue.append(pending)
            self._count()

    def notify(self, pending: PendingAnswer) -> None:
        """Tells the asker how many questions are before theirs."""
        pending.reply.wait(pending.before)

    def end(self, pending: PendingAnswer) -> None:
        """Takes a pending answer out of the queue, and tells those who wait that they have moved up."""
        with self._lock:
            if pending in self._queue:
                self._queue.remove(pending)
            self._count()
        for waiting in self.waiting():
            self.notify(waiting)

    def waiting(self) -> list[PendingAnswer]:
        """Returns the next ones whose turn has not come, as many as are notified."""
        with self._lock:
            return [pending for pending in self._queue if not pending.writing][:NOTIFIED]

    def pop_edit(self, pending: PendingAnswer) -> Question | None:
        """Returns the question that the asker has changed it to: once, then None until it is changed again."""
        with self._lock:
            edited, pending.edited = pending.edited, None
            return edited

    def find(self, answer_id: UUID) -> PendingAnswer | None:
        """Returns the pending answer with this id; None if it is not in flight here."""
        with self._lock:
            return next((pending for pending in self._queue if pending.answer_id == answer_id), None)

    def learn(self, pending: PendingAnswer, text: str | None, *, lost: bool) -> None:
        """Notes what the row says: the question's text now, None once it is deleted; `lost`: it is not ours."""
        with self._lock:
            pending.lost, pending.deleted = pending.lost or lost, pending.deleted or text is None
            if text is not None:
                _edit(pending, text)

    def edit(self, channel: str, ts: str, text: str) -> PendingAnswer | None:
        """Gives a post's question another text; None if it is not in flight or reads as before."""
        with self._lock:
            pending = self._of_post(channel, ts)
            return pending if pending is not None and _edit(pending, text) else None

    def delete(self, channel: str, ts: str) -> PendingAnswer | None:
        """Notes that a post is gone; None if its question is not in flight."""
        with self._lock:
            pending = self._of_post(channel, ts)
            if pending is not None:
                pending.deleted = True
            return pending

    def _count(self) -> None:
        """Says in each pending answer how many are before it. The lock is the caller's."""
        for place, pending in enumerate(self._queue):
            pending.before = max(0, place - self._at_a_time + 1)

    def _of_post(self, channel: str, ts: str) -> PendingAnswer | None:
        return next(
            (pending for pending in self._queue if (pending.post.channel, pending.post.ts) == (channel, ts)), None
        )


def _edit(pending: PendingAnswer, text: str) -> bool:
    """Gives a question another text, to be answered from the start; False if that is what is, or will be, answered."""
    if text == (pending.edited or pending.question).text:
        return False
    pending.edited = replace(pending.question, text=text)
    return True
