"""A PDF's bytes to the glyphs and rules of its pages, through PDFium (pypdfium2), and to what is pinned to them,
through pypdf: filled form fields, notes, and words that are struck out.

PDFium knows where each character stands; the order in which a file has them says little about the one they are read in.
"""

import ctypes
import logging
import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from retrieval.loading.blocks import clean
from retrieval.loading.pdf.geometry import Glyph, Rule

MAX_RULES = 20_000
"""A page with more straight lines is a drawing."""
MAX_DEPTH = 8
"""Levels of drawings within drawings that are read."""
STRAIGHT = 1.0
"""Points that a rule may lean."""
MAX_FIELDS = 1_000
HEAVY = 700
"""The weight of a font that is bold."""
LEANING = 3
"""Degrees that a line may lean and still be straight."""

_BOLD = re.compile("bold|black|heavy|demi", re.IGNORECASE)
_HYPHENS = dict.fromkeys((0x02, 0xFFFE, 0x2010, 0x2011), "-")
"""Hyphens of all kinds, and what PDFium makes of one at a line's end."""
_PATH, _FORM = 2, 5
_LINE_TO, _MOVE_TO = 0, 2

SPACE = 32
"""Characters up to this one may be PDFium's own, between words and lines."""

Point = tuple[float, float]
Area = tuple[float, float, float, float]
"""Left, bottom, right, top."""


@dataclass(slots=True)
class Sheet:
    """What one page holds, as it was drawn. Words that run in different directions are kept apart, the direction of
    most of them first; the rules are turned as those.
    """

    turned: list[list[Glyph]] = field(default_factory=list)
    across: list[Rule] = field(default_factory=list)
    upright: list[Rule] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Type:
    """How a run of text is set: its direction in degrees, its size in points, its weight, and the height at which it
    begins, which is the baseline of all its characters where it is not turned.
    """

    angle: int
    size: float
    bold: bool
    baseline: float


def read_sheets(data: bytes, reader: Any) -> Iterator[Sheet]:
    """The pages one by one. `reader` is pypdf's of the same file."""
    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it warns about every small fault of a file
    document = pdfium.PdfDocument(data, password="")
    try:
        for number in range(len(document)):
            page = document[number]
            yield _sheet(page, _Pinned(reader.pages[number]))
            page.close()
    finally:
        document.close()


def _sheet(page: Any, pinned: "_Pinned") -> Sheet:
    directions: defaultdict[int, list[Glyph]] = defaultdict(list)
    for angle, glyph in _glyphs(page, pinned.struck):
        directions[angle].append(glyph)
    main = max(directions, key=lambda angle: len(directions[angle]), default=0)
    glyphs = list(directions[main])
    for text, area, size in pinned.fields:
        directions[main] += _typed(text, area, size, main, glyphs)
    sheet = Sheet([directions[angle] for angle in sorted(directions, key=lambda angle: (angle != main, angle))])
    sheet.notes = pinned.notes
    try:
        _add_rules(sheet, page, main)
    except OverflowError:
        sheet.across, sheet.upright = [], []
    return sheet


def _glyphs(page: Any, struck: Sequence[Area]) -> Iterator[tuple[int, Glyph]]:
    """The characters of a page that can be seen on it, each with its direction. The calls are bound to names, for they
    are made for each character.
    """
    unicode, generated = raw.FPDFText_GetUnicode, raw.FPDFText_IsGenerated
    box_of, object_of = raw.FPDFText_GetLooseCharBox, raw.FPDFText_GetTextObject
    text_page = page.get_textpage()
    handle = text_page.raw
    left, bottom, right, top = page.get_bbox()
    box = raw.FS_RECTF()
    types: dict[int, _Type] = {}
    try:
        for index in range(text_page.count_chars()):
            code = unicode(handle, index)
            if not code or (code <= SPACE and generated(handle, index)) or not box_of(handle, index, box):
                continue
            area = (box.left, box.bottom, box.right, box.top)
            if area[2] < left or area[0] > right or area[3] < bottom or area[1] > top:
                continue
            if struck and any(_is_in(strike, area) for strike in struck):
                continue
            item = object_of(handle, index)
            key = ctypes.addressof(item.contents) if item else -index
            look = types.get(key)
            if look is None:
                look = types[key] = _type(handle, index)
            char = _HYPHENS.get(code) or chr(code)
            if look.angle == 0:
                yield 0, Glyph(char, area[0], area[2], look.baseline, look.size, look.bold)
            else:
                yield look.angle, _turned(char, area, handle, index, look)
    finally:
        text_page.close()


def _type(handle: Any, index: int) -> _Type:
    """How a character is set; all of one text object are set alike."""
    matrix = raw.FS_MATRIX()
    raw.FPDFText_GetMatrix(handle, index, matrix)
    angle = round(math.degrees(math.atan2(matrix.b, matrix.a))) % 360
    near = round(angle / 90) * 90
    size = raw.FPDFText_GetFontSize(handle, index) * (math.hypot(matrix.c, matrix.d) or 1)
    name = ctypes.create_string_buffer(200)
    raw.FPDFText_GetFontInfo(handle, index, name, 200, ctypes.c_int())
    bold = bool(_BOLD.search(name.value.decode("utf-8", "replace")))
    bold = bold or raw.FPDFText_GetFontWeight(handle, index) >= HEAVY
    angle = near % 360 if abs(angle - near) <= LEANING else angle
    return _Type(angle, max(round(size, 1), 0.1), bold, _origin(handle, index)[1])


def _turned(text: str, area: Area, handle: Any, index: int, look: _Type) -> Glyph:
    """A character on a page that is turned so that it stands upright."""
    start, baseline = turn(*_origin(handle, index), look.angle)
    if look.angle % 90:
        return Glyph(text, start, start + 0.5 * look.size, baseline, look.size, look.bold)
    ends = [turn(x, y, look.angle)[0] for x in (area[0], area[2]) for y in (area[1], area[3])]
    return Glyph(text, min(ends), max(ends), baseline, look.size, look.bold)


def _origin(handle: Any, index: int) -> Point:
    x, y = ctypes.c_double(), ctypes.c_double()
    raw.FPDFText_GetCharOrigin(handle, index, x, y)
    return x.value, y.value


def turn(x: float, y: float, angle: int) -> tuple[float, float]:
    """A place on a page that is turned back by an angle in degrees."""
    if angle == 0:
        return x, y
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return x * cosine + y * sine, y * cosine - x * sine


def _typed(text: str, area: Area, size: float, angle: int, glyphs: Sequence[Glyph]) -> Iterator[Glyph]:
    """A text that is typed into an area of the page, its first line on that of what is written beside it."""
    corners = [turn(x, y, angle) for x in (area[0], area[2]) for y in (area[1], area[3])]
    left, bottom, top = min(x for x, _ in corners), min(y for _, y in corners), max(y for _, y in corners)
    lines = text.split("\n")
    size = min(size or 11.0, max(top - bottom, 1.0))
    baseline = top - size if len(lines) > 1 else (top + bottom) / 2 - 0.35 * size
    beside = [glyph.y for glyph in glyphs if bottom - 2 <= glyph.y <= top and abs(glyph.y - baseline) < size]
    baseline = min(beside, key=lambda y: abs(y - baseline), default=baseline)
    for number, line in enumerate(lines):
        for place, char in enumerate(line):
            x = left + 0.5 * size * (place + 0.2)
            yield Glyph(char, x, x + 0.5 * size, baseline - 1.2 * size * number, size, bold=False)


def _is_in(area: Area, box: Area) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return area[0] <= x <= area[2] and area[1] <= y <= area[3]


Matrix = tuple[float, float, float, float, float, float]
_SAME: Matrix = (1, 0, 0, 1, 0, 0)


def _add_rules(sheet: Sheet, page: Any, angle: int) -> None:
    """The straight lines of a page, and the edges of its boxes. Raises OverflowError where there are too many."""
    strokes = _strokes(page, raw.FPDFPage_CountObjects(page), raw.FPDFPage_GetObject, _SAME, 0)
    for number, (start, end) in enumerate(strokes):
        (x0, y0), (x1, y1) = turn(*start, angle), turn(*end, angle)
        if number > MAX_RULES:
            raise OverflowError
        if abs(y0 - y1) <= STRAIGHT < abs(x0 - x1):
            sheet.across.append(Rule((y0 + y1) / 2, min(x0, x1), max(x0, x1)))
        elif abs(x0 - x1) <= STRAIGHT < abs(y0 - y1):
            sheet.upright.append(Rule((x0 + x1) / 2, min(y0, y1), max(y0, y1)))


def _strokes(parent: Any, count: int, get: Any, around: Matrix, depth: int) -> Iterator[tuple[Point, Point]]:
    for index in range(count):
        item = get(parent, index)
        kind = raw.FPDFPageObj_GetType(item)
        if kind == _FORM and depth < MAX_DEPTH:
            inner = _times(_matrix(item), around)
            yield from _strokes(item, raw.FPDFFormObj_CountObjects(item), raw.FPDFFormObj_GetObject, inner, depth + 1)
        elif kind == _PATH:
            yield from _segments(item, _times(_matrix(item), around))


def _segments(path: Any, matrix: Matrix) -> Iterator[tuple[Point, Point]]:
    fill, stroke, x, y = ctypes.c_int(), ctypes.c_int(), ctypes.c_float(), ctypes.c_float()
    raw.FPDFPath_GetDrawMode(path, fill, stroke)
    if not (fill.value or stroke.value):
        return
    first = last = (0.0, 0.0)
    for index in range(raw.FPDFPath_CountSegments(path)):
        segment = raw.FPDFPath_GetPathSegment(path, index)
        raw.FPDFPathSegment_GetPoint(segment, x, y)
        point = _applied(matrix, x.value, y.value)
        kind = raw.FPDFPathSegment_GetType(segment)
        if kind == _MOVE_TO:
            first = point
        elif kind == _LINE_TO:
            yield last, point
        last = point
        if raw.FPDFPathSegment_GetClose(segment):
            yield last, first
            last = first


def _matrix(item: Any) -> Matrix:
    matrix = raw.FS_MATRIX()
    raw.FPDFPageObj_GetMatrix(item, matrix)
    return (matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f)


def _times(one: Matrix, other: Matrix) -> Matrix:
    """First the one, then the other."""
    a, b, c, d, e, f = one
    g, h, i, j, k, m = other
    return (a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m)


def _applied(matrix: Matrix, x: float, y: float) -> Point:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


class _Pinned:
    """What is pinned to a page: the values of form fields where they stand, notes, and areas that are struck out."""

    def __init__(self, page: Any) -> None:
        self.fields: list[tuple[str, Area, float]] = []
        self.notes: list[str] = []
        self.struck: list[Area] = []
        for pin in _pins(page):
            kind = pin.get("/Subtype")
            if int(pin.get("/F", 0)) & 2:  # hidden
                continue
            if kind == "/Widget":
                self._add_field(pin)
            elif kind == "/StrikeOut":
                self._add_struck(pin)
            elif kind not in ("/Popup", "/Link"):
                text = clean(str(pin.get("/Contents") or "")).strip()
                self.notes += [text] if text else []

    def _add_field(self, pin: Any) -> None:
        text, area = _value(pin), _area(pin.get("/Rect"))
        if text and area and len(self.fields) < MAX_FIELDS:
            size = re.search(r"(\d{1,3}(?:\.\d{1,3})?) Tf", str(_inherited(pin, "/DA") or ""))
            self.fields.append((text, area, float(size[1]) if size else 0.0))

    def _add_struck(self, pin: Any) -> None:
        corners = [float(corner) for corner in pin.get("/QuadPoints") or ()]
        for start in range(0, len(corners) - 7, 8):
            xs, ys = corners[start : start + 8 : 2], corners[start + 1 : start + 8 : 2]
            self.struck.append((min(xs), min(ys), max(xs), max(ys)))
        text = clean(str(pin.get("/Contents") or "")).strip()
        self.notes += [text] if text else []


def _pins(page: Any) -> list[Mapping[str, Any]]:
    """The annotations of a page. One that is broken is none."""
    annotations = []
    try:
        pins = page.get("/Annots")
        for pin in [] if pins is None else pins.get_object():
            pin = pin.get_object()
            if hasattr(pin, "get"):
                annotations.append(pin)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - what is pinned to a page must not cost its text
        return annotations
    return annotations


def _value(pin: Any) -> str:
    """What was filled in: a text, a choice, or a cross in a box."""
    kind = _inherited(pin, "/FT")
    if kind == "/Btn":
        flags = int(_inherited(pin, "/Ff") or 0)
        if flags & 1 << 16:  # a push button
            return ""
        return "[ ]" if str(pin.get("/AS", "/Off")) == "/Off" else "[x]"
    if kind not in ("/Tx", "/Ch") or int(_inherited(pin, "/Ff") or 0) & 1 << 13:  # a password
        return ""
    value = _inherited(pin, "/V")
    values = value if isinstance(value, list) else [value]
    return clean("\n".join(str(entry) for entry in values if entry is not None)).strip()


def _inherited(pin: Any, key: str) -> Any:
    """A field's entry, its own or that of the field above it."""
    for _ in range(MAX_DEPTH):
        if key in pin:
            value = pin[key]
            return value.get_object() if hasattr(value, "get_object") else value
        if "/Parent" not in pin:
            return None
        pin = pin["/Parent"].get_object()
    return None


def _area(corners: Any) -> Area | None:
    if corners is None or len(corners) < 4:
        return None
    x0, y0, x1, y1 = (float(corner) for corner in corners[:4])
    return min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
