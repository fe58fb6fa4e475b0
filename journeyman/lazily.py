"""A part that is built when it is first asked for, once, whichever thread comes first."""

from collections.abc import Callable
from threading import RLock
from typing import Generic, TypeVar

Part = TypeVar("Part")


class Lazily(Generic[Part]):
    """Calling it gives the part. Parts that are built from each other share a lock, which one thread may take again."""

    def __init__(self, build: Callable[[], Part], lock: RLock) -> None:
        self._build, self._lock = build, lock
        self._built: list[Part] = []

    def __call__(self) -> Part:
        """The part, built now if it was not before. Raises what building it raises; the next call tries again."""
        with self._lock:
            if not self._built:
                self._built.append(self._build())
            return self._built[0]

    @property
    def is_built(self) -> bool:
        """Whether the part is there; does not wait for a thread that builds it."""
        return bool(self._built)
