"""Is a message that nobody addressed to the bot a question? A logistic score over a few traits of its words.

For channels where every question is answered: the channel's threshold decides. The weights are fitted (logistic
regression, slightly regularised) on the messages of `tests/bot/channel_messages.py`; what they mean can be read, and
a person who disagrees moves the threshold.
"""

import math
import re

READ = 1_000  # characters that are looked at
BIAS = -1.4
WEIGHTS = {
    "ends with a question mark": 2.4,
    "opens with a question word": 2.1,
    "opens with an auxiliary verb": 1.9,
    "asks for help or knowledge": 3.2,
    "speaks of you": -2.0,
    "speaks to one person": -1.2,
    "is very short": -1.7,
    "is an announcement": -1.9,
    "is small talk": -3.6,
}
_WORDS = (
    "what|which|who|whom|whose|when|where|why|how|was|wer|wen|wem|welche[rsn]?|wann|wo|warum|wieso|wie|wohin|que|quel|"
    "quelle|qui|quand|où|pourquoi|comment|combien|qué|cuál|quién|cuándo|dónde|cómo"
)
_AUXILIARIES = (
    "is|are|do|does|did|can|could|may|should|shall|must|has|have|will|would|ist|sind|kann|können|darf|gibt|hat"
)
_LEAD = r"^(?:(?:hi|hello|hey|hallo|morning|quick question|question|frage|so|and|und|ok|but|please|sorry)\b[\s,:!-]*)*"
_TRAITS = {
    "ends with a question mark": re.compile(r"\?[\s)\"'”!?]*$"),
    "opens with a question word": re.compile(rf"{_LEAD}(?:{_WORDS})\b(?!\s+a\b)", re.IGNORECASE),
    "opens with an auxiliary verb": re.compile(rf"{_LEAD}(?:{_AUXILIARIES})\b", re.IGNORECASE),
    "asks for help or knowledge": re.compile(
        r"\b(?:any(?:one|body) know|somebody know|any idea|how (?:do|can|to)|need (?:help|to know)|"
        r"looking for|where (?:can|do) (?:i|we)|can't find|cannot find|weiß jemand|kennt jemand|wondering|tell me)\b",
        re.IGNORECASE,
    ),
    "speaks of you": re.compile(r"\b(?:you|your|u|du|dein\w*|ihr)\b(?!\s+(?:know|have to)\b)", re.IGNORECASE),
    "speaks to one person": re.compile(r"@\w"),
    "is very short": re.compile(r"^\S+(?:\s+\S+){0,2}$"),
    "is an announcement": re.compile(
        r"\b(?:fyi|reminder|heads up|please note|update:|just (?:finished|started|fixed)|will be|has been|"
        r"i(?:'ve| have)|we(?:'ve| have)|i(?:'ll| will)|let's)\b",
        re.IGNORECASE,
    ),
    "is small talk": re.compile(
        r"\b(?:lunch|coffee|weekend|birthday|how are you|how's it going|what's up|who's in|right\?|isn't it|lol|haha|"
        r"congrat\w*|anyone up for|ready\?|ok\?|really\?|seriously)",
        re.IGNORECASE,
    ),
}


def question_score(text: str) -> float:
    """How sure it is, from 0 to 1, that the message asks something that documents could answer."""
    read = text.strip()[:READ]
    found = sum(WEIGHTS[name] for name, trait in _TRAITS.items() if trait.search(read))
    return 1 / (1 + math.exp(-(BIAS + found)))
