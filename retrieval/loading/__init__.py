"""A file to its blocks: what stands first in the flow that ends in the index.

`load` is pure: it takes the file's bytes, so that what was hashed is what was parsed.
"""

import re
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import PurePath

from retrieval.loading.blocks import Block, LoadError, ParsedDocument

__all__ = ["PARSER_VERSION", "Block", "LoadError", "ParsedDocument", "is_supported", "load", "title_of"]

PARSER_VERSION = 7
"""Raise it when parsing, chunking or lexemes change: every document is then read anew at the next run."""

_PARSERS = {
    "markdown.parse_markdown": ".md .markdown .mdown .mkd",
    "text.parse_text": ".txt .text .log",
    "rst.parse_rst": ".rst .rest",
    "html.parse_html": ".html .htm .xhtml",
    "asciidoc.parse_asciidoc": ".adoc .asciidoc .asc",
    "pdf.parse_pdf": ".pdf",
    "docx.parse_docx": ".docx",
    "pptx.parse_pptx": ".pptx",
    "sheets.parse_sheets": ".xlsx .xlsm .xls .ods",
    "mail.parse_mail": ".eml",
    "web_archive.parse_web_archive": ".mht .mhtml",
    "delimited.parse_csv": ".csv .tsv .tab .psv",
    "tables.parse_json": ".json",
    "tables.parse_json_lines": ".jsonl .ndjson",
    "tables.parse_sqlite": ".sqlite .sqlite3 .db",
}
_OF_PAGES = (".pdf", ".eml")
"""Endings of files that may have pages, or files with pages attached."""
_PARSER_OF = {suffix: parser for parser, suffixes in _PARSERS.items() for suffix in suffixes.split()}


def is_supported(name: str | PurePath) -> bool:
    """Whether files with this name's ending can be indexed."""
    return PurePath(name).suffix.lower() in _PARSER_OF


def load(
    name: str | PurePath, data: bytes, suffix: str = "", ocr: str = "", max_pages: int | None = None
) -> ParsedDocument:
    """Parses a file by its name's ending, or by `suffix` where the name has none that says it, as a web page's. The
    title is the document's own, else made of the file's name. Scanned pages are read by tesseract in the languages
    `ocr`, if there are any; a PDF of more than `max_pages` is refused.

    Raises LoadError with the reason when the file is of an unknown type, empty, encrypted, broken or without
    text.
    """
    suffix = suffix or PurePath(name).suffix.lower()
    if suffix not in _PARSER_OF:
        endings = ", ".join(sorted(_PARSER_OF))
        raise LoadError(f"files of type '{suffix or 'no ending'}' are not supported; supported are {endings}")
    if not data.strip():
        raise LoadError("it is empty")
    parse = _parser(_PARSER_OF[suffix])
    if suffix in _OF_PAGES:
        parse = partial(parse, ocr=ocr, max_pages=max_pages)
    document = _run(parse, data, suffix)
    if not document.blocks:
        raise LoadError("it holds no text")
    title = document.title or title_of(PurePath(name))
    return ParsedDocument(title, document.blocks, document.url, document.notes)


def title_of(name: PurePath) -> str:
    """A title from a file's name: `laser_mode.md` is 'Laser mode'."""
    words = re.sub(r"[_\s]+|(?<=[A-Za-z])-(?=[A-Za-z])", " ", name.stem).strip()
    return words[:1].upper() + words[1:]


def _parser(dotted: str) -> Callable[..., ParsedDocument]:
    module, function = dotted.split(".")
    parse: Callable[..., ParsedDocument] = getattr(import_module(f"retrieval.loading.{module}"), function)
    return parse


def _run(parse: Callable[[bytes], ParsedDocument], data: bytes, suffix: str) -> ParsedDocument:
    """The edge to other people's parsers: whatever breaks in them is a broken file, reported by its name."""
    try:
        return parse(data)
    except (LoadError, MemoryError):
        raise
    except Exception as error:  # parsers fail on broken files in ways that nobody lists
        reason = f"{type(error).__name__}: {error}".replace("\n", " ").strip(": ")[:200]
        raise LoadError(f"it cannot be read as {suffix[1:].upper()}; it seems to be broken ({reason})") from error
