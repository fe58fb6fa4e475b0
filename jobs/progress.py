"""How far a piece of work is: what the work tells, the job's row keeps, and terminals and Slack show."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a piece of work is.

    `message` says what is at hand, `done` of `total` parts are finished (documents, steps, questions; 0 of 0 while
    nobody knows how many there are). `counts` are figures of this kind of work by their names. `lasting` says that what
    was done stays done, so that a process that begins again has less to do.
    """

    message: str
    done: int = 0
    total: int = 0
    counts: Mapping[str, float] = field(default_factory=dict)
    lasting: bool = False


Tell = Callable[[Progress], None]
