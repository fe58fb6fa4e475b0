"""What this process saw last: posts that it dealt with, and threads that it takes part in.

Stands in for the tables of `bot.claims` and `bot.questions.answers` while Postgres is down.
"""

from collections import OrderedDict
from threading import Lock


class RecentKeys:
    """The last `size` keys that this process saw: stands in for the table while Postgres is down."""

    def __init__(self, size: int = 10_000) -> None:
        self._keys: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._size = size
        self._lock = Lock()

    def add(self, key: tuple[str, str]) -> bool:
        """Remembers a key; returns True if it is new."""
        with self._lock:
            if key in self._keys:
                return False
            self._keys[key] = None
            while len(self._keys) > self._size:
                self._keys.popitem(last=False)
            return True

    def __contains__(self, key: tuple[str, str]) -> bool:
        with self._lock:
            return key in self._keys
