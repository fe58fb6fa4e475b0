"""PDF to blocks, through langchain-community's pypdf parser: paragraphs under the headings that their type
size shows.

Without such headings a passage stands under its page's number.
"""

import io
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from retrieval.loading.blocks import LoadError, Outline, ParsedDocument, clean, one_line
from retrieval.loading.text import add_lines

HEADING_RATIO = 1.12
"""Type this much larger than the body's is a heading's."""
MAX_HEADING_WORDS = 14
MAX_HEADING_LEVELS = 4
FURNITURE_SHARE = 0.5
"""A line at the top or the bottom of this share of the pages is a running header or footer."""
MAX_FURNITURE_WORDS = 12
SHORT_LINE = 0.85
"""A sentence that ends on a line shorter than this share of the widest ends its paragraph."""

_NO_TITLE = re.compile(r"microsoft \w+ -|untitled|.*\.\w{2,5}$", re.IGNORECASE)
"""What programs write into a PDF's title when nobody gave it one."""
_LIST_ITEM = re.compile(r"\s*(?:[-*•▪◦]|\d{1,3}[.)])\s+\S")

Type = tuple[float, bool]
"""The size of a line's type in points, and whether it is bold."""


@dataclass(slots=True)
class _Page:
    number: int
    lines: list[str]
    types: dict[str, Type] = field(default_factory=dict)


def parse_pdf(data: bytes, ocr: str = "", max_pages: int | None = None) -> ParsedDocument:
    """A PDF with a text layer; scanned pages are read by tesseract in the languages `ocr`, or noted where there are
    none. Raises LoadError for an encrypted one, for one of more than `max_pages` and for one that holds only pictures.
    """
    pages, title, scanned = _read_pages(data, max_pages)
    reason = _recognize(pages, scanned, ocr) if ocr else "scanned pages need text recognition (OCR) first"
    if not any(page.lines for page in pages):
        raise LoadError(f"it holds no text, only pictures: {reason}")
    pictures = [page.number for page in pages if not page.lines and page.number in scanned]
    _drop_furniture(pages)
    body = _body_type(pages)
    larger = sorted({kind for page in pages for kind in page.types.values() if _is_heading(kind, body)}, reverse=True)
    levels = {kind: min(level, MAX_HEADING_LEVELS) for level, kind in enumerate(larger, 1)}
    outline = Outline()
    has_headings = any(_level(page, line, levels) for page in pages for line in page.lines)
    open_lines: list[str] = []
    for page in pages:
        if not has_headings:
            outline.heading(2, f"Page {page.number}", is_label=True)
        open_lines = _add_page(outline, page, levels, open_lines)
        if not (has_headings and _runs_on(open_lines)):
            add_lines(outline, _unbroken(open_lines))
            open_lines = []
    add_lines(outline, _unbroken(open_lines))
    document = outline.document(fallback=title)
    return replace(document, notes=(f"{_numbers(pictures)} only pictures: {reason}",)) if pictures else document


def _recognize(pages: Sequence[_Page], scanned: Mapping[int, Any], languages: str) -> str:
    """Reads what was scanned into its pages' lines; returns why a page may have none after that."""
    from retrieval.loading.ocr import recognize

    reason = "no text was recognized"
    for page in pages:
        if not page.lines and page.number in scanned:
            source = scanned[page.number]
            upright = (image.image.rotate(-source.rotation, expand=True) for image in source.images)
            try:
                page.lines = recognize(upright, languages)
            except MemoryError:
                raise
            except LoadError as error:
                reason = str(error)
            except Exception as error:  # noqa: BLE001 - a picture that cannot be decoded must not cost the other pages
                reason = f"a picture cannot be decoded ({type(error).__name__})"
    return reason


def _numbers(pages: Sequence[int]) -> str:
    """Which pages hold something: pages 3, 5 to 7 hold."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][-1] + 1:
            runs[-1].append(page)
        else:
            runs.append([page])
    told = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    return f"page {told[0]} holds" if len(pages) == 1 else f"pages {', '.join(told)} hold"


def _read_pages(data: bytes, max_pages: int | None) -> tuple[list[_Page], str, dict[int, Any]]:
    """The pages, the title that the file declares, and by their numbers pypdf's pages with a picture and no text."""
    from langchain_community.document_loaders.parsers.pdf import PyPDFParser
    from langchain_core.documents.base import Blob
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, FileNotDecryptedError, WrongPasswordError

    types: list[dict[str, Type]] = [{}]

    def note_type(text: str, around: Any, matrix: list[float], font: Any, font_size: float) -> None:
        if text.strip():
            scale = abs(matrix[3] or matrix[1]) * abs(around[3] or around[1])
            bold = re.search("bold|black|heavy", str((font or {}).get("/BaseFont", "")), re.IGNORECASE)
            types[-1][_key(text)] = (round(abs(font_size) * (scale or 1), 1), bool(bold))

    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it warns about every small fault of a file
    reader = PdfReader(io.BytesIO(data))
    if max_pages is not None and len(reader.pages) > max_pages:
        raise LoadError(f"it has {len(reader.pages)} pages, and {max_pages} are allowed")
    password = "" if reader.is_encrypted else None
    parser = PyPDFParser(password=password, extraction_kwargs={"visitor_text": note_type})
    pages: list[_Page] = []
    title = ""
    try:
        for document in parser.lazy_parse(Blob.from_data(data)):
            lines = [line.rstrip() for line in clean(document.page_content).split("\n")]
            pages.append(_Page(document.metadata["page"] + 1, [line for line in lines if line], types[-1]))
            title = str(document.metadata.get("title", ""))
            title = "" if _NO_TITLE.match(title) else title
            types.append({})
    except (WrongPasswordError, FileNotDecryptedError) as error:
        raise LoadError("it is encrypted: save a copy without a password") from error
    except DependencyError as error:
        raise LoadError("it is encrypted in a way that cannot be read here: save a copy without protection") from error
    empty = {page.number: reader.pages[page.number - 1] for page in pages if not page.lines}
    return pages, title, {number: page for number, page in empty.items() if _has_picture(page)}


def _has_picture(page: Any) -> bool:
    resources = page.get("/Resources")
    objects: Any = resources.get_object().get("/XObject") if resources is not None else None
    entries = objects.get_object().values() if objects is not None else ()
    return any(entry.get_object().get("/Subtype") in ("/Image", "/Form") for entry in entries)


def _key(line: str) -> str:
    return re.sub(r"\s+", "", line)


def _drop_furniture(pages: list[_Page]) -> None:
    """Takes off running headers, footers and page numbers."""
    if len(pages) < 3:
        return

    def shape(line: str) -> str:
        return re.sub(r"\d+", "#", _key(line))

    ends = (line for page in pages for line in {*page.lines[:2], *page.lines[-2:]})
    edges = Counter(shape(line) for line in ends if len(line.split()) <= MAX_FURNITURE_WORDS)
    repeated = {line for line, count in edges.items() if count >= len(pages) * FURNITURE_SHARE}
    for page in pages:
        last = len(page.lines) - 2
        page.lines = [
            line for at, line in enumerate(page.lines) if not (shape(line) in repeated and (at < 2 or at >= last))
        ]


def _body_type(pages: list[_Page]) -> Type:
    weights: Counter[Type] = Counter()
    for page in pages:
        for text, kind in page.types.items():
            weights[kind] += len(text)
    return weights.most_common(1)[0][0] if weights else (0.0, False)


def _is_heading(kind: Type, body: Type) -> bool:
    """Whether this type is larger than the body's, or bold among plain type of its size."""
    return kind[0] >= body[0] * HEADING_RATIO or (kind[0] >= body[0] and kind[1] and not body[1])


def _level(page: _Page, line: str, levels: dict[Type, int]) -> int:
    """The level of the heading that this line is, 0 if it is none."""
    if len(line.split()) > MAX_HEADING_WORDS or not any(map(str.isalpha, line)):
        return 0
    return levels.get(page.types.get(_key(line), (0.0, False)), 0)


def _add_page(outline: Outline, page: _Page, levels: dict[Type, int], open_lines: list[str]) -> list[str]:
    """Adds a page's paragraphs after what the page before left open; returns what this page leaves open."""
    paragraph = open_lines
    widest = max((len(line) for line in page.lines), default=0)
    for line in page.lines:
        level = _level(page, line, levels)
        if not level:
            paragraph.append(line if _LIST_ITEM.match(line) else one_line(line))
        if level or (line.endswith((".", ":", "!", "?")) and len(line) < widest * SHORT_LINE):
            add_lines(outline, _unbroken(paragraph))
            paragraph = []
        if level:
            outline.heading(level, line)
    return paragraph


def _runs_on(lines: list[str]) -> bool:
    """Whether a page ends in the middle of a sentence."""
    return bool(lines) and not lines[-1].endswith((".", ":", "!", "?")) and not _LIST_ITEM.match(lines[-1])


def _unbroken(lines: list[str]) -> list[str]:
    """Lines with words put together that were hyphenated at a line's end."""
    joined: list[str] = []
    for line in lines:
        if joined and re.search(r"[a-zà-ÿ]-$", joined[-1]) and line[:1].islower():
            head, _, rest = line.partition(" ")
            joined[-1] = joined[-1][:-1] + head
            line = rest
        if line:
            joined.append(line)
    return joined
