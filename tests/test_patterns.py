"""No regular expression of ours takes more than linear time, whatever text somebody else wrote.

Every pattern is found in the code itself, and inputs are grown against it: what its own parts match, repeated, with and
without what leads there, and followed by what it cannot end with. Four times the text may take four times as long.
"""

import ast
import importlib
import itertools
import math
import random
import re
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("retrieval", "bot")
SHORT, LONG = 1_000, 4_000
"""Characters of the two inputs."""
QUICK = 0.025
"""Seconds below which an input of LONG characters is fine."""
MOST_GROWTH = 10.0
"""Four is linear, sixteen quadratic."""
LIMIT = 2.0
"""Seconds after which a pattern is stopped."""
MOST_INPUTS = 60
Found = tuple[str, Any, int, bool]
AT_BEGINNING = ("match", "fullmatch")
CALLS = ("compile", "sub", "subn", "split", "search", "match", "fullmatch", "findall", "finditer")
SAMPLE = {
    sre.CATEGORY_DIGIT: "7",
    sre.CATEGORY_NOT_DIGIT: "a ",
    sre.CATEGORY_SPACE: " \n",
    sre.CATEGORY_NOT_SPACE: "a.",
    sre.CATEGORY_WORD: "aZ7_",
    sre.CATEGORY_NOT_WORD: " .",
}


def written_patterns() -> Iterator[Found]:
    """Each pattern that stands as a text in a call of `re`, but for those that a module keeps."""
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _is_of_re(node.func) and node.args:
                    text = node.args[0]
                    if isinstance(text, ast.Constant):
                        method = node.func.attr  # type: ignore[attr-defined]
                        where = f"{file.relative_to(ROOT)}:{node.lineno}"
                        yield where, text.value, _flags(node), method in AT_BEGINNING


def _is_of_re(function: ast.expr) -> bool:
    is_call = isinstance(function, ast.Attribute) and function.attr in CALLS
    return is_call and isinstance(function.value, ast.Name) and function.value.id == "re"  # type: ignore[attr-defined]


def _flags(call: ast.Call) -> int:
    named = [node.attr for node in ast.walk(call) if isinstance(node, ast.Attribute) and node.attr.isupper()]
    return sum(getattr(re, name, 0) for name in set(named) if isinstance(getattr(re, name, None), re.RegexFlag))


def kept_patterns() -> Iterator[Found]:
    """Each pattern that a module keeps, alone or among others, and whether all its uses look at the beginning alone."""
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            source = file.read_text(encoding="utf-8")
            if file.stem == "__main__" or "re.compile" not in source:
                continue
            module = importlib.import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
            for name, value in vars(module).items():
                for pattern in _patterns_in(value, 2):
                    is_alone = isinstance(value, re.Pattern) and name.startswith("_")
                    only = is_alone and not re.search(rf"(?<!\w){name}\b(?!\.(?:match|fullmatch)\b)(?! = )", source)
                    yield f"{module.__name__}.{name}", pattern.pattern, pattern.flags, only


def _patterns_in(value: Any, depth: int) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern):
        yield value
    elif depth and isinstance(value, tuple | list | set | frozenset | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _patterns_in(part, depth - 1)


def all_patterns() -> list[Any]:
    found: dict[tuple[str, int], tuple[str, bool]] = {}
    for where, pattern, flags, only_at_beginning in itertools.chain(kept_patterns(), written_patterns()):
        if isinstance(pattern, bytes):
            pattern, flags = pattern.decode("latin-1"), flags | re.ASCII
        key = (pattern, flags & ~re.UNICODE.value)
        if key not in found:  # what a module keeps comes first, and says how it is used
            found[key] = (where, only_at_beginning)
    return [pytest.param(pattern, flags, only, id=where) for (pattern, flags), (where, only) in found.items()]


def inputs(pattern: str, flags: int) -> list[tuple[str, str, str]]:
    """What may be slow: a beginning, what is repeated after it, and an end."""
    tree = _parser.parse(pattern, flags)
    chance = random.Random(repr(pattern))
    pumps = list(dict.fromkeys(filter(None, _repeated(tree, chance))))
    signs = sorted(set("".join(pumps)) | set(_sample(tree, chance)) | set(" a\n"))[:14]
    pumps += signs + [one + other for one, other in itertools.permutations(signs[:8], 2)]
    begins = ["", *dict.fromkeys(_sample(tree, chance) for _ in range(3))]
    ends = ["\x01", ""]
    tried = [*itertools.product(begins[:1], pumps, ends[:1]), *itertools.product(begins[1:], pumps, ends[:1])]
    tried += list(itertools.product(begins[:1], pumps, ends[1:]))
    return tried[:MOST_INPUTS]


def _repeated(tree: Iterable[Any], chance: random.Random) -> Iterator[str]:
    """Samples of what a pattern repeats, of what it repeats with what follows, and of all of it."""
    parts = list(tree)
    for place, (kind, value) in enumerate(parts):
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            for _ in range(3):
                body = _sample(value[2], chance)
                yield body
                yield body + _sample(parts[place + 1 : place + 3], chance)
        for inner in _inner(kind, value):
            yield from _repeated(inner, chance)
    yield _sample(parts, chance)


def _inner(kind: Any, value: Any) -> list[Any]:
    if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        return [value[2]]
    if kind is sre.SUBPATTERN:
        return [value[3]]
    if kind is sre.BRANCH:
        return list(value[1])
    if kind in (sre.ASSERT, sre.ASSERT_NOT):
        return [value[1]]
    return [value] if kind is sre.ATOMIC_GROUP else []


def _sample(tree: Iterable[Any], chance: random.Random) -> str:
    """A text that the parts match, as far as they can be seen one by one."""
    return "".join(_sampled(kind, value, chance) for kind, value in tree)


def _sampled(kind: Any, value: Any, chance: random.Random) -> str:
    if kind is sre.LITERAL:
        return chr(value)
    if kind is sre.NOT_LITERAL:
        return "a" if value != ord("a") else "b"
    if kind is sre.ANY:
        return chance.choice("a ")
    if kind is sre.IN:
        return _one_of(value, chance)
    if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        return _sample(value[2], chance) * max(min(value[0], 20), chance.choice((0, 1)) if value[1] else 0)
    if kind is sre.SUBPATTERN:
        return _sample(value[3], chance)
    if kind is sre.BRANCH:
        return _sample(chance.choice(value[1]), chance)
    return _sample(value, chance) if kind is sre.ATOMIC_GROUP else ""


def _one_of(members: list[Any], chance: random.Random) -> str:
    if members and members[0][0] is sre.NEGATE:
        excluded = re.compile(
            "|".join(map(re.escape, filter(None, (_member(one, chance) for one in members[1:])))) or "\0"
        )
        free = [sign for sign in "a 7.-(x" if not excluded.fullmatch(sign)]
        return chance.choice(free or ["~"])
    return _member(chance.choice(members), chance) or "a"


def _member(member: Any, chance: random.Random) -> str:
    kind, value = member
    if kind is sre.LITERAL:
        return chr(value)
    if kind is sre.RANGE:
        return chr(chance.choice(value))
    return chance.choice(SAMPLE.get(value, "a")) if kind is sre.CATEGORY else ""


def seconds(pattern: re.Pattern[str], text: str, only_at_beginning: bool) -> float:
    """Of this process alone, to look through a text as `sub` and `split` do, and at its beginning; at most LIMIT."""
    begun = time.process_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
    try:
        for _ in () if only_at_beginning else pattern.finditer(text):
            pass
        pattern.match(text)
        pattern.fullmatch(text)
    except TimeoutError:
        return math.inf
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return time.process_time() - begun


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    """The matcher looks for signals while it works."""

    def stop(number: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, stop)
    yield
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize(("pattern", "flags", "only_at_beginning"), all_patterns())
def test_a_pattern_takes_linear_time(pattern: str, flags: int, only_at_beginning: bool) -> None:
    """Measured again where it looks otherwise, for the machine may have been busy."""
    compiled = re.compile(pattern, flags)
    for begin, pump, end in inputs(pattern, flags):
        long = begin + pump * (LONG // len(pump)) + end
        if seconds(compiled, long, only_at_beginning) < QUICK:
            continue
        short = begin + pump * (SHORT // len(pump)) + end
        of_long = min(seconds(compiled, long, only_at_beginning) for _ in range(2))
        of_short = min(seconds(compiled, short, only_at_beginning) for _ in range(3))
        growth = math.inf if of_long == math.inf else of_long / max(of_short, 1e-5)
        assert growth < MOST_GROWTH, f"{begin!r} + {pump!r} * n + {end!r} grows {growth:.0f} times"


@pytest.mark.parametrize("slow", [r"\s+$", r"(a|a)*b", r"<.*?>", r"(\w+\s?)*!", r"x.*y.*z"])
def test_a_slow_pattern_is_found(slow: str) -> None:
    """The test itself finds what it is for."""
    with pytest.raises(AssertionError, match="grows"):
        test_a_pattern_takes_linear_time(slow, 0, False)
