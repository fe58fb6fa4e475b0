"""The questions that this process is answering, in the order in which they were asked.

What happens to a question while it is answered meets its answer here: an edit restarts it, a deletion cancels it, and
those who wait are told how many are before them. Nothing here must survive a restart: the rows do, and where they say
something else, as after an edit that another process was told of, they are right.
"""

from dataclasses import dataclass, replace
from threading import Lock
from uuid import UUID

from bot.questions.replies import Replying
from bot.slack.routing import Post
from retrieval.answering.answer import Question

TOLD = 5  # how many of those who wait are told that they have moved up: each is a call to Slack


@dataclass(eq=False, slots=True)
class Job:
    """One question on its way to its answer.

    `private`: its asker alone will see the answer. `writing` once the model's turn has come; `edited` is the newest
    question that has not been begun yet; `lost` once another process has taken the answer over.
    """

    post: Post
    answer_id: UUID
    question: Question
    reply: Replying
    private: bool = False
    writing: bool = False
    deleted: bool = False
    lost: bool = False
    edited: Question | None = None

    @property
    def changed(self) -> bool:
        """Whether what is being answered is no longer what is asked."""
        return self.deleted or self.lost or self.edited is not None


class InFlight:
    """The jobs of this process; `at_a_time` is how many of them the model serves together."""

    def __init__(self, at_a_time: int = 1) -> None:
        self._at_a_time = at_a_time
        self._jobs: dict[Job, None] = {}
        self._lock = Lock()

    def begin(self, job: Job) -> None:
        """Takes a place at the end."""
        with self._lock:
            self._jobs[job] = None

    def end(self, job: Job) -> None:
        """Gives the place free."""
        with self._lock:
            self._jobs.pop(job, None)

    def before(self, job: Job) -> int:
        """How many questions must be done before this one's turn comes; 0 where it need not wait."""
        with self._lock:
            return self._before(list(self._jobs), job)

    def waiting(self) -> list[tuple[Job, int]]:
        """The next ones whose turn has not come, each with how many are before it."""
        with self._lock:
            jobs = list(self._jobs)
            return [(job, self._before(jobs, job)) for job in jobs if not job.writing][:TOLD]

    def take_edit(self, job: Job) -> Question | None:
        """The question that the asker changed it to, once."""
        with self._lock:
            edited, job.edited = job.edited, None
            return edited

    def find(self, answer_id: UUID) -> Job | None:
        """The job of this answer; None if it is not underway here."""
        with self._lock:
            return next((job for job in self._jobs if job.answer_id == answer_id), None)

    def learn(self, job: Job, text: str | None, *, lost: bool) -> None:
        """What the answer's row says: the question's text now, None once it is deleted; `lost`: it is not ours."""
        with self._lock:
            job.lost, job.deleted = job.lost or lost, job.deleted or text is None
            if text is not None and text != (job.edited or job.question).text:
                job.edited = replace(job.question, text=text)

    def edit(self, channel: str, ts: str, text: str) -> Job | None:
        """The post's question has another text now; None if it is not underway or reads as before."""
        with self._lock:
            job = self._at(channel, ts)
            if job is None or (job.edited or job.question).text == text:
                return None
            job.edited = replace(job.question, text=text)
            return job

    def delete(self, channel: str, ts: str) -> Job | None:
        """The post is gone; None if it is not underway."""
        with self._lock:
            job = self._at(channel, ts)
            if job is not None:
                job.deleted = True
            return job

    def _before(self, jobs: list[Job], job: Job) -> int:
        return max(0, jobs.index(job) - self._at_a_time + 1) if job in jobs else 0

    def _at(self, channel: str, ts: str) -> Job | None:
        return next((job for job in self._jobs if (job.post.channel, job.post.ts) == (channel, ts)), None)
