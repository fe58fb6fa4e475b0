"""An answer in the making: what was shown so far, which numbers it cites, and what those rest on.

Passages get their numbers in the order in which they are first cited, so that people see 1, 2, 3 without gaps. What was
shown is never withdrawn.
"""

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from retrieval.answering.answer import Question, Source, Text
from retrieval.answering.evidence.confidence import Calibration, assess
from retrieval.answering.relevance import Relevance
from retrieval.answering.statements import statements, without_citations
from retrieval.answering.wording import repeats
from retrieval.searching.passage import Passage

MAX_WORDS = 115
"""Words of all statements of an answer together, citations included."""
MAX_EVIDENCE_WORDS = 60
"""Words of all evidence that is shown below the statements."""

NOTE = "⚠️ "
"""Stands before words of ours in an answer, which are neither the model's nor a document's."""

_WORD = re.compile(r"[^\W_]+")
_WHOLE = re.compile(r"[.!?…:。！？][\"'”’)\]*_`]*$")


@dataclass(slots=True)
class Draft:
    """An answer in the making.

    `citable` are the passages that it may cite: those that the model reads, then the others that were found. `leads`:
    the model's own words do. `is_sure`: that the passages answer, before anything is written. `says_yes`: how likely
    the model says so, where it was asked. `statements` are those that are shown, as they are shown, and `refused` those
    that are not. `started_at` is the monotonic clock's time in seconds.
    """

    question: Question
    standalone: str
    passages: Sequence[Passage]
    calibration: Calibration
    started_at: float
    leads: bool = False
    relevance: Relevance | None = None
    citable: list[Passage] = field(default_factory=list)
    prompt: str = ""
    finish: str | None = None
    is_sure: bool = False
    abstained: bool = False
    says_yes: float | None = None
    timings: dict[str, float] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    _texts: list[str] = field(default_factory=list)
    _numbers: dict[int, int] = field(default_factory=dict)  # of passages, by their place in `citable`
    _evidence: dict[int, list[str]] = field(default_factory=dict)  # by the same places
    _steps: int = 0

    @property
    def text(self) -> str:
        """All text that was shown so far."""
        return "".join(self._texts)

    def say(self, text: str) -> Text:
        """Show a text as it is."""
        self.timings.setdefault("first_text", round(time.monotonic() - self.started_at, 4))
        self._texts.append(text)
        return Text(text)

    def state(self, text: str, places: Sequence[int], *, is_step: bool) -> Text:
        """Show a statement with the numbers of the passages at `places`; steps are numbered, each on its own line."""
        self.statements.append(text)
        cited = f"{text} {self.cite(places)}" if places else text
        first = len(self.statements) == 1
        if is_step:
            self._steps += 1
            return self.say(f"{self._break(2 if first else 1)}{self._steps}. {cited}")
        return self.say((self._break(2) if first or self._steps else " ") + cited)

    def quote(self, text: str, place: int) -> Text:
        """Show words of the passage at `place` as a quote."""
        self.rest_on(place, text)
        number = self.cite([place]).strip("[]")
        return self.say(self._break(2) + blockquote(text, int(number)))

    def note(self, text: str, basis: Sequence[tuple[int, str]]) -> Text:
        """Show words of ours that rest on what passages say, by their places."""
        for place, words in basis:
            self.rest_on(place, words)
        return self.say(f"{self._break(2)}{NOTE}{text} {self.cite(place for place, _ in basis)}\n")

    def cite(self, places: Iterable[int]) -> str:
        """The numbers of these passages, as [1][3]; a passage that was not cited before gets the next one."""
        return "".join(f"[{self._numbers.setdefault(place, len(self._numbers) + 1)}]" for place in places)

    def rest_on(self, place: int, text: str) -> None:
        """Note that the answer rests on these words of the passage at `place`."""
        texts = self._evidence.setdefault(place, [])
        if text not in texts:
            texts.append(text)

    def evidence(self) -> list[tuple[int, str]]:
        """What the answer rests on and does not say in the same words, by the places of passages as they were cited."""
        room = MAX_EVIDENCE_WORDS
        evidence: list[tuple[int, str]] = []
        for place in self._numbers:
            for text in self._evidence.get(place, []):
                words = len(text.split())
                if not self.repeats(text) and (words <= room or not evidence):
                    room -= words
                    evidence.append((place, text))
        return evidence

    def is_enough(self, grounded: float | None = None) -> bool:
        """Whether the passages answer well enough, with the model's own yes or no if it was asked; `grounded`: how
        likely its words are borne out, where that is known.
        """
        return assess(
            self.question.text,
            self.passages,
            calibration=self.calibration,
            grounded=grounded,
            says_yes=self.says_yes,
        ).enough

    def place_of(self, passage: Passage) -> int:
        """The place of a passage among those that may be cited."""
        return next(place for place, other in enumerate(self.citable) if other.chunk_id == passage.chunk_id)

    def has_room_for(self, text: str) -> bool:
        """Whether the statements stay as short as people want them."""
        return len(" ".join([*self.statements, text]).split()) <= MAX_WORDS

    def repeats(self, text: str) -> bool:
        """Whether a statement stands in what was shown already, word for word."""
        return repeats(text, self.text)

    def end(self) -> Text | None:
        """The line's end that the last statement lacks; None if it has one."""
        return None if not self._texts or self.text.endswith("\n") else self.say("\n")

    def sources(self) -> list[Source]:
        """The passages that are cited, by their numbers."""
        return [
            Source(
                number=number,
                document=self.citable[place].document,
                title=self.citable[place].title,
                heading=self.citable[place].heading,
                url=self.citable[place].url,
                quote=" … ".join(self._evidence.get(place, [])),
                chunk_id=self.citable[place].chunk_id,
                modified=_day(self.citable[place]),
            )
            for place, number in sorted(self._numbers.items(), key=lambda item: item[1])
        ]

    def _break(self, lines: int) -> str:
        """What is needed so that the next text begins on a new line, or below an empty one."""
        if not self._texts:
            return ""
        ends = len(self.text) - len(self.text.rstrip("\n"))
        return "\n" * max(0, lines - ends)


def as_sentence(text: str) -> str:
    """A statement as people read it: with a capital in front and an end, also if it is a bare value."""
    text = text.strip()
    first = _WORD.match(text)
    if first and first[0].islower() and first[0].isalpha():  # not $13, pH or 5
        text = text[0].upper() + text[1:]
    return text if _WHOLE.search(text) else f"{text}."


def is_whole(text: str) -> bool:
    """Whether a statement has an end, as one that was cut off has not."""
    return bool(_WHOLE.search(text))


def blockquote(text: str, number: int) -> str:
    """A quote as Markdown, each of its lines marked, with its number at the end."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return "".join(f"> {line}\n" for line in lines[:-1]) + f"> {lines[-1]} [{number}]\n"


def written_by_model(text: str) -> str:
    """The model's statements in the text of an answer, without quotes, notes and citations; often none."""
    lines = [line for line in text.split("\n") if line.strip() and not line.startswith((">", NOTE))]
    bare = [without_citations(statement)[0] for line in lines for statement in statements([line])]
    return " ".join(statement for statement in bare if statement)


def _day(passage: Passage) -> str | None:
    return passage.modified_at.date().isoformat() if passage.modified_at else None
