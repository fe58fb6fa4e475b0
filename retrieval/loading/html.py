"""HTML to blocks: headings, paragraphs, lists, code and tables of the page's main part, without its
navigation.
"""

import re
from typing import TYPE_CHECKING

from retrieval.loading.blocks import Outline, ParsedDocument, fenced, one_line, table_text

if TYPE_CHECKING:
    from bs4 import BeautifulSoup
    from bs4.element import PageElement, Tag

_HIDDEN = [
    "script",
    "style",
    "noscript",
    "template",
    "svg",
    "math",
    "nav",
    "iframe",
    "object",
    "form",
    "button",
    "input",
    "select",
    "dialog",
    "canvas",
    "audio",
    "video",
]
_ROLES = ("navigation", "banner", "contentinfo", "search")
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "center",
        "details",
        "dd",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "header",
        "hr",
        "html",
        "li",
        "main",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "ul",
    ]
) | frozenset(_HEADINGS)


def parse_html(data: bytes) -> ParsedDocument:
    """A page as people read it. Its encoding is what the page declares, else what the bytes look like."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(data, "lxml")
    title = one_line(soup.title.get_text()) if soup.title else ""
    outline = Outline()
    _drop_furniture(soup)
    _add(outline, _main_part(soup))
    return outline.document(fallback=title, url=_canonical(soup))


def add_html(outline: Outline, html: str) -> None:
    """Adds a fragment of HTML, as Markdown documents hold them."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(html, "lxml")
    _drop_furniture(soup)
    if soup.body:
        _add(outline, soup.body)


def _drop_furniture(soup: "BeautifulSoup") -> None:
    from bs4 import Comment

    for comment in soup.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()
    for tag in soup.find_all([*_HIDDEN, "header", "footer", "aside"]):
        in_article = tag.name in ("header", "footer", "aside") and tag.find_parent(["article", "main"])
        if not in_article and not tag.decomposed:
            tag.decompose()
    for tag in soup.find_all(_is_furniture):
        if not tag.decomposed:
            tag.decompose()


def _is_furniture(tag: "Tag") -> bool:
    return tag.has_attr("hidden") or tag.get("aria-hidden") == "true" or tag.get("role") in _ROLES


def _main_part(soup: "BeautifulSoup") -> "Tag":
    mains = soup.find_all("main") or soup.find_all(lambda tag: tag.get("role") == "main") or soup.find_all("article")
    return mains[0] if len(mains) == 1 else soup.body or soup


def _canonical(soup: "BeautifulSoup") -> str | None:
    link = soup.find("link", rel="canonical")
    address = str(link.get("href", "")) if link else ""
    return address if address.startswith(("https://", "http://")) else None


def _add(outline: Outline, parent: "Tag") -> None:
    """Adds a block element's content: runs of inline content are paragraphs, block elements are themselves."""
    run: list[PageElement] = []
    for child in [*parent.children, None]:
        name = getattr(child, "name", None)
        if child is not None and name not in _BLOCKS and not _holds_blocks(child):
            run.append(child)
            continue
        outline.add("text", _words(run))
        run = []
        if child is not None:
            _add_element(outline, child, str(name))  # type: ignore[arg-type]


def _add_element(outline: Outline, tag: "Tag", name: str) -> None:
    if name in _HEADINGS:
        outline.heading(_HEADINGS[name], _words([tag]).rstrip("¶#"))
    elif name == "pre":
        outline.add("code", fenced(tag.get_text()))
    elif name in ("ul", "ol"):
        _add_list(outline, tag, indent="")
    elif name == "dl":
        _add_definitions(outline, tag)
    elif name == "table" and not _is_layout(tag):
        _add_table(outline, tag)
    else:
        _add(outline, tag)


def _holds_blocks(element: "PageElement") -> bool:
    return getattr(element, "find", None) is not None and bool(
        getattr(element, "children", None) is not None and element.find(list(_BLOCKS))  # type: ignore[attr-defined]
    )


def _add_list(outline: Outline, tag: "Tag", indent: str) -> None:
    ordered = tag.name == "ol"
    for number, item in enumerate(tag.find_all("li", recursive=False), 1):
        marker = indent + (f"{number}. " if ordered else "- ")
        nested = item.find_all(["ul", "ol", "pre", "table"])
        inner = [part for part in nested if part.find_parent(["ul", "ol", "pre", "table"]) is tag]
        for part in inner:
            part.extract()
        text = _words([item])
        outline.add("item", marker + text if text else "")
        for part in inner:
            if part.name in ("ul", "ol"):
                _add_list(outline, part, indent=" " * len(marker))
            else:
                _add_element(outline, part, part.name)


def _add_definitions(outline: Outline, tag: "Tag") -> None:
    term = ""
    for part in tag.find_all(["dt", "dd"]):
        if part.name == "dt":
            outline.add("item", f"- {term}" if term else "")
            term = _words([part])
        else:
            outline.add("item", f"- {term}: {_words([part])}" if term else f"  {_words([part])}")
            term = ""
    outline.add("item", f"- {term}" if term else "")


def _is_layout(table: "Tag") -> bool:
    """A table that holds another, or has one cell in all, only places things on the page."""
    return table.find("table") is not None or len(table.find_all(["td", "th"])) < 2


def _add_table(outline: Outline, table: "Tag") -> None:
    if table.caption:
        outline.add("text", _words([table.caption]))
    rows = []
    for row in table.find_all("tr"):
        cells: list[str] = []
        for cell in row.find_all(["td", "th"], recursive=False):
            span = str(cell.get("colspan", "1"))
            cells += [_words([cell])] + [""] * (min(int(span), 100) - 1 if span.isdigit() and int(span) else 0)
        rows.append(cells)
    outline.add("table", table_text(rows))


def _words(elements: "list[PageElement]") -> str:
    """Text with white space as a browser shows it: one blank, and a line break where the page has one."""
    pieces: list[str] = []
    for element in elements:
        if getattr(element, "name", None) is None:
            pieces.append(re.sub(r"\s+", " ", str(element)))
        else:
            pieces += _spoken(element)  # type: ignore[arg-type]
    lines = "".join(pieces).split("\n")
    return "\n".join(line for line in (one_line(line) for line in lines) if line)


def _spoken(tag: "Tag") -> list[str]:
    if tag.name == "br":
        return ["\n"]
    if tag.name == "img":
        return [str(tag.get("alt", ""))]
    words = _words(list(tag.children))
    if tag.name in ("code", "kbd", "samp", "tt") and words and "`" not in words:
        text = tag.get_text()
        words = f"{' ' * (text[:1] == ' ')}`{words}`{' ' * (text[-1:] == ' ')}"
        return [words]
    if tag.name in _BLOCKS:
        return ["\n", words, "\n"]
    raw = tag.get_text()
    return [" " * raw[:1].isspace(), words, " " * raw[-1:].isspace()]
