"""PDF to blocks: what each page shows, in the order in which it is read, under the headings that its type shows.

PDFium says where the characters and lines of a page stand (reading.py); words and rows are made of those (words.py),
drawn tables are taken out of them (tables.py), columns and tables without lines are told by the gaps (layout.py), and
running headers are dropped (furniture.py). Without headings a passage stands under its page's number.
"""

import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, takewhile
from typing import Any

from pypdf import PdfReader
from pypdf.errors import DependencyError, FileNotDecryptedError, WrongPasswordError

from retrieval.loading.blocks import LoadError, Outline, ParsedDocument, one_line, row_text
from retrieval.loading.grids import with_one_header
from retrieval.loading.headers import HeadedTable, headed, listed
from retrieval.loading.ocr import recognize
from retrieval.loading.pdf.furniture import drop_furniture
from retrieval.loading.pdf.geometry import Line, Page, PageTable
from retrieval.loading.pdf.hyphens import unbroken, words_in
from retrieval.loading.pdf.layout import reading_order
from retrieval.loading.pdf.reading import Sheet, read_sheets
from retrieval.loading.pdf.tables import joined, with_tables, without_struck
from retrieval.loading.pdf.words import rows_of
from retrieval.loading.text import add_lines

HEADING_RATIO = 1.12
"""Type this much larger than the body's is a heading's."""
MAX_HEADING_WORDS = 14
MAX_HEADING_LEVELS = 4
SHORT_LINE = 0.85
"""A sentence that ends on a line shorter than this share of the widest ends its paragraph."""
NEW_PARAGRAPH = 1.4
"""A line further below the one before than this share of the usual distance begins a paragraph."""

NEAR_LEFT = 12.0
"""Points within which lines begin in the same column."""
FULL = 0.12
"""Share of a column that a full line may leave free."""

WIDE_GAP = 2.0
"""Sizes of the type that no two words of a sentence are apart."""

_NO_TITLE = re.compile(r"microsoft \w+ -|untitled|.*\.\w{2,5}$", re.IGNORECASE)
"""What programs write into a PDF's title when nobody gave it one."""
_LIST_ITEM = re.compile(r"\s*(?:[-*•▪◦]|\d{1,3}[.)])\s+\S")

Type = tuple[float, bool]
"""The size of a line's type in points, and whether it is bold."""


def parse_pdf(data: bytes, ocr: str = "", max_pages: int | None = None) -> ParsedDocument:
    """A PDF with a text layer; scanned pages are read by tesseract in the languages `ocr`, or noted where there are
    none. Raises LoadError for an encrypted one, for one of more than `max_pages` and for one that holds only pictures.
    """
    reader = _opened(data, max_pages)
    pages = [_page(number, sheet) for number, sheet in enumerate(read_sheets(data, reader), 1)]
    empty = {page.number: reader.pages[page.number - 1] for page in pages if not page.items}
    scanned = {number: page for number, page in empty.items() if _has_picture(page)}
    reason = _recognize(pages, scanned, ocr) if ocr else "scanned pages need text recognition (OCR) first"
    if not any(page.items or page.notes for page in pages):
        raise LoadError(f"it holds no text, only pictures: {reason}")
    pictures = [page.number for page in pages if not page.items and page.number in scanned]
    drop_furniture(pages)
    _join_tables(pages)
    outline = Outline()
    outline.note(f"{_numbers(pictures)} only pictures: {reason}" if pictures else "")
    _BlockWriter(outline, pages).write()
    return outline.document(fallback=_declared_title(reader))


def _opened(data: bytes, max_pages: int | None) -> Any:
    """pypdf's reader of a file that opens without a password and is not too long."""
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise LoadError("it is encrypted: save a copy without a password")
        count = len(reader.pages)
    except (WrongPasswordError, FileNotDecryptedError) as error:
        raise LoadError("it is encrypted: save a copy without a password") from error
    except DependencyError as error:
        raise LoadError("it is encrypted in a way that cannot be read here: save a copy without protection") from error
    if max_pages is not None and count > max_pages:
        raise LoadError(f"it has {count} pages, and {max_pages} are allowed")
    return reader


def _declared_title(reader: Any) -> str:
    title = str((reader.metadata or {}).get("/Title") or "").strip()
    return "" if _NO_TITLE.match(title) else title


def _page(number: int, sheet: Sheet) -> Page:
    """A page in reading order; words that run in other directions come last."""
    page = Page(number, notes=sheet.notes)
    across, upright = joined(sheet.across), joined(sheet.upright)
    for place, glyphs in enumerate(sheet.turned):
        rows = rows_of(glyphs)
        if place == 0:
            rows = with_tables(without_struck(rows, across), across, upright)
        items = reading_order(rows, across if place == 0 else ())
        page.items += [item for item in items if isinstance(item, PageTable) or item.text.strip()]
    return page


def _recognize(pages: Sequence[Page], scanned: Mapping[int, Any], languages: str) -> str:
    """Reads what was scanned into its pages' lines; returns why a page may have none after that."""
    reason = "no text was recognized"
    for page in pages:
        if not page.items and page.number in scanned:
            source = scanned[page.number]
            upright = (image.image.rotate(-source.rotation, expand=True) for image in source.images)
            try:
                texts = recognize(upright, languages)
                page.items = [Line(text, 0, 0, -place, 0, bold=False) for place, text in enumerate(texts)]
            except MemoryError:
                raise
            except LoadError as error:
                reason = str(error)
            except Exception as error:  # noqa: BLE001 - a picture that cannot be decoded must not cost the other pages
                reason = f"a picture cannot be decoded ({type(error).__name__})"
    return reason


def _numbers(pages: Sequence[int]) -> str:
    """Says which pages hold something: pages 3, 5 to 7 hold."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][-1] + 1:
            runs[-1].append(page)
        else:
            runs.append([page])
    ranges = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    return f"page {ranges[0]} holds" if len(pages) == 1 else f"pages {', '.join(ranges)} hold"


def _has_picture(page: Any) -> bool:
    resources = page.get("/Resources")
    objects: Any = resources.get_object().get("/XObject") if resources is not None else None
    entries = objects.get_object().values() if objects is not None else ()
    return any(entry.get_object().get("/Subtype") in ("/Image", "/Form") for entry in entries)


def _join_tables(pages: Sequence[Page]) -> None:
    """Puts a table that a page ends with and the one of as many columns that the next begins with together."""
    last: Page | None = None
    for page in pages:
        if last is not None and page.items and last.items:
            above, below = last.items[-1], page.items[0]
            if (
                isinstance(above, PageTable)
                and isinstance(below, PageTable)
                and len(above.cells[0]) == len(below.cells[0])
            ):
                last.items[-1] = _continued(above, below)
                del page.items[0]
        if page.items:
            last = page


def _continued(above: PageTable, below: PageTable) -> PageTable:
    """Both tables as one, without the header that is repeated. A first row with a single cell, not the first, goes on
    with the last row above.
    """
    rows = [list(row) for row in above.cells]
    same = takewhile(lambda pair: pair[0] == pair[1], zip(rows, below.cells, strict=False))
    rest = [list(row) for row in below.cells[len(list(same)) :]]
    if rest and not rest[0][0] and sum(map(bool, rest[0])) == 1:
        rows[-1] = [f"{one}\n{other}".strip() for one, other in zip(rows[-1], rest.pop(0), strict=True)]
    return PageTable(rows + rest, above.headers)


class _BlockWriter:
    """Writes the lines and tables of all pages as blocks."""

    def __init__(self, outline: Outline, pages: Sequence[Page]) -> None:
        self._outline, self._pages = outline, pages
        self._known = words_in(line.text for page in pages for line in page.lines)
        body = _body_type(pages)
        types = {_type(line) for page in pages for line in page.lines}
        larger = sorted((kind for kind in types if _is_heading(kind, body)), reverse=True)
        self._levels = {kind: min(level, MAX_HEADING_LEVELS) for level, kind in enumerate(larger, 1)}
        self._has_headings = any(self._level(line) for page in pages for line in page.lines)
        self._open: list[str] = []
        self._last: Line | None = None

    def write(self) -> None:
        """Page by page. A paragraph goes on over the page's end where there are headings and its sentence does."""
        for page in self._pages:
            if not self._has_headings:
                self._outline.heading(2, f"Page {page.number}", is_label=True)
            self._add_items(page)
            if page.notes or not (self._has_headings and _runs_on(self._open)):
                self._close()
            for note in page.notes:
                self._outline.add("text", f"Note: {note}")
        self._close()

    def _add_items(self, page: Page) -> None:
        widest = max((len(line.text) for line in page.lines), default=0)
        usual, columns = _usual_step(page.lines), _Columns(page.lines)
        self._last = None
        for item in page.items:
            if isinstance(item, PageTable):
                self._close()
                self._add_table(item)
                self._last = None
            else:
                if self._last is not None and usual and self._last.y - item.y > NEW_PARAGRAPH * usual:
                    self._close()
                self._add_line(item, widest, columns)

    def _add_line(self, line: Line, widest: int, columns: "_Columns") -> None:
        level, text = self._level(line), line.text
        if not level and self._open and self._last and not _LIST_ITEM.match(text) and columns.wraps(self._last, line):
            self._open[-1] = " ".join(unbroken([self._open[-1], one_line(text)], self._known))
        elif not level:
            self._open.append(text if _LIST_ITEM.match(text) else one_line(text))
        if level or (text.endswith((".", ":", "!", "?")) and len(text) < widest * SHORT_LINE):
            self._close()
        if level:
            self._outline.heading(level, text)
        self._last = line

    def _close(self) -> None:
        """Ends the paragraph."""
        add_lines(self._outline, unbroken(self._open, self._known))
        self._open = []

    def _level(self, line: Line) -> int:
        """The level of the heading that this line is, 0 if it is none."""
        if len(line.text.split()) > MAX_HEADING_WORDS or not any(map(str.isalpha, line.text)):
            return 0
        return self._levels.get(_type(line), 0)

    def _add_table(self, table: PageTable) -> None:
        """A passage for each row, under the names of its columns."""
        cells = [[" ".join(unbroken(cell.split("\n"), self._known)) for cell in row] for row in table.cells]
        headers = table.headers or _spanned_headers(cells)
        with_header = with_one_header(cells, headers) if headers else []
        rows_and_names = (
            HeadedTable(tuple(with_header[0]), tuple(map(tuple, with_header[1:])))
            if with_header
            else listed(cells) or headed(cells)
        )
        lines = (
            (" ".join(filter(None, rows_and_names.columns)),)
            if not (rows_and_names.rows or rows_and_names.pairs)
            else ()
        )
        for line in (*rows_and_names.above, *lines):
            self._outline.add("text", line)
        self._outline.add("row", "\n".join(f"{name.rstrip(' :')}: {value}" for name, value in rows_and_names.pairs))
        for row in rows_and_names.rows:
            self._outline.add("row", row_text(rows_and_names.columns, row))
        for line in rows_and_names.below:
            self._outline.add("text", line)


class _Columns:
    """How wide the columns of a page are, as its lines show it."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._rights: dict[int, float | None] = {}

    def wraps(self, line: Line, following: Line) -> bool:
        """Whether a line was broken because the first word of the following did not fit in. Lines with wide gaps hold
        a name and its value.
        """
        right = self._right(round(line.x0))
        if right is None or not following.text or max(line.gap, following.gap) > WIDE_GAP:
            return False
        word = len(following.text.split(" ", 1)[0]) / len(following.text) * (following.x1 - following.x0)
        return line.x1 + word > right - 0.3 * line.size

    def _right(self, left: int) -> float | None:
        """The place where the lines end that begin here; None where less than two end there."""
        if left not in self._rights:
            ends = [line.x1 for line in self._lines if abs(line.x0 - left) <= NEAR_LEFT]
            right = max(ends, default=0.0)
            full = sum(end > right - FULL * (right - left) for end in ends)
            self._rights[left] = right if full > 1 and full > 0.3 * len(ends) else None
        return self._rights[left]


def _spanned_headers(cells: Sequence[Sequence[str]]) -> int:
    """The number of header rows: 2 where cells of the first row stand above several of the second, as merged ones do,
    else 0.
    """
    if len(cells) < 3:
        return 0
    first, second = cells[0], cells[1]
    spans = [at for at in range(1, len(first)) if first[at] and first[at] == first[at - 1]]
    return 2 if spans and all(second[at] and second[at] != second[at - 1] for at in spans) else 0


def _type(line: Line) -> Type:
    return line.size, line.bold


def _body_type(pages: Iterable[Page]) -> Type:
    weights: Counter[Type] = Counter()
    for page in pages:
        for line in page.lines:
            if line.size:
                weights[_type(line)] += len(line.text)
    return weights.most_common(1)[0][0] if weights else (1.0, False)


def _is_heading(kind: Type, body: Type) -> bool:
    """Whether this type is larger than the body's, or bold among plain type of its size."""
    return kind[0] >= body[0] * HEADING_RATIO or (kind[0] >= body[0] and kind[1] and not body[1])


def _usual_step(lines: Sequence[Line]) -> float:
    """The distance of most lines from the one above, 0 if that is not known."""
    steps = Counter(round(above.y - below.y) for above, below in pairwise(lines) if above.y > below.y)
    return float(steps.most_common(1)[0][0]) if steps else 0.0


def _runs_on(lines: list[str]) -> bool:
    """Whether a page ends in the middle of a sentence."""
    return bool(lines) and not lines[-1].endswith((".", ":", "!", "?")) and not _LIST_ITEM.match(lines[-1])
