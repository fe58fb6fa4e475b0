"""What must not be learnt from, and what would be learnt too often. Each function returns what it keeps and counts the
rest by its reason.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import combinations

from finetune.dataset.personal import redact
from finetune.dataset.rows import AnswerRow, Example, Message

NGRAM = 8
"""Words in a row that two questions share only if one was made from the other, as decontamination is usually done
(GPT-3, https://arxiv.org/abs/2005.14165, appendix C, takes 8 to 13).
"""
SAME_WORDS = 3
"""Different questions that are corrected by the same words of one passage, from which on these answer none."""
_WORD = re.compile(r"\w+")
_MARKER = re.compile(r"<(?=\|\w+\|>|/?s>|unk>)")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def usable_answers(answers: Iterable[AnswerRow], counts: Counter[str]) -> list[AnswerRow]:
    """The answers whose words were not deleted and whose passages everybody may read and still can."""
    usable = []
    for answer in answers:
        if not answer.prompted and not answer.abstained:
            counts["left out: words were deleted with somebody's data"] += 1
        elif not (answer.everyone and all(passage.everyone for passage in answer.passages)):
            counts["left out: a passage is not for everyone"] += 1
        elif not all(passage.text for passage in answer.passages):
            counts["left out: a document changed or went since"] += 1
        else:
            usable.append(answer)
    return usable


def for_everyone(examples: Iterable[Example], counts: Counter[str]) -> list[Example]:
    """The examples of which every passage is for everyone: search may have added one for a correction."""
    public = []
    for example in examples:
        if all(passage.everyone for passage in example.passages):
            public.append(example)
        else:
            counts["left out: a passage is not for everyone"] += 1
    return public


def without_personal_data(examples: Iterable[Example], counts: Counter[str]) -> list[Example]:
    """The same examples with personal data in people's words replaced; documents that all may read stay as they are."""
    cleaned = []
    for example in examples:
        public = "\n".join(
            part
            for passage in example.passages
            if not passage.verified
            for part in (passage.before, passage.text, passage.after)
        )
        cleaned.append(
            replace(
                example,
                question=redact(example.question, public, counts),
                completion=redact(example.completion, public, counts),
                rejected=None if example.rejected is None else redact(example.rejected, public, counts),
                passages=tuple(
                    replace(passage, text=redact(passage.text, public, counts)) if passage.verified else passage
                    for passage in example.passages
                ),
            )
        )
    return cleaned


def without_conflicts(
    examples: Iterable[Example], meaning: Callable[[Example], str], counts: Counter[str]
) -> list[Example]:
    """Without the corrections of one question that name different numbers: nobody knows which is right.

    Of questions that only ask the same in other words, which `meaning` names alike, one may be answered without a
    number; but two corrections that share none of their numbers contradict each other.
    """
    examples = list(examples)
    stated: dict[str, set[frozenset[str]]] = defaultdict(set)
    alike: dict[str, set[frozenset[str]]] = defaultdict(set)
    for example in examples:
        if example.corrected:
            numbers = frozenset(_NUMBER.findall(example.completion))
            stated[normal(example.question)].add(numbers)
            alike[meaning(example)].add(numbers)
    contradicted = {
        name
        for name, corrections in alike.items()
        if any(numbers and others and numbers.isdisjoint(others) for numbers, others in combinations(corrections, 2))
    }
    agreeing = []
    for example in examples:
        if example.corrected and (len(stated[normal(example.question)]) > 1 or meaning(example) in contradicted):
            counts["left out: corrections that contradict each other"] += 1
        else:
            agreeing.append(example)
    return agreeing


def without_one_text_for_all(
    examples: Iterable[Example], cluster: Callable[[Example], str], counts: Counter[str]
) -> list[Example]:
    """Without the corrections of many questions by the same words of one passage: who does that is not answering.

    Short answers may well be the same ("every 40 hours"), but then other passages say so.
    """
    examples = list(examples)
    about: dict[tuple[str, str], set[str]] = defaultdict(set)
    for example in examples:
        for claim in _claims(example):
            about[claim].add(cluster(example))
    others = []
    for example in examples:
        if any(len(about[claim]) >= SAME_WORDS for claim in _claims(example)):
            counts["left out: one correction for different questions"] += 1
        else:
            others.append(example)
    return others


def _claims(example: Example) -> list[tuple[str, str]]:
    """What a correction says, with each passage that it rests on."""
    words = normal(example.completion)
    return [(words, example.passages[index].content_hash) for index in example.oracle] if example.corrected else []


def without_duplicates(
    examples: Iterable[Example], cluster: Callable[[Example], str], counts: Counter[str]
) -> list[Example]:
    """The newest of examples of one kind that say the same about one question, however it was worded."""
    newest: dict[tuple[str, ...], Example] = {}
    for example in sorted(examples, key=lambda example: (example.asked_at, example.id)):
        same = (example.kind, cluster(example), normal(example.completion), str(example.label))
        counts["left out: duplicates"] += same in newest
        newest[same] = example
    return sorted(newest.values(), key=lambda example: (example.asked_at, example.id))


def capped(
    examples: Iterable[Example],
    cluster: Callable[[Example], str],
    per_question: int,
    per_person: int,
    counts: Counter[str],
) -> list[Example]:
    """At most so many of each kind about one question and of one person, corrections and then the newest first."""
    chosen, of_question, of_person = [], Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    newest = sorted(examples, key=lambda example: (example.asked_at, example.id), reverse=True)
    for example in sorted(newest, key=lambda example: not example.corrected):
        about = (example.kind, cluster(example))
        people = [(example.kind, person) for person in example.persons]
        if of_question[about] >= per_question:
            counts["left out: more than enough about one question"] += 1
        elif any(of_person[who] >= per_person for who in people):
            counts["left out: more than enough of one person"] += 1
        else:
            of_question[about] += 1
            of_person.update(people)
            chosen.append(example)
    return sorted(chosen, key=lambda example: (example.asked_at, example.id))


def untruncated(
    examples: Iterable[Example],
    prompt: Callable[[Example], list[Message]],
    tokens: Callable[[Sequence[Message]], int],
    max_tokens: int,
    counts: Counter[str],
) -> list[Example]:
    """The examples whose longest answer fits behind its prompt: a trainer would cut the answer, not the passages."""
    fitting = []
    for example in examples:
        answers = [text for text in (example.completion, example.rejected) if text is not None]
        length = max(tokens([*prompt(example), assistant_turn(text)]) for text in answers)
        if length <= max_tokens:
            fitting.append(example)
        else:
            counts["left out: longer than the model is trained on"] += 1
    return fitting


def both_classes(examples: Sequence[Example], counts: Counter[str]) -> list[Example]:
    """Without the KTO examples where all say the same: KTO needs both (https://arxiv.org/abs/2402.01306)."""
    labels = {example.label for example in examples if example.kind == "kto"}
    if len(labels) != 1:
        return list(examples)
    counts["left out: thumbs of one kind alone"] += sum(example.kind == "kto" for example in examples)
    return [example for example in examples if example.kind != "kto"]


class Contamination:
    """Questions of evaluation sets, and whether one of ours was made from one of them."""

    def __init__(self, questions: Sequence[str]) -> None:
        self.questions = list(dict.fromkeys(questions))
        self._same = {normal(question) for question in questions}
        self._ngrams = {ngram for question in questions for ngram in _ngrams(question)}

    def holds(self, question: str) -> bool:
        """Whether a question has the words of one of these; whether it has its meaning is for the embedder to say."""
        return normal(question) in self._same or not self._ngrams.isdisjoint(_ngrams(question))


def normal(text: str) -> str:
    """The words of a text in lower case with one space between them, by which texts are compared."""
    return " ".join(_WORD.findall(text.lower()))


def assistant_turn(text: str) -> Message:
    """A text as the model's turn of a conversation, with control tokens broken."""
    return {"role": "assistant", "content": without_markers(text)}


def without_markers(text: str) -> str:
    """The text with the spelling of control tokens broken by a space, as `Phi3Chat.render` breaks it: no document and
    no correction can end a turn or open another.
    """
    return _MARKER.sub("< ", text)


def _ngrams(text: str) -> set[tuple[str, ...]]:
    words = normal(text).split()
    return {tuple(words[start : start + NGRAM]) for start in range(len(words) - NGRAM + 1)}
