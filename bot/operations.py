"""What the bot may set in motion or ask about outside of itself: callables that the composition root hands in.

The bot imports neither the workers nor the settings; without these it answers questions all the same.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelState:
    """The model that answers: `place` says where it runs, `loaded` is None where that is not for us to know."""

    name: str
    place: str
    adapter: str | None
    loaded: bool | None


@dataclass(frozen=True, slots=True)
class Operations:
    """`reindex` has the run with this id (of `retrieval.reindexing`) done, by a worker or in this process."""

    reindex: Callable[[int], None] | None = None
    model: Callable[[], ModelState] | None = None
