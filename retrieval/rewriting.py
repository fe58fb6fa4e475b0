"""A follow-up rewritten by the model so that it stands alone, and checked: one that drops or invents is not used.

Off by default: the small model needs seconds for it, and its rewrites pass the check seldom (docs/experiments.md).
"""

import re

import structlog
from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from retrieval.answer import Question
from retrieval.followup import is_follow_up, standalone
from retrieval.words import content, exact, is_covered

log = structlog.get_logger(__name__)

TURNS = 4
"""Of the conversation, that the model is shown."""
MAX_WORDS = 40
MAX_TOKENS = 64

_PROMPT = ChatPromptTemplate.from_messages(
    [
        (
            "system",
            "You rewrite the last question of a conversation so that it can be understood by itself. Keep all of its "
            "words that matter, put in what it refers to, add nothing else, and do not answer it. Write one question.",
        ),
        ("human", "{conversation}\n\nLast question: {question}\nRewritten question:"),
    ]
)
_FIRST = re.compile(r"[^\n?]*\?")


def rewritten(question: Question, model: BaseChatModel) -> str:
    """The question so that it stands alone: as the model says it if that passes the check, else as `standalone` does.

    The model is asked only about a question that leans on those before it.
    """
    plain = standalone(question)
    if not is_follow_up(question):
        return plain
    conversation = "\n".join(f"{turn.role}: {turn.text}" for turn in question.history[-TURNS:])
    chain = _PROMPT | model.bind(max_tokens=MAX_TOKENS) | StrOutputParser()
    try:
        said = chain.invoke({"conversation": conversation, "question": question.text})
    except Exception as error:  # noqa: BLE001 - whatever the model raises: the plain way is there
        log.warning("not_rewritten", error=type(error).__name__)
        return plain
    found = _FIRST.search(said.strip())
    text = found[0].strip() if found else ""
    return text if _is_faithful(text, said, question, conversation) else plain


def _is_faithful(text: str, said: str, question: Question, conversation: str) -> bool:
    """Whether it holds all that was asked about, names nothing that nobody named, and is more than the question."""
    words, asked = content(text), content(question.text)
    known = content(conversation) | asked
    invented = [word for word in words if not is_covered(word, known)]
    return (
        bool(text)
        and said.count("?") == 1
        and len(text.split()) <= MAX_WORDS
        and not invented
        and exact(text) <= known
        and words > asked - _LEANING
    )


_LEANING = frozenset("again else same instead before after".split())
"""Words that point back: what they point to may stand in their place."""
