"""HTML to blocks: headings, paragraphs, lists, code and tables of the page's main part, without its
navigation.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from bs4 import BeautifulSoup, Comment
from bs4.dammit import EncodingDetector
from bs4.element import PageElement, Tag

from retrieval.loading.blocks import LoadError, Outline, ParsedDocument, fenced, one_line, table_text
from retrieval.loading.encodings import decode
from retrieval.loading.grids import Cell, filled, with_one_header
from retrieval.loading.scripts import lowered, raised

_HIDDEN = [
    *("script", "style", "noscript", "template", "svg", "math", "nav", "iframe", "object", "dialog", "canvas", "audio"),
    *("video", "datalist", "noframes"),
]
_STRUCK = ["del", "s", "strike"]
_ROLES = ("navigation", "banner", "contentinfo", "search")
_INVISIBLE = re.compile(
    r"display:none|visibility:(?:hidden|collapse)|opacity:0(?:\.0+)?(?:;|$)|font-size:0(?:px|pt|em|rem|%)?(?:;|$)"
    r"|text-decoration(?:-line)?:line-through"
)
_SIMPLE_SELECTOR = re.compile(r"[a-z0-9]*[.#][\w-]+")
_TOLD_BY_VALUE = (
    "text",
    "number",
    "email",
    "tel",
    "url",
    "date",
    "time",
    "datetime-local",
    "month",
    "week",
    "color",
    "",
)
"""Types of input fields whose value people see and may read."""
_OPENERS = ("aria-expanded", "aria-controls", "data-toggle", "data-bs-toggle", "data-target", "data-bs-target")
MIN_BUTTON_WORDS = 4
"""A button with so many words says something; "Copy link" does not."""
MAX_SPAN = 100
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
    """A page as people read it. Its encoding is what the page declares, else what the bytes look like.

    Raises LoadError for a page that only frames others.
    """
    declared = EncodingDetector.find_declared_encoding(data, is_html=True)
    decoded = decode(data, declared or "")
    page = read_page(decoded.text)
    return replace(page, notes=(*page.notes, decoded.note)) if decoded.note else page


def read_page(html: str) -> ParsedDocument:
    """A page's text as people read it. Raises LoadError for one that only frames others."""
    soup = BeautifulSoup(_without_declaration(html), "lxml")
    frames = [str(frame.get("src") or "") for frame in soup.find_all(["frame", "iframe"])]
    title = one_line(soup.title.get_text()) if soup.title else ""
    url = _canonical(soup)
    outline = Outline()
    _drop_furniture(soup)
    main = _main_part(soup)
    _add_head(outline, soup, main)
    _add(outline, main)
    document = outline.document(fallback=title, url=url)
    if frames and not document.blocks:
        addresses = ", ".join(filter(None, frames)) or "other pages"
        raise LoadError(f"it has no text of its own and shows others in frames ({addresses})")
    return document


def add_html(outline: Outline, html: str) -> None:
    """Adds a fragment of HTML, as Markdown documents hold them."""
    soup = BeautifulSoup(html, "lxml")
    _drop_furniture(soup)
    if soup.body:
        _add(outline, soup.body)


def _without_declaration(html: str) -> str:
    """The parser takes no text that declares an encoding, which a text has no longer."""
    return html[html.index("?>") + 2 :] if html.lstrip()[:5] == "<?xml" and "?>" in html else html


def _drop_furniture(soup: BeautifulSoup) -> None:
    for comment in soup.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()
    hidden = _hidden_by_style(soup)
    _drop(soup.find_all(["head", *_HIDDEN, *_STRUCK]))
    _drop(soup.find_all(lambda tag: _is_furniture(tag) or _is_invisible(tag, hidden)))
    _keep_values(soup)
    headlines = soup.find_all("h1")
    for tag in soup.find_all(["header", "footer", "aside"]):
        names_page = tag.name == "header" and headlines and all(h1.find_parent("header") is tag for h1 in headlines)
        if not tag.decomposed and not names_page and not tag.find_parent(["article", "main"]):
            tag.decompose()


def _drop(tags: Iterable[Tag]) -> None:
    for tag in tags:
        if not tag.decomposed:
            tag.decompose()


def _is_furniture(tag: Tag) -> bool:
    return tag.has_attr("hidden") or tag.get("aria-hidden") == "true" or tag.get("role") in _ROLES


def _hidden_by_style(soup: BeautifulSoup) -> set[str]:
    """Simple selectors (.note, p.note, #note) that the page's own style sheets hide, outside of conditions."""
    rules = (rule for sheet in soup.find_all("style") for rule in _style_rules(sheet.get_text()))
    hiding = (_compact(selectors).split(",") for selectors, style in rules if is_hiding(style))
    return {selector for selectors in hiding for selector in selectors if _SIMPLE_SELECTOR.fullmatch(selector)}


def _style_rules(css: str) -> Iterator[tuple[str, str]]:
    """A style sheet's selectors with their styles, but for those within @media and the like."""
    first, *commented = css.split("/*")
    blocks: list[str] = []
    before = ""
    for part in re.split(r"([{}])", first + "".join(part.partition("*/")[2] for part in commented)):
        if part == "{":
            blocks.append(before)
        elif part == "}" and blocks:
            selectors = blocks.pop()
            if not blocks and "@" not in selectors:
                yield selectors, before
        before = part


def _compact(css: str) -> str:
    return re.sub(r"\s", "", css).lower()


def is_hiding(style: str) -> bool:
    """Whether a style makes text invisible, or strikes it out."""
    return bool(_INVISIBLE.search(_compact(style)))


def _is_invisible(tag: Tag, hidden: set[str]) -> bool:
    if tag.name in ("html", "body"):
        return False
    if is_hiding(str(tag.get("style", ""))):
        return True
    if not hidden:
        return False
    names = [f".{name}" for name in tag.get_attribute_list("class") if name] + [f"#{tag.get('id')}"]
    return any(name.lower() in hidden or f"{tag.name}{name.lower()}" in hidden for name in names)


def _keep_values(soup: BeautifulSoup) -> None:
    """Fields of a form become what they show; buttons stay where they are a heading of what they open."""
    for field in soup.find_all(["input", "select", "button"]):
        if field.decomposed:
            continue
        value = _shown_in(field)
        field.replace_with(f" {value} ") if value else field.decompose()


def _shown_in(field: Tag) -> str:
    if field.name == "input":
        kind = str(field.get("type", "")).lower()
        if kind in ("checkbox", "radio"):
            return "[x]" if field.has_attr("checked") else "[ ]"
        return str(field.get("value", "")) if kind in _TOLD_BY_VALUE else ""
    if field.name == "select":
        options = [option for option in field.find_all("option") if option.has_attr("selected")]
        return ", ".join(one_line(option.get_text()) for option in options)
    text = one_line(field.get_text(" "))
    opens = any(field.has_attr(name) for name in _OPENERS) or "accordion" in str(field.get("class", "")).lower()
    says = len(text.split()) >= MIN_BUTTON_WORDS or text.endswith("?")
    return text if opens or says or field.find_parent([*_HEADINGS, "summary", "dt"]) else ""


def _add_head(outline: Outline, soup: BeautifulSoup, main: Tag) -> None:
    """The page's name, where it stands above its main part and not in it."""
    if main.name == "body" or main.find("h1"):
        return
    for h1 in soup.find_all("h1")[:1]:
        _add(outline, h1.find_parent("header") or h1.wrap(soup.new_tag("div")))


def _main_part(soup: BeautifulSoup) -> Tag:
    mains = soup.find_all("main") or soup.find_all(lambda tag: tag.get("role") == "main") or soup.find_all("article")
    return mains[0] if len(mains) == 1 else soup.body or soup


def _canonical(soup: BeautifulSoup) -> str | None:
    link = soup.find("link", rel="canonical")
    address = str(link.get("href", "")) if link else ""
    return address if address.startswith(("https://", "http://")) else None


def _add(outline: Outline, parent: Tag) -> None:
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


def _add_element(outline: Outline, tag: Tag, name: str) -> None:
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


def _holds_blocks(element: PageElement) -> bool:
    return getattr(element, "find", None) is not None and bool(
        getattr(element, "children", None) is not None and element.find(list(_BLOCKS))  # type: ignore[attr-defined]
    )


def _add_list(outline: Outline, tag: Tag, indent: str) -> None:
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


def _add_definitions(outline: Outline, tag: Tag) -> None:
    term = ""
    for part in tag.find_all(["dt", "dd"]):
        if part.name == "dt":
            outline.add("item", f"- {term}" if term else "")
            term = _words([part])
        else:
            outline.add("item", f"- {term}: {_words([part])}" if term else f"  {_words([part])}")
            term = ""
    outline.add("item", f"- {term}" if term else "")


def _is_layout(table: Tag) -> bool:
    """A table that holds another, or has one cell in all, only places things on the page."""
    return table.find("table") is not None or len(table.find_all(["td", "th"])) < 2


def _add_table(outline: Outline, table: Tag) -> None:
    if table.caption:
        outline.add("text", _words([table.caption]))
    rows = [(row, row.find_all(["td", "th"], recursive=False)) for row in table.find_all("tr")]
    rows = [(row, cells) for row, cells in rows if cells]
    grid = filled([[_cell(cell) for cell in cells] for _, cells in rows])
    headers = _header_rows([row for row, _ in rows], [cells for _, cells in rows])
    outline.add("table", table_text(with_one_header(grid, headers)))


def _cell(cell: Tag) -> Cell:
    return Cell(_words([cell]), _span(cell, "colspan"), _span(cell, "rowspan"))


def _span(cell: Tag, name: str) -> int:
    """How many columns or rows a cell takes; rows are 0 where it goes down to the end."""
    value = str(cell.get(name, "1")).strip()
    span = int(value) if value.isdecimal() else 1
    return MAX_SPAN if name == "rowspan" and span == 0 else min(max(span, 1), MAX_SPAN)


def _header_rows(rows: Sequence[Tag], cells: Sequence[Sequence[Tag]]) -> int:
    """How many rows at the top are header: those in `thead`, else those of header cells alone."""
    in_head = sum(row.find_parent("thead") is not None for row in rows)
    count = 0
    while not in_head and count < len(cells) - 1 and all(cell.name == "th" for cell in cells[count]):
        count += 1
    return max(in_head or count, 1)


def _words(elements: list[PageElement]) -> str:
    """Text with white space as a browser shows it: one blank, and a line break where the page has one."""
    pieces: list[str] = []
    for element in elements:
        if getattr(element, "name", None) is None:
            pieces.append(re.sub(r"\s+", " ", str(element)))
        else:
            pieces += _spoken(element)  # type: ignore[arg-type]
    lines = "".join(pieces).split("\n")
    return "\n".join(line for line in (one_line(line) for line in lines) if line)


def _spoken(tag: Tag) -> list[str]:
    if tag.name == "br":
        return ["\n"]
    if tag.name == "img":
        return [str(tag.get("alt", ""))]
    words = _words(list(tag.children))
    if tag.name == "sup":
        return [raised(words)]
    if tag.name == "sub":
        return [lowered(words)]
    if tag.name in ("code", "kbd", "samp", "tt") and words and "`" not in words:
        text = tag.get_text()
        words = f"{' ' * (text[:1] == ' ')}`{words}`{' ' * (text[-1:] == ' ')}"
        return [words]
    if tag.name in _BLOCKS:
        return ["\n", words, "\n"]
    raw = tag.get_text()
    return [" " * raw[:1].isspace(), words, " " * raw[-1:].isspace()]
