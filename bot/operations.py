"""What the bot may set in motion or ask about outside of itself: callables that the composition root hands in.

The bot imports neither the workers nor the settings; without these it answers questions all the same.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelState:
    """The model that answers: `place` says where it runs, `loaded` is None where that is not for us to know. `problem`:
    why its adapter cannot be used there. `leads`: its own words lead an answer, and not quotes.
    """

    name: str
    place: str
    adapter: str | None
    loaded: bool | None
    problem: str | None = None
    leads: bool | None = None


@dataclass(frozen=True, slots=True)
class Operations:
    """`reindex` has the run with this id (of `retrieval.indexing.reindexing`) done by a worker. `finetune` has a round
    done for a person, now whether or not there is much to learn from, and returns its number.
    """

    reindex: Callable[[int], None] | None = None
    model: Callable[[], ModelState] | None = None
    finetune: Callable[[str, bool], int] | None = None
