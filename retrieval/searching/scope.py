"""What a search may see: collections that were named, and those whose audience the asker belongs to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """`collections` None means all that there are. `principals` says who reads along: a collection is read if its
    audience names one of them ('everyone', 'user:U…', 'group:S…', 'channel:C…', 'all:1+2'); None restricts nothing, as
    the command line and the index need it, and an empty one reads nothing.
    """

    collections: tuple[str, ...] | None = None
    principals: tuple[str, ...] | None = None

    @property
    def parameters(self) -> dict[str, list[str] | None]:
        """The parameters `collections` and `principals` of a statement that reads only what the scope allows."""
        return {
            "collections": None if self.collections is None else list(self.collections),
            "principals": None if self.principals is None else list(self.principals),
        }


EVERYTHING = Scope()
