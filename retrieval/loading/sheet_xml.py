"""What a workbook's XML (XLSX) says of its cells beside their values: how a number is shown, what is merged, struck
out, hidden or commented on, and which formulas have no saved value.

The names are those of ECMA-376, part 1, chapter 18. Cells are counted from row 0 and column 0.
"""

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lxml import etree  # type: ignore[import-untyped]

from retrieval.loading.number_formats import BUILT_IN

_REFERENCE = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})")
_RELATED = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"

Place = tuple[int, int]


@dataclass(slots=True)
class SheetLooks:
    """How one sheet looks: codes of number formats, comments and unsaved formulas by row and column, merged areas as
    their first and last place, hidden rows and columns, and the texts of its text boxes.
    """

    formats: dict[Place, str] = field(default_factory=dict)
    comments: dict[Place, str] = field(default_factory=dict)
    merged: list[tuple[Place, Place]] = field(default_factory=list)
    unsaved: list[Place] = field(default_factory=list)
    left_out: set[Place] = field(default_factory=set)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    boxes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Style:
    code: str
    struck: bool


class WorkbookLooks:
    """The looks of a workbook's sheets by their names."""

    def __init__(self, data: bytes) -> None:
        self._archive = zipfile.ZipFile(io.BytesIO(data))
        self._names = set(self._archive.namelist())
        workbook = self._root("xl/workbook.xml")
        related = self._related("xl/workbook.xml")
        sheets = [] if workbook is None else [element for element in workbook.iter() if _name(element) == "sheet"]
        self._sheets = {sheet.get("name"): related.get(sheet.get(_RELATED), "") for sheet in sheets}
        self._styles = self._read_styles()
        self._computed_anew = workbook is not None and any(
            element.get("fullCalcOnLoad") in ("1", "true") for element in workbook.iter() if _name(element) == "calcPr"
        )

    def of(self, sheet: str) -> SheetLooks:
        """The looks of a sheet; nothing is known of one that the workbook does not list as a file."""
        looks = SheetLooks()
        path = self._sheets.get(sheet, "")
        if path in self._names:
            self._read_cells(path, looks)
            for target in self._related(path).values():
                if "comments" in target.lower() and "threaded" not in target.lower():
                    looks.comments |= self._comments(target)
                elif "/drawings/" in target and target.endswith(".xml"):
                    looks.boxes += self._boxes(target)
        return looks

    def _root(self, path: str) -> Any:
        if path not in self._names:
            return None
        parser = etree.XMLParser(resolve_entities=False, no_network=True)
        return etree.fromstring(self._archive.read(path), parser)

    def _related(self, path: str) -> dict[str, str]:
        """The files that a file names, by their relations' ids."""
        folder, name = posixpath.split(path)
        root = self._root(f"{folder}/_rels/{name}.rels")
        targets = {} if root is None else {relation.get("Id"): relation.get("Target", "") for relation in root}
        return {key: posixpath.normpath(posixpath.join("/" + folder, to))[1:] for key, to in targets.items() if key}

    def _read_styles(self) -> list[_Style]:
        root = self._root("xl/styles.xml")
        if root is None:
            return []
        codes = {
            int(number_format.get("numFmtId", 0)): number_format.get("formatCode", "")
            for number_format in _all(root, "numFmts", "numFmt")
        }
        struck = [
            any(_name(look) == "strike" and _is_on(look) for look in font) for font in _all(root, "fonts", "font")
        ]
        styles = []
        for form in _all(root, "cellXfs", "xf"):
            number, font = int(form.get("numFmtId", 0)), int(form.get("fontId", 0))
            code = codes.get(number, BUILT_IN.get(number, ""))
            styles.append(_Style("" if code == "General" else code, font < len(struck) and struck[font]))
        return styles

    def _read_cells(self, path: str, looks: SheetLooks) -> None:
        filters = False
        with self._archive.open(path) as file:
            for _, element in etree.iterparse(file, resolve_entities=False, no_network=True):
                name = _name(element)
                if name == "c":
                    self._read_cell(element, looks)
                elif name == "row":
                    if element.get("hidden") in ("1", "true"):
                        looks.hidden_rows.add(int(element.get("r", 0)) - 1)
                    element.clear()
                elif name == "col" and element.get("hidden") in ("1", "true"):
                    first, last = int(element.get("min", 1)), int(element.get("max", 1))
                    looks.hidden_columns |= set(range(first - 1, min(last, first + 16_384)))
                elif name == "mergeCell" and (area := _area(element.get("ref", ""))):
                    looks.merged.append(area)
                elif name == "autoFilter":
                    filters = True
        if filters:  # such rows are only not looked at for the moment
            looks.hidden_rows.clear()

    def _read_cell(self, cell: Any, looks: SheetLooks) -> None:
        style = int(cell.get("s", 0))
        look = self._styles[style] if style < len(self._styles) else None
        formula = False
        value = ""
        for child in cell:
            formula = formula or _name(child) == "f"
            value = child.text or "" if _name(child) == "v" else value
        if not formula and (look is None or not (look.code or look.struck)):
            return
        place = _place(cell.get("r", ""))
        if place is None:
            return
        if formula and (not value or (self._computed_anew and value == "0")) and cell.get("t") != "str":
            looks.unsaved.append(place)
            looks.left_out.add(place)
        if look is not None and look.struck:
            looks.left_out.add(place)
        if look is not None and look.code:
            looks.formats[place] = look.code

    def _comments(self, path: str) -> dict[Place, str]:
        root = self._root(path)
        comments: dict[Place, str] = {}
        for comment in [] if root is None else (element for element in root.iter() if _name(element) == "comment"):
            text = "".join(element.text or "" for element in comment.iter() if _name(element) == "t").strip()
            place = _place(comment.get("ref", ""))
            if place and text:
                comments[place] = text
        return comments

    def _boxes(self, path: str) -> list[str]:
        root = self._root(path)
        bodies = [] if root is None else [element for element in root.iter() if _name(element) == "txBody"]
        return [text for body in bodies if (text := "\n".join(_paragraphs(body)))]


def _paragraphs(body: Any) -> Iterator[str]:
    for paragraph in body:
        if text := "".join(element.text or "" for element in paragraph.iter() if _name(element) == "t").strip():
            yield text


def _name(element: Any) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _all(root: Any, group: str, name: str) -> list[Any]:
    return [element for child in root if _name(child) == group for element in child if _name(element) == name]


def _is_on(element: Any) -> bool:
    return element.get("val", "1") not in ("0", "false")


def _place(reference: str) -> Place | None:
    match = _REFERENCE.fullmatch(reference)
    if not match:
        return None
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - 64
    return int(match[2]) - 1, column - 1


def _area(reference: str) -> tuple[Place, Place] | None:
    first, _, last = reference.partition(":")
    start, end = _place(first), _place(last)
    return (start, end) if start and end else None
