"""Parsing in a process of its own, so that a file that makes its parser hang, grow or crash costs this file alone.

The process is kept for the next file, because starting one and importing its parsers takes up to a second. It gets no
settings and no secrets, and what comes back from it is JSON: data, whatever a broken parser may have been made to do.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from retrieval.loading.blocks import Block, LoadError, ParsedDocument
from retrieval.loading.child import write_part

MAX_ANSWER = 256_000_000
"""Bytes of a document's text, as JSON, that are taken from a parser."""

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class ParserLimits:
    """What parsing one file may take: seconds, and megabytes of address space for its process in all."""

    seconds: float = 120.0
    megabytes: int = 2000


class IsolatedParser:
    """`load` in a process that is started for the first file and again after one that ended it. Parses one file at a
    time; safe to share between threads. A fork starts a process of its own.

    `parser` is the function that the process calls, `module:function`, with a name, bytes and a suffix, and with `ocr`
    and `max_pages` if there are any. The programs that it may start are on `path`.
    """

    def __init__(
        self,
        limits: ParserLimits = ParserLimits(),
        path: str = os.defpath,
        parser: str = "retrieval.loading:load",
        ocr: str = "",
        max_pages: int | None = None,
    ) -> None:
        self._limits, self._path, self._parser = limits, path, parser
        options = {"ocr": ocr or None, "max_pages": max_pages}
        self._options = {name: value for name, value in options.items() if value is not None}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._folder = ""

    def __enter__(self) -> "IsolatedParser":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __call__(self, name: str, data: bytes, suffix: str = "") -> ParsedDocument:
        """The document. Raises LoadError with the parser's reason, or that it took too long or too much or crashed."""
        with self._lock:
            answer = self._ask({"name": name, "suffix": suffix, **self._options}, data)
            if answer.get("memory"):
                self._end()
                raise LoadError(f"reading it takes more than {self._limits.megabytes} MB of memory")
        if "error" in answer:
            raise LoadError(str(answer["error"]))
        blocks = tuple(Block(tuple(heading), kind, text) for heading, kind, text in answer["blocks"])
        return ParsedDocument(answer["title"], blocks, answer["url"], tuple(answer["notes"]))

    @property
    def pid(self) -> int | None:
        """The process that parses, None as long as there is none."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """Ends the process, if there is one. The next file starts another."""
        with self._lock:
            self._end()

    def _ask(self, about: dict[str, Any], data: bytes) -> dict[str, Any]:
        process = self._running()
        late = threading.Event()

        def stop() -> None:
            late.set()
            _kill(process)

        timer = threading.Timer(self._limits.seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            return self._exchange(process, about, data)
        except _TooMuchText:
            self._end()
            raise LoadError(f"its text is longer than {MAX_ANSWER / 1_000_000:g} MB") from None
        except (OSError, EOFError, ValueError):
            timer.cancel()
            code = self._end()
            if late.is_set():
                raise LoadError(f"reading it takes longer than {self._limits.seconds:.0f} s") from None
            raise LoadError(f"its parser crashed ({_ending(code)})") from None
        except BaseException:  # Ctrl-C in the middle: the next answer must not be this one's
            self._end()
            raise
        finally:
            timer.cancel()

    def _exchange(self, process: "subprocess.Popen[bytes]", about: dict[str, Any], data: bytes) -> dict[str, Any]:
        """One request and its answer. Raises OSError, EOFError or ValueError if the process fails, _TooMuchText."""
        if process.stdin is None or process.stdout is None:
            raise OSError("a process without its pipes")
        write_part(process.stdin, json.dumps(about).encode())
        write_part(process.stdin, data)
        process.stdin.flush()
        size = int.from_bytes(_read_all(process.stdout, 8))
        if size > MAX_ANSWER:
            raise _TooMuchText
        answer: dict[str, Any] = json.loads(_read_all(process.stdout, size))
        return answer

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._owner != os.getpid():  # we are a fork of who started it, and it is still theirs
            self._process, self._owner = None, os.getpid()
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        self._folder = tempfile.mkdtemp(prefix="journeyman-parser-")
        config = asdict(self._limits) | {"parser": self._parser, "folder": self._folder}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "retrieval.loading.child", json.dumps(config)],
            env=_environment(self._path, self._folder),
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that what it starts ends with it, and Ctrl-C is ours
        )
        return self._process

    def _end(self) -> int:
        """Ends the process and clears up after it; returns its exit code."""
        process, self._process = self._process, None
        if process is None:
            return 0
        for stream in (process.stdin, process.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.2)  # one that crashed is ending by itself, and its exit code says why
        _kill(process)
        code = process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        return code


class _TooMuchText(Exception):
    """The parser has more to tell than is taken of it."""


def _environment(path: str, folder: str) -> dict[str, str]:
    """What a parser needs to know of its surroundings, and nothing else."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    return {"PATH": path, "PYTHONPATH": str(_ROOT), "TMPDIR": folder, "HOME": folder, "LANG": "C.UTF-8", **threads}


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Ends a process and all that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _read_all(stream: Any, size: int) -> bytes:
    data: bytes = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _ending(code: int) -> str:
    names: Sequence[str] = [] if code >= 0 else [number.name for number in signal.Signals if number == -code]
    return names[0] if names else f"exit code {code}"
