"""The words of a Word document's XML: which runs count, what a paragraph and its notes say.

Tracked insertions count and deletions do not; struck-out and hidden text is left out. The element names are those of
ECMA-376, part 1, chapter 17.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from retrieval.loading.scripts import lowered, raised

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
ALTERNATIVES = "{http://schemas.openxmlformats.org/markup-compatibility/2006}AlternateContent"
CHOICE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Choice"

_GONE = frozenset(
    f"{W}{name}" for name in ("del", "moveFrom", "pPr", "rPr", "sdtPr", "instrText", "delText", "rPrChange")
)
_SIGNS = {f"{W}tab": "\t", f"{W}br": "\n", f"{W}cr": "\n", f"{W}noBreakHyphen": "-"}
_NOTES = {f"{W}footnoteReference": "footnotes", f"{W}endnoteReference": "endnotes", f"{W}commentReference": "comments"}
_UNSEEN = ("strike", "dstrike", "vanish")


@dataclass(slots=True)
class ParagraphText:
    """A paragraph's text, and what hangs on it: the kind and id of its notes in order, and its text boxes."""

    text: str = ""
    notes: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[Any] = field(default_factory=list)


class Words:
    """Reads paragraphs with the styles of their document."""

    def __init__(self, styles: Any) -> None:
        """`styles` is the root of styles.xml, None where there is none."""
        elements = [] if styles is None else styles.iter(f"{W}style")
        self._styles = {style.get(f"{W}styleId"): style for style in elements}
        self._looks: dict[str, Mapping[str, str]] = {}
        self._numbers: dict[tuple[str, str], int] = {}

    def paragraph(self, paragraph: Any) -> ParagraphText:
        """Reads what a paragraph says."""
        text = ParagraphText()
        style = paragraph.find(f"{W}pPr/{W}pStyle")
        self._read(paragraph, text, {} if style is None else self._look(style.get(f"{W}val")))
        return text

    def number(self, note: tuple[str, str]) -> int:
        """The number of a foot- or endnote, in the order of their marks."""
        return self._numbers.setdefault(note, len(self._numbers) + 1)

    def _read(self, element: Any, text: ParagraphText, look: Mapping[str, str]) -> None:
        for child in element:
            name = child.tag
            if name in _GONE or _is_placeholder(child):
                continue
            if name == f"{W}r":
                self._run(child, text, look)
            elif name == f"{W}txbxContent":
                text.boxes.append(child)
            elif name == f"{W}t":
                text.text += child.text or ""
            elif name in _SIGNS:
                text.text += _SIGNS[name]
            elif name in _NOTES:
                self._note((_NOTES[name], child.get(f"{W}id")), text)
            elif isinstance(name, str):
                self._read(one_version(child), text, look)

    def _run(self, run: Any, text: ParagraphText, look: Mapping[str, str]) -> None:
        look = self._of_run(run, look)
        if any(look.get(name) for name in _UNSEEN):
            return
        inner = ParagraphText()
        self._read(run, inner, look)
        write = {"superscript": raised, "subscript": lowered}.get(look.get("vertAlign", ""))
        text.text += write(inner.text) if write and inner.text else inner.text
        text.notes += inner.notes
        text.boxes += inner.boxes

    def _note(self, note: tuple[str, str], text: ParagraphText) -> None:
        text.notes.append(note)
        if note[0] != "comments":
            text.text += f" (note {self.number(note)})"

    def _of_run(self, run: Any, look: Mapping[str, str]) -> Mapping[str, str]:
        properties = run.find(f"{W}rPr")
        if properties is None:
            return look
        style = properties.find(f"{W}rStyle")
        own_style = {} if style is None else self._look(style.get(f"{W}val"))
        return {**look, **own_style, **_set(properties)}

    def _look(self, style: str) -> Mapping[str, str]:
        """What a style, and those that it is based on, say of their runs."""
        if style not in self._looks:
            self._looks[style] = {}  # styles that are based on one another in a circle end here
            element = self._styles.get(style)
            if element is not None:
                base, properties = element.find(f"{W}basedOn"), element.find(f"{W}rPr")
                look = {} if base is None else self._look(base.get(f"{W}val"))
                self._looks[style] = {**look, **({} if properties is None else _set(properties))}
        return self._looks[style]


def _set(properties: Any) -> dict[str, str]:
    """The properties of a run that matter here; what is switched off is empty."""
    values = {}
    for name in (*_UNSEEN, "vertAlign"):
        element = properties.find(f"{W}{name}")
        if element is not None:
            value = element.get(f"{W}val", "on")
            values[name] = "" if value in ("0", "false", "off", "none", "baseline") else value
    return values


def one_version(element: Any) -> Any:
    """The first version of what is written down in several, for several programs."""
    if element.tag != ALTERNATIVES:
        return element
    choice = element.find(CHOICE)
    return element[-1:] if choice is None else choice


def _is_placeholder(element: Any) -> bool:
    """Whether this is a form's field that nobody has filled in."""
    return element.tag == f"{W}sdt" and element.find(f"{W}sdtPr/{W}showingPlcHdr") is not None


def parts(element: Any) -> Iterator[Any]:
    """The paragraphs and tables that stand in an element, also those in content controls, in reading order."""
    for child in element:
        if child.tag in (f"{W}p", f"{W}tbl"):
            yield child
        elif child.tag not in _GONE and not _is_placeholder(child) and isinstance(child.tag, str):
            yield from parts(one_version(child))


def is_deleted(paragraph: Any) -> bool:
    """Whether the end of this paragraph is a tracked deletion, so that the next one goes on in it."""
    return paragraph.find(f"{W}pPr/{W}rPr/{W}del") is not None
