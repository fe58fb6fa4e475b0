"""The embedder of a run of the index: of the model that is searched with, followed when another one is switched to."""

from typing import Any

from psycopg import Connection

from retrieval.embedders import pinned
from retrieval.embedding import Embedder
from retrieval.indexing.models import Model, require_active


class ActiveEmbedder:
    """One embedder of those that were given, the same until `follow` says that there is another."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder, self.now = embedder, pinned(embedder)

    def follow(self) -> bool:
        """Goes on with the embedder of the active model; False if that is the one we have."""
        before, self.now = self.now, pinned(self._embedder)
        return self.now is not before

    def require(self, conn: Connection[Any]) -> Model:
        """The model that the index is searched with, which must be the one that we embed with. Raises WrongModel."""
        return require_active(conn, self.now.name, self.now.dimensions)

    def followed(self, conn: Connection[Any]) -> Model:
        """Follows a switch if there was one; returns the model that the index is searched with. Raises WrongModel."""
        self.follow()
        return self.require(conn)
