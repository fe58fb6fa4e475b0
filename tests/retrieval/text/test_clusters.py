"""Questions in groups by what they ask."""

from collections.abc import Sequence

import numpy as np

from retrieval.embedding import MiniLM, Vectors
from retrieval.text.clusters import Cluster, clusters


class Angles:
    """An embedder of texts that are angles in degrees, on the unit circle."""

    name, dimensions = "angles", 2

    def embed(self, texts: Sequence[str]) -> Vectors:
        radians = np.radians([float(text) for text in texts])
        return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_the_largest_group_comes_first_and_is_named_by_its_middle() -> None:
    """Cosine 0.6 is an angle of 53 degrees: 40 is near to 0, 40 and 80; 200 stands alone."""
    assert clusters(Angles(), ["200", "0", "40", "80"]) == [Cluster("40", 3), Cluster("200", 1)]


def test_every_question_is_in_one_group() -> None:
    """Nothing is counted twice, and nothing asked finds nothing."""
    assert sum(found.size for found in clusters(Angles(), [str(angle) for angle in range(0, 360, 10)])) == 36
    assert clusters(Angles(), []) == []


def test_paraphrases_are_one() -> None:
    """With the embedder that search uses."""
    asked = ["Where do I park my car?", "Is there a parking place for my car?", "What is the wifi password?"]
    assert [found.size for found in clusters(MiniLM(), asked)] == [2, 1]
