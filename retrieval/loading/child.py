"""The process that parses files for another one: `python -m retrieval.loading.child CONFIG`.

It reads requests from standard input and writes answers to standard output, each a length in eight bytes and then so
many bytes: of a request JSON and then the file, of an answer JSON alone. It ends when its standard input does.
See retrieval/loading/isolated.py.
"""

import json
import math
import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from typing import IO, Any

from retrieval.loading.blocks import LoadError, ParsedDocument

GRACE = 5
"""Seconds after which the process ends by itself if nobody has ended it: its parent may be dead."""

Parser = Callable[..., ParsedDocument]


def main(config: dict[str, Any]) -> None:
    """Answers requests until there are no more."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)  # what a parser prints is no answer
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    size = config["megabytes"] * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    module, _, function = config["parser"].partition(":")
    parse: Parser = getattr(import_module(module), function)
    while (header := read_part(requests)) is not None:
        about, data = json.loads(header), read_part(requests)
        if data is None:
            break
        signal.alarm(math.ceil(config["seconds"]) + GRACE)
        answer = _answer(parse, about, data)
        signal.alarm(0)
        write_part(answers, json.dumps(answer).encode())
        answers.flush()
        if answer.get("memory"):  # what is left of it is in pieces
            break
    shutil.rmtree(config["folder"], ignore_errors=True)


def _answer(parse: Parser, about: dict[str, Any], data: bytes) -> dict[str, Any]:
    try:
        document = parse(data=data, **about)
        blocks = [[block.heading, block.kind, block.text] for block in document.blocks]
        return {"title": document.title, "url": document.url, "blocks": blocks, "notes": document.notes}
    except LoadError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"memory": True}


def read_part(stream: IO[bytes]) -> bytes | None:
    """The next part, None at the end of the stream."""
    length = stream.read(8)
    if len(length) < 8:
        return None
    size = int.from_bytes(length)
    part = stream.read(size)
    return part if len(part) == size else None


def write_part(stream: IO[bytes], part: bytes) -> None:
    """Writes a part behind its length."""
    stream.write(len(part).to_bytes(8))
    stream.write(part)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
