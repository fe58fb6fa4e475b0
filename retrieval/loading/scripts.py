"""Raised and lowered characters: 10<sup>5</sup> is 10⁵ and never 105, CO<sub>2</sub> is CO₂."""

_RAISED = dict(zip("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ", strict=True))
_LOWERED = dict(zip("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎", strict=True))


def raised(text: str) -> str:
    """Superscript as people type it: in raised characters, else behind `^`. Letters alone (1st, 2e, TM) change no
    value, nor do brackets (a note's number), so they stay as they are.
    """
    bare = text.strip()
    if bare and all(char in _RAISED for char in bare):
        return "".join(_RAISED[char] for char in bare)
    if not any(map(str.isdigit, bare)) or bare.startswith("["):
        return text
    return f"^{bare}" if bare.isalnum() else f"^({bare})"


def lowered(text: str) -> str:
    """Subscript in lowered characters, where there are such."""
    bare = text.strip()
    return "".join(_LOWERED.get(char, char) for char in bare)
