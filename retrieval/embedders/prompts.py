"""What some models want to read before a question or a passage, as their model cards say.

Models tell it in their own configuration as well; this is for those that do not, and for servers, which never do.
"""

import re
from typing import NamedTuple


class Prompts(NamedTuple):
    """What goes before a question and before a passage."""

    query: str = ""
    document: str = ""


_SEARCHING = "Represent this sentence for searching relevant passages: "
_INSTRUCT = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: "

# The first family whose pattern is found in the model's name. https://huggingface.co/<model>
_FAMILIES = (
    (r"e5-.*instruct", Prompts(_INSTRUCT)),
    (r"(^|[-/_])e5-(small|base|large)", Prompts("query: ", "passage: ")),
    (r"bge-(small|base|large)-en", Prompts(_SEARCHING)),
    (r"mxbai-embed", Prompts(_SEARCHING)),
    (r"arctic-embed-.*v2", Prompts("query: ")),
    (r"arctic-embed", Prompts(_SEARCHING)),
    (r"nomic-embed-text", Prompts("search_query: ", "search_document: ")),
    (r"embeddinggemma", Prompts("task: search result | query: ", "title: none | text: ")),
    (r"qwen3-embedding", Prompts(_INSTRUCT.replace("Query: ", "Query:"))),
)


def family_prompts(name: str) -> Prompts:
    """The prompts of the family that the model's name belongs to; none if it is in none of them."""
    lowered = name.lower()
    return next((prompts for pattern, prompts in _FAMILIES if re.search(pattern, lowered)), Prompts())
