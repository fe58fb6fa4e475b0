"""A follow-up to a question that stands alone, for the search knows nothing of what was said before."""

import re

from retrieval.answering.answer import Question
from retrieval.answering.statements import without_citations
from retrieval.text.sentences import split
from retrieval.text.words import content, is_number

FEW_WORDS = 3
"""A question with no more words of its own, and no name or number among them, is taken to lean on the one before."""

MOST_WORDS = 150
"""More the embedder does not read, and the prompt has no room for."""

CONTEXT = 1.5
"""How much what was said before counts, beside the question by itself."""
TOLD = 4
"""Words of a subject that the beginning of an answer has at the least: "Yes." says nothing of it."""

_MARKS = re.compile(r"^> ?", re.MULTILINE)
_NOTHING = re.compile(r"\s*The documents don't say\b")
_LEANS = re.compile(
    r"^\W*(?:and|but|or|so|ok|okay|then|what about|how about|und|aber|oder|dann|also|was ist mit)\b"
    r"|\b(?:it|its|that|this|those|these|they|them|one|ones|there|mine|same|instead|else|before|after that)\b"
    r"|\b(?:da(?:für|von|mit|zu|ran|rin|rauf|bei|nach|gegen|vor)|diese[mnrs]?|d(?:er|ie|as)selben?|stattdessen|dort)\b"
    r"|^\W*(?:אז|או|אבל|ו(?:מה|מי|איך|מתי|איפה|כמה|למה|האם|אם|איזה|איזו))\b"
    r"|(?<!מה )(?<!מי )\b(?:זה|זאת|זו|הוא|היא|הם|הן)\b"
    r"|\b(?:אלה|אלו|אות[והםן]|של[והםן]|שלהם|שלהן|כזה|כזאת|במקומו|במקומה)\b",
    re.IGNORECASE,
)
# What in German points back means "is" or "of the" in other languages, and before a noun it is an article.
_GERMAN = re.compile(
    r"\b(?:wie|wo|wann|wer|welche[mnrs]?|warum|wird|werden|muss|ist|nicht|ich|wir|soll|kann|darf)\b", re.IGNORECASE
)
_LEANS_IN_GERMAN = re.compile(
    r"(?<!gibt )\bes\b|\b(?:er|sie|ihn|ihm|dessen|deren)\b|\b[Dd]as\b(?!\s+(?:\w+e[nrs]?\s+)?[^\W\d_a-zäöüß])"
)
_COMMON_ELSEWHERE = frozenset(
    "der das den dem des ein eine einen einem einer und oder aber ist sind wird werden wurde haben muss müssen kann "
    "können darf soll wie wo wann wer welche welcher welches warum man ich wir mit von für auf bei nach vor zu zum zur "
    "im am nicht es er sie oft noch auch "
    "של את על עם מה מי איך מתי איפה למה כמה כל יש אין צריך אני אנחנו לא גם רק אם או איזה איזו הוא היא זה".split()
)
"""Words of German and Hebrew that say nothing of the subject, but for those that name a thing in English (die, hat).
Other languages have no list: there a question leans on the one before if it has next to no words.
"""


def standalone(question: Question) -> str:
    """The question, after the last one that was asked before it if it leans on that; a very long one is shortened."""
    before = [turn.text for turn in question.history if turn.role == "user"][-1:]
    return _shortened(" ".join([*before, question.text]) if is_follow_up(question) else question.text)


def meaning_of(question: Question, alone: str) -> dict[str, float] | None:
    """The texts whose mean a follow-up is searched near to, with their weights: what it says by itself, and the same
    behind the question before it and the beginning of the answer to that. `alone` is how it stands alone. None for a
    first question.

    A question that needs what was said is found by the one, another by the other, and nobody has to know which it is.
    """
    before = [turn.text for turn in question.history if turn.role == "user"][-1:]
    if not before:
        return None
    own = _shortened(question.text) if alone == standalone(question) else alone
    return {own: 1.0, " ".join([*before, *_answered(question), own]): CONTEXT}


def _answered(question: Question) -> list[str]:
    """The first sentences of the last answer: what it is about stands there, and often what is asked about next."""
    answers = [turn.text for turn in question.history if turn.role == "assistant"][-1:]
    text = " ".join(_MARKS.sub("", without_citations(answers[0])[0]).split()) if answers else ""
    sentences: list[str] = []
    for sentence in [] if _NOTHING.match(text) else split(text, "text"):
        sentences.append(sentence)
        if len(subject(" ".join(sentences))) >= TOLD:
            break
    return sentences


def is_follow_up(question: Question) -> bool:
    """Whether it leans on a question before it, by its words."""
    words = subject(question.text)
    leans = points_back(question.text) or (len(words) <= FEW_WORDS and not any(map(is_number, words)))
    return leans and any(turn.role == "user" for turn in question.history)


def subject(text: str) -> set[str]:
    """The words that say what a text is about, lower-cased."""
    return content(text) - _COMMON_ELSEWHERE


def points_back(text: str) -> bool:
    """Whether a word in it stands for something that was said before."""
    return bool(_LEANS.search(text) or (_GERMAN.search(text) and _LEANS_IN_GERMAN.search(text)))


def _shortened(text: str) -> str:
    """At most MOST_WORDS: people ask at the beginning or at the end of a long post, and tell in between."""
    words = text.split()
    if len(words) <= MOST_WORDS:
        return text
    return " ".join([*words[: MOST_WORDS // 2], "…", *words[-MOST_WORDS // 2 :]])
