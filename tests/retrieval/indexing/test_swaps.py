"""A search sees a document as it was or as it is, whenever it comes."""

from tests.retrieval.indexing.swaps import search_during_swaps


def test_no_search_sees_half_a_document(database: str) -> None:
    """While documents of several chunks are swapped without a pause; both versions are seen, or nothing was tested."""
    result = search_during_swaps(database, searches=300)
    assert result.half == 0
    assert min(result.versions.values()) > 0
    assert result.swaps > 0
