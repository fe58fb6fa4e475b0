"""Text recognition in scanned pages by an installed `tesseract`, where it is switched on."""

import io
import subprocess
from collections.abc import Iterable
from typing import TYPE_CHECKING

from retrieval.loading.blocks import LoadError, clean

if TYPE_CHECKING:
    from PIL.Image import Image

MIN_PIXELS = 100_000
"""Smaller pictures are logos and rules, of which recognition makes noise."""


def recognize(pictures: Iterable["Image"], languages: str) -> list[str]:
    """The lines of text in pictures, one after the other; `languages` as tesseract names them (`eng+deu`).

    Raises LoadError if there is no tesseract, or if it cannot read a picture.
    """
    lines: list[str] = []
    for picture in pictures:
        if picture.width * picture.height >= MIN_PIXELS:
            text = clean(_tesseract(_as_png(picture), languages))
            lines += [line for line in text.split("\n") if line.strip()]
    return lines


def _as_png(picture: "Image") -> bytes:
    stream = io.BytesIO()
    picture.convert("L").save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _tesseract(picture: bytes, languages: str) -> str:
    command = ["tesseract", "stdin", "stdout", "-l", languages]
    try:
        process = subprocess.run(command, input=picture, capture_output=True, check=False)
    except OSError as error:
        raise LoadError("text recognition is switched on, but there is no `tesseract` to run") from error
    if process.returncode:
        reason = process.stderr.decode(errors="replace").strip().replace("\n", " ")[:200]
        raise LoadError(f"tesseract cannot read it ({reason or f'exit code {process.returncode}'})")
    return process.stdout.decode(errors="replace")
