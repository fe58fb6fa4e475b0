"""The kinds of document and question that people report of document bots, one line each: right, wrong or not judged.

    python benchmarks/cases.py FOLDER [NAME …] [--files] [--all] [--show]

A case is a folder with EXPECT.txt, the right value in a line, and what it is about: files, each indexed alone (a
`make.py` makes those that are too large to keep); `docs/` and `question.json`, asked through the whole chain with the
default model; or `run.sh`, run with --all alone, whose output is for a person to judge.

The rules come from the form of the line. Its clauses are set apart by semicolons. What stands in quotes must be read
as it stands; of the rest the figures, codes and names must stand together in one passage, or in one row of a table.
After "never" or "not" stands what must not be read. "Reported" allows, or wants, a file that is refused with a reason.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from retrieval.indexing.chunking import Chunk, chunk_document, embedding_text  # noqa: E402 - the repository's root comes first
from retrieval.loading import LoadError  # noqa: E402
from retrieval.loading.isolated import IsolatedParser  # noqa: E402

NOT_CONTENT = ("EXPECT.txt", "make.py", "question.json", "run.sh")
SECONDS = 300
"""A case may take this long."""

_QUOTED = re.compile(r"(?<!\w)'([^';]*\w[^';]*)'(?!\w)|\"([^\";]*\w[^\";]*)\"")
_NEVER = re.compile(r"\b(?:never|not)\s+(?:'([^']+)'|\"([^\"]+)\"|((?:\S*\d\S*)[^;,)]*))")
_REPORTED = re.compile(r"\breport(?:ed)?\b")
_UNSAID = re.compile(r"documents don't say")
_PAIR = re.compile(r"\(([A-Z]\w+(?: \w+)*: \w+)\)")
_ASIDE = re.compile(r"\((?!row )[^)]*\)")
_LEAD = re.compile(r"^[^;:]*\b(?:read|found|kept|counted): ")
_REASON = re.compile(r": [^;]*\b(?:is|are|do|does)\b[^;]*")
_COLUMN = re.compile(r"(?:^|, |[A-Z]\d+ )([A-Za-z]+: (?:yes|no|[A-Z]+[a-z]*|\d[\w.,]*\w)\b)")
_DENIAL = re.compile(r"\b(?:not|no)\b(?<!: no)")
_ROW = re.compile(r",? ?\brow \d+: |,(?= [A-Z]+\d+ \w+(?:,|$))")
_WORD = re.compile(r"[^\W_]+(?:[-.,/^'][^\W_]+)*")
_PLAIN_DIGITS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉", "01234567890123456789")
_RAISED = re.compile("([⁰¹²³⁴⁵⁶⁷⁸⁹]+)")


@dataclass(frozen=True)
class Expectation:
    """Phrases that must be read, words that must stand together, phrases that must not be read."""

    phrases: tuple[str, ...]
    together: tuple[tuple[str, ...], ...]
    never: tuple[str, ...]
    may_be_reported: bool
    unsaid: bool

    @property
    def is_empty(self) -> bool:
        """Whether the line says nothing that a program can look for."""
        return not (self.phrases or self.together or self.never or self.unsaid)


def expectation(line: str) -> Expectation:
    """What a line of EXPECT.txt asks for."""
    never = [next(filter(None, found)) for found in _NEVER.findall(line)]
    kept = _LEAD.sub("", _ASIDE.sub("", _NEVER.sub("", line)))
    phrases, together = _PAIR.findall(line), []
    for clause in _ROW.sub(";", kept).split(";"):
        reason = found[0] if (found := _REASON.search(clause)) else ""
        said = clause.replace(reason, "")
        for part in (said, reason):
            (never if _DENIAL.search(part) else phrases).extend(one or other for one, other in _QUOTED.findall(part))
        together.append(() if _DENIAL.search(said) else facts(_QUOTED.sub("", said)))
    return Expectation(
        tuple(map(plain, phrases)),
        tuple(filter(None, together)),
        tuple(map(plain, never)),
        bool(_REPORTED.search(line)),
        bool(_UNSAID.search(kept)),
    )


def facts(clause: str) -> tuple[str, ...]:
    """What of a clause is no description: figures, codes, names, `column: value`; all of it in another script."""
    words = _WORD.findall(clause)
    if sum(not word.isascii() for word in words) > len(words) / 2:
        return (plain(" ".join(words)),)
    named = [word for place, word in enumerate(words) if is_fact(word, first=place == 0 and len(words) > 1)]
    return tuple(map(plain, _COLUMN.findall(clause) + named))


def is_fact(word: str, *, first: bool) -> bool:
    """A figure, a code, a name in capitals or in another script; a sentence's first word may be any."""
    return any(map(str.isdigit, word)) or not word.isascii() or (word[0].isupper() and not first)


def plain(text: str) -> str:
    """Text as it is compared: small, on one line, raised figures after `^`. Not composed: documents should be."""
    text = _RAISED.sub(lambda found: "^" + found[0].translate(_PLAIN_DIGITS), text)
    return " ".join(text.lower().translate(_PLAIN_DIGITS).split())


def has_phrase(text: str, phrase: str) -> bool:
    """Whether the phrase stands in the text as whole words; `…` stands for anything."""
    parts = [re.escape(part.strip()) for part in phrase.split("…")]
    return bool(re.search(r"(?<!\w)" + ".*".join(parts) + r"(?!\w)", text, re.DOTALL))


def holds(expected: Expectation, places: Iterable[str]) -> bool:
    """Whether these places say all that is expected and nothing that must not be read."""
    texts = [plain(place) for place in places]
    return (
        all(any(has_phrase(text, phrase) for text in texts) for phrase in expected.phrases)
        and all(any(all(has_phrase(text, word) for word in clause) for text in texts) for clause in expected.together)
        and not any(has_phrase(text, phrase) for text in texts for phrase in expected.never)
    )


def places(title: str, chunk: Chunk) -> Iterator[str]:
    """A passage with its title and headings; of a table each row, below the header."""
    if chunk.kind != "table":
        yield embedding_text(title, chunk.heading, chunk.text)
        return
    header, *rows = chunk.text.split("\n")
    for row in rows:
        yield embedding_text(title, chunk.heading, f"{header}\n{row}")


def judge_files(case: Path, expected: Expectation, *, show: bool) -> tuple[str, str]:
    """The verdict on a case of files, and why a file was not read."""
    found: list[str] = []
    reasons: list[str] = []
    with IsolatedParser() as parse, made(case) as folder:
        files = [file for file in sorted(folder.iterdir()) if file.name not in NOT_CONTENT and file.is_file()]
        for file in files:
            try:
                document = parse(file.name, file.read_bytes())
            except LoadError as error:
                reasons.append(str(error))
                continue
            reasons += document.notes
            read = [place for chunk in chunk_document(document) for place in places(document.title, chunk)]
            found += read
            if not any(holds_one(expected, place) for place in read):
                reasons.append(f"{file.name} holds none of it")
                found = []
                break
    if show:
        print(*found[:60], sep="\n--\n")
    why = "; ".join(reasons)
    is_reported = any("holds none" not in reason for reason in reasons) and not found
    right = (bool(found) and wants_text(expected) and holds(expected, found)) or (
        expected.may_be_reported and is_reported
    )
    return ("right" if right else "wrong"), why


def wants_text(expected: Expectation) -> bool:
    """Whether something must be read."""
    return bool(expected.together or expected.phrases or expected.never)


def holds_one(expected: Expectation, place: str) -> bool:
    """Whether a place says at least one of the things that are expected."""
    text = plain(place)
    clauses = (all(has_phrase(text, word) for word in clause) for clause in expected.together)
    return not wants_text(expected) or any(clauses) or any(has_phrase(text, phrase) for phrase in expected.phrases)


@contextmanager
def made(case: Path) -> Iterator[Path]:
    """The folder of a case's files, those that `make.py` makes in a folder of their own."""
    maker = case / "make.py"
    if not maker.exists():
        yield case
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, maker.absolute(), folder]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL, timeout=SECONDS)
        yield Path(folder)


def judge_question(case: Path, expected: Expectation, *, show: bool) -> tuple[str, str]:
    """The verdict on the answer to a case's question, and the answer."""
    asked = json.loads((case / "question.json").read_text())
    with tempfile.TemporaryDirectory() as home:
        journeyman(home, "index", str(case / "docs"))
        history = Path(home, "history.json")
        history.write_text(json.dumps(asked.get("history", [])))
        answer = json.loads(journeyman(home, "ask", asked["question"], "--history", str(history), "--json"))
    if show:
        print(json.dumps(answer, indent=1, ensure_ascii=False))
    if expected.unsaid:
        return ("right" if answer["abstained"] else "wrong"), answer["answer"]
    right = not answer["abstained"] and holds(expected, [answer["answer"]])
    return ("right" if right else "wrong"), answer["answer"]


def journeyman(home: str, *words: str) -> str:
    """What a command prints, with a home of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JOURNEYMAN_", "SLACK_"))}
    command = [sys.executable, "-m", "journeyman", *words]
    environment |= {"JOURNEYMAN_HOME": home, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    return ran.stdout


def run_script(case: Path) -> tuple[str, str]:
    """What a case's script printed last; a person judges it."""
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as folder:
        program = Path(sys.executable).with_name("journeyman")
        environment = os.environ | {"J": str(program), "JOURNEYMAN_HOME": home}
        script = ["bash", str((case / "run.sh").absolute())]
        ran = subprocess.run(script, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS * 2)
    return "not judged", " | ".join((ran.stdout + ran.stderr).strip().splitlines()[-4:])


def judge(case: Path, options: argparse.Namespace) -> tuple[str, str]:
    """The verdict on one case, and what it rests on."""
    expected = expectation((case / "EXPECT.txt").read_text())
    if (case / "run.sh").exists():
        return run_script(case) if options.all else ("not judged", "run.sh, with --all alone")
    if expected.is_empty and not expected.may_be_reported:
        return "not judged", "its line names no figure, code or phrase"
    if (case / "question.json").exists():
        return ("not judged", "a question") if options.files else judge_question(case, expected, show=options.show)
    return judge_files(case, expected, show=options.show)


def main() -> None:
    """Judges the cases and prints a line for each, then the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="how the names of those begin that are wanted; else all")
    parser.add_argument("--files", action="store_true", help="cases of files alone")
    parser.add_argument("--all", action="store_true", help="run the scripts, too")
    parser.add_argument("--show", action="store_true", help="print what was read or answered")
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    cases = sorted(file.parent for file in options.folder.glob("*/EXPECT.txt"))
    for case in cases:
        if not options.names or case.name.startswith(tuple(options.names)):
            try:
                verdict, why = judge(case, options)
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                verdict, why = "wrong", f"{type(error).__name__}: {error}"
            counts[verdict] += 1
            print(f"{verdict:10}  {case.name:45}  {' '.join(why.split())[:120]}", flush=True)
    print(", ".join(f"{counts[verdict]} {verdict}" for verdict in ("right", "wrong", "not judged")))


if __name__ == "__main__":
    main()
