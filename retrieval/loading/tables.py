"""Tables to row blocks: CSV, JSON and SQLite. A row is a passage that names its columns."""

import csv
import io
import itertools

from retrieval.loading.blocks import LoadError, Outline, ParsedDocument, one_line, row_text
from retrieval.loading.text import decode

DELIMITERS = ",;\t|"
SAMPLE_LINES = 50


def parse_csv(data: bytes) -> ParsedDocument:
    """A delimited table with a header line; delimiter and encoding are found out."""
    text = decode(data).replace("\x00", "")
    csv.field_size_limit(max(len(text), 131_072))
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), skipinitialspace=True)
    filled = [row for row in rows if any(cell.strip() for cell in row)]
    if len(filled) < 2:
        raise LoadError("it holds no rows below a header line")
    columns = [one_line(name) or f"column {number}" for number, name in enumerate(filled[0], 1)]
    outline = Outline()
    for row in filled[1:]:
        outline.add("row", row_text(columns, row))
    return outline.document()


def _delimiter(text: str) -> str:
    """The delimiter that splits most of the first lines into the same number of cells, more than one."""
    lines = list(itertools.islice(io.StringIO(text), SAMPLE_LINES))

    def agreement(delimiter: str) -> tuple[int, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row]
        width = widths[0] if widths else 0
        return (widths.count(width) if width > 1 else 0, width)

    return max(DELIMITERS, key=agreement)
