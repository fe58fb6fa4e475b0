"""A model that answers without documents: what it knows by itself, to measure what the documents add."""

import re
import time
from collections.abc import Callable, Iterator

from langchain_core.language_models import BaseChatModel

from retrieval.answering.answer import Answer, Done, Event, Question, Text
from retrieval.answering.chat_model import adapter_of, name_of
from retrieval.answering.prompt import closed_book_prompt
from retrieval.answering.question.followup import standalone

_UNSURE = re.compile(r"\b(?:i (?:do not|don['’]t) know|i(?:['’]m| am) not sure)\b", re.IGNORECASE)


def closed_book(model: BaseChatModel) -> Callable[[Question], Iterator[Event]]:
    """Answers as the chain does, in one piece. It abstains where the model says that it does not know."""

    def stream(question: Question) -> Iterator[Event]:
        started = time.monotonic()
        question_text = standalone(question)
        messages = closed_book_prompt().format_messages(question=question_text)
        text = model.invoke(messages).text.strip()
        yield Text(text)
        yield Done(
            Answer(
                question=question.text,
                standalone=question_text,
                text=text,
                abstained=not text or bool(_UNSURE.search(text)),
                sources=[],
                passages=[],
                prompt=str(messages[-1].content),
                model=name_of(model),
                adapter=adapter_of(model),
                timings={"total": round(time.monotonic() - started, 4)},
            )
        )

    return stream
