"""A follow-up rewritten by the model so that it stands alone, and checked: one that drops or invents is not used.

Whether a model is able to is measured (`retrieval.answering.abilities`): a small one is not (docs/experiments.md).
"""

import re
from dataclasses import replace

import structlog
from langchain_core.language_models import BaseChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from retrieval.answering.answer import Question
from retrieval.answering.question.followup import is_follow_up, points_back, standalone, subject
from retrieval.text.words import content, denies, exact, is_covered

log = structlog.get_logger(__name__)

TURNS = 4
"""Turns of the conversation that the model is shown."""
TURN_WORDS = 60
"""Words of each turn: a long answer says what it is about at its beginning, and what comes next at its end."""
MAX_WORDS = 60
MAX_TOKENS = 80

_LEANING = frozenset("again else same instead before after".split())
"""Words that point back: what they point to may stand in their place."""
MOST_NEW = 1
MOST_LOST = 1 / 3
"""Words that a rewrite may have of its own, and the share of the question's that it may leave out."""

# Two examples keep a small model from answering; in one language, because it goes on in that of the last one. Their
# subjects are ones that hardly any company has.
_EXAMPLES = [
    (
        "human",
        "user: When do the swans breed?\nassistant: From March to May.\n\n"
        "Last question: and where?\nRewritten question:",
    ),
    ("ai", "Where do the swans breed?"),
    (
        "human",
        "user: Who tunes the organ?\nassistant: Mr Voss does, with a tuning fork.\n\n"
        "Last question: How old is it?\nRewritten question:",
    ),
    ("ai", "How old is the tuning fork of Mr Voss?"),
]
_PROMPT = ChatPromptTemplate.from_messages(
    [
        (
            "system",
            "You rewrite the last question of a conversation so that it can be understood without the conversation: "
            "put the names of things in the place of words that point back, keep its other words, add nothing else, "
            "and do not answer it. Write one line, in the language of the question.",
        ),
        *_EXAMPLES,
        ("human", "{conversation}\n\nLast question: {question}\nRewritten question:"),
    ]
)
_LABEL = re.compile(r"^(?:rewritten(?: question)?|last question|user)\s*:\s*", re.IGNORECASE)
_QUOTES = "\"'“”„«» "


def rewritten(question: Question, model: BaseChatModel) -> str:
    """The question so that it stands alone: as the model says it if that passes the check, else as `standalone` does.

    The model is asked only about a question that leans on those before it.
    """
    return checked(proposed(question, model) if is_follow_up(question) else None, question)


def checked(text: str | None, question: Question) -> str:
    """What the model made of a question if it passes the check, else the question as `standalone` has it; so has it a
    rewrite that still points back.
    """
    if text is None or not is_faithful(text, question):
        return standalone(question)
    return standalone(replace(question, text=text)) if points_back(text) else text


def proposed(question: Question, model: BaseChatModel) -> str | None:
    """The question as the model rewrites it, not yet checked; None if it fails or says nothing."""
    chain = _PROMPT | model.bind(max_tokens=MAX_TOKENS) | StrOutputParser()
    try:
        reply = chain.invoke({"conversation": conversation(question), "question": question.text})
    except Exception as error:  # noqa: BLE001 - whatever the model raises: the plain way is there
        log.warning("not_rewritten", error=type(error).__name__)
        return None
    lines = [line.strip() for line in reply.split("\n") if line.strip()]
    return _LABEL.sub("", lines[0]).strip(_QUOTES) or None if lines else None


def conversation(question: Question) -> str:
    """What the model is shown of what was said before."""
    return "\n".join(f"{turn.role}: {_cut(turn.text)}" for turn in question.history[-TURNS:])


def _cut(text: str) -> str:
    words = text.split()
    if len(words) <= TURN_WORDS:
        return " ".join(words)
    return " ".join([*words[: TURN_WORDS // 2], "…", *words[-TURN_WORDS // 2 :]])


def is_faithful(text: str, question: Question) -> bool:
    """Whether it still asks the same, of what was spoken of, and says more than the question did.

    It keeps what is exact and most of the other words, and every word comes from the conversation. One may be new, or a
    few left out, but not both: a word in the place of another asks something else.
    """
    words, question_words = subject(text), subject(question.text) - _LEANING
    conversation_words = content(conversation(question)) | content(question.text)
    new = [word for word in words if not is_covered(word, conversation_words)]
    absent = [word for word in question_words if not is_covered(word, words)]
    is_exact = not any(word in absent for word in exact(question.text)) and not any(word in new for word in exact(text))
    return (
        is_exact
        and len(text.split()) <= MAX_WORDS
        and _asks(text) >= _asks(question.text)
        and denies(text) == denies(question.text)
        and not (new and absent)
        and len(new) <= MOST_NEW
        and len(absent) <= len(question_words) * MOST_LOST
        and bool(words - question_words - _LEANING)
    )


def _asks(text: str) -> bool:
    return text.rstrip().endswith(("?", "؟"))
