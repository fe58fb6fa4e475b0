"""Personal data in what people typed: found by form and by checksum, and replaced by its kind.

Names have no form; docs/decisions/0019-datasets.md says why they are left in.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import phonenumbers

_EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
_SLACK = re.compile(r"<@[UW][A-Z0-9]+(?:\|[^>]*)?>")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")
_CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")
_ADDRESS = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b")


def redact(text: str, public: str, counts: Counter[str]) -> str:
    """The text with personal data replaced by [email], [phone], …, except what stands in `public` word for word.

    `public` are the passages: the service desk's address that a document gives to everybody is an answer.
    """
    for kind, find in _FINDERS:
        for start, end in reversed(list(find(text))):
            if text[start:end] not in public:
                counts[f"redacted: {kind}"] += 1
                text = f"{text[:start]}[{kind}]{text[end:]}"
    return text


def _emails(text: str) -> Iterator[tuple[int, int]]:
    yield from (match.span() for match in _EMAIL.finditer(text))


def _people(text: str) -> Iterator[tuple[int, int]]:
    yield from (match.span() for match in _SLACK.finditer(text))


def _accounts(text: str) -> Iterator[tuple[int, int]]:
    """IBANs whose checksum is right (ISO 13616: 1 modulo 97)."""
    for match in _IBAN.finditer(text):
        digits = match[0].replace(" ", "")
        number = "".join(str(int(character, 36)) for character in digits[4:] + digits[:4])
        if int(number) % 97 == 1:
            yield match.span()


def _cards(text: str) -> Iterator[tuple[int, int]]:
    """Card numbers whose check digit is right (Luhn, ISO/IEC 7812)."""
    for match in _CARD.finditer(text):
        digits = [int(character) for character in reversed(match[0]) if character.isdigit()]
        doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[1::2]]
        if (sum(digits[::2]) + sum(doubled)) % 10 == 0:
            yield match.span()


def _phones(text: str) -> Iterator[tuple[int, int]]:
    """Telephone numbers with their country's code; without it a part number would be taken for one."""
    for match in phonenumbers.PhoneNumberMatcher(text, None):
        yield match.start, match.end


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    for match in _ADDRESS.finditer(text):
        if all(int(part) < 256 for part in match[0].split(".")):
            yield match.span()


_FINDERS: Sequence[tuple[str, Callable[[str], Iterator[tuple[int, int]]]]] = (
    ("email", _emails),
    ("person", _people),
    ("account", _accounts),
    ("card", _cards),
    ("phone", _phones),
    ("address", _addresses),
)
