"""What was computed lately, by key: a bounded memory that several threads may use."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class RecentValues(Generic[K, V]):
    """At most so many values, those that were used last. Safe from several threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def among(self, keys: Iterable[K]) -> dict[K, V]:
        """The values that are there for these keys."""
        with self._lock:
            return {key: self._values[key] for key in keys if key in self._values}

    def clear(self) -> None:
        """Forgets all values."""
        with self._lock:
            self._values.clear()

    def keep(self, values: Mapping[K, V]) -> None:
        """Keeps the values as those that were used last, and forgets the oldest of all where there are too many."""
        with self._lock:
            for key, value in values.items():
                self._values[key] = value
                self._values.move_to_end(key)
            while len(self._values) > self._most:
                self._values.popitem(last=False)
