"""Parsers that do what parsers do when a file is bad for them. The file says what."""

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

from retrieval.loading.blocks import Block, LoadError, ParsedDocument


def parse(name: str, data: bytes, suffix: str) -> ParsedDocument:
    """Does what the file says; else it is a document that tells about its process."""
    what, _, rest = data.decode().partition(" ")
    if what == "sleep":
        time.sleep(600)
    if what == "spin":
        while True:
            pass
    if what == "eat":
        eaten = []
        while True:
            eaten.append(bytearray(50_000_000))
    if what == "exit":
        os._exit(3)
    if what == "segfault":
        ctypes.string_at(0)
    if what == "raise":
        raise LoadError("it is bad")
    if what == "print":
        print("not an answer")  # noqa: T201
        sys.stdout.flush()
        os.write(1, b"\0\0\0\0\0\0\0\x02{}")
    if what == "chatter":
        return ParsedDocument("Long", (Block((), "text", "x" * int(rest)),))
    if what == "grandchild":
        child = subprocess.Popen(["sleep", "600"])
        Path(rest).write_text(str(child.pid))
        time.sleep(600)
    if what == "environment":
        return ParsedDocument("Environment", tuple(Block((), "text", f"{k}={v}") for k, v in os.environ.items()))
    return ParsedDocument(f"{name}{suffix}", (Block(("A", "B"), "code", str(os.getpid())),), "https://x.example")
