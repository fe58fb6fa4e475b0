"""Markdown to blocks, by a CommonMark parser: headings (also underlined ones), lists, fenced code, pipe
tables, HTML.
"""

import re

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from retrieval.loading.blocks import Outline, ParsedDocument, fenced, one_line, row_text, table_text
from retrieval.loading.encodings import decode
from retrieval.loading.front_matter import read_front_matter
from retrieval.loading.html import add_html, is_hiding
from retrieval.loading.scripts import lowered, raised

MAX_UNDERLINED_WORDS = 14
"""A longer underlined "heading" is a paragraph with a rule under it."""
MIN_SENTENCE_WORDS = 7
"""A "heading" of so many words that ends with a full stop is a sentence made large."""

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_TIGHT_HEADING = re.compile(r"(#{2,6})(?=[^\s#])")
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_VOID = frozenset(("br", "hr", "img", "input", "wbr"))
_STRUCK = frozenset(("del", "s", "strike", "script", "style", "template"))
_STYLE = re.compile(r"\bstyle\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)
_HIDDEN = re.compile(r"\s(?:hidden(?=[\s>/=])|aria-hidden\s*=\s*[\"']?true)", re.IGNORECASE)
_HTML_TAG = re.compile(
    r"<!--|</?(?:a|abbr|b|big|br|center|cite|code|del|div|em|font|hr|i|img|ins|kbd|mark|p|s|small|span|strong|sub|sup"
    r"|u|wbr)\b",
    re.IGNORECASE,
)


def parse_markdown(data: bytes) -> ParsedDocument:
    """CommonMark with tables and front matter. Emphasis and link targets go, words and code spans stay."""
    decoded = decode(data)
    facts, text = read_front_matter(decoded.text.replace("\r\n", "\n"))
    title, url = facts.pop("title", ""), _web_address(facts.get("url", ""))
    if url:
        del facts["url"]
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    outline = Outline()
    outline.note(decoded.note)
    outline.add("row", row_text(list(facts), list(facts.values())))
    _add_node(outline, SyntaxTreeNode(parser.parse(_spaced_headings(text))))
    return outline.document(title=title, url=url)


def _web_address(text: str) -> str | None:
    return text if text.startswith(("https://", "http://")) else None


def _spaced_headings(text: str) -> str:
    """Gives `##Heading` its blank, as many renderers tolerate it; code between fences stays as it is."""
    lines, fence = [], ""
    for line in text.split("\n"):
        if match := _FENCE.match(line):
            fence = ("" if line.strip().startswith(fence) else fence) if fence else match[1]
        lines.append(line if fence else _TIGHT_HEADING.sub(r"\1 ", line, count=1) if line[:2] == "##" else line)
    return "\n".join(lines)


def _add_node(outline: Outline, node: SyntaxTreeNode) -> None:
    if node.type == "heading":
        _add_heading(outline, node)
    elif node.type == "paragraph":
        outline.add("text", _inline(node.children[0]))
    elif node.type in ("fence", "code_block"):
        outline.add("code", fenced(node.content, node.info.strip()))
    elif node.type in ("bullet_list", "ordered_list"):
        _add_list(outline, node, indent="")
    elif node.type == "table":
        outline.add("table", _table(node))
    elif node.type == "html_block":
        add_html(outline, node.content)
    else:
        for child in node.children:
            _add_node(outline, child)


def _add_heading(outline: Outline, node: SyntaxTreeNode) -> None:
    text = _inline(node.children[0])
    words = len(text.split())
    is_ruled = node.markup in ("=", "-") and words > MAX_UNDERLINED_WORDS
    if is_ruled or (words >= MIN_SENTENCE_WORDS and text.endswith(".")):
        outline.add("text", text)
    else:
        outline.heading(int(node.tag[1]), text)


def _add_list(outline: Outline, node: SyntaxTreeNode, indent: str) -> None:
    """Each item is a block, items of a list within it are blocks of their own, indented."""
    first = int(str(node.attrs.get("start", 1)))
    for number, item in enumerate(node.children, first):
        marker = indent + (f"{number}. " if node.type == "ordered_list" else "- ")
        margin = " " * len(marker)
        lead = ""
        for child in item.children:
            if child.type == "paragraph":
                lead += ("\n" + margin if lead else marker) + _inline(child.children[0]).replace("\n", "\n" + margin)
                continue
            outline.add("item", lead)
            lead = ""
            if child.type in ("bullet_list", "ordered_list"):
                _add_list(outline, child, indent=margin)
            else:
                _add_node(outline, child)
        outline.add("item", lead)


def _table(node: SyntaxTreeNode) -> str:
    rows = (row for part in node.children for row in part.children)
    return table_text([[_cell(cell.children[0]) for cell in row.children] for row in rows])


def _cell(node: SyntaxTreeNode) -> str:
    """A cell keeps the marks of words in bold, which set them apart from its others, unless all of it is
    bold.
    """
    words, with_marks = _inline(node), _inline(node, strong="**")
    return words if with_marks == f"**{words}**" else with_marks


def _inline(node: SyntaxTreeNode, strong: str = "") -> str:
    """A paragraph's words: code spans keep their backticks, images leave their description; what is struck out or
    hidden goes, what is raised stays so.

    `strong` is what stands around words in bold.
    """
    pieces: list[str] = []
    open_tags: list[tuple[str, str, int]] = []
    for child in node.children:
        match = _TAG.match(child.content) if child.type == "html_inline" else None
        if match is None or match[2].lower() in _VOID:
            pieces.append(_piece(child, strong))
        elif not match[1]:
            open_tags.append((match[2].lower(), child.content, len(pieces)))
            pieces.append(_visible_tag(child.content))
        elif open_tags and open_tags[-1][0] == match[2].lower():
            name, tag, start = open_tags.pop()
            words = "".join(pieces[start:]) + _visible_tag(child.content)
            pieces[start:] = [_marked(name, tag, words)]
        else:
            pieces.append(_visible_tag(child.content))
    return "\n".join(one_line(line) for line in "".join(pieces).split("\n"))


def _piece(node: SyntaxTreeNode, strong: str) -> str:
    if node.type == "code_inline":
        return f"`{node.content}`"
    if node.type == "softbreak":
        return " "
    if node.type == "hardbreak":
        return "\n"
    if node.type == "html_inline":
        return _visible_tag(node.content)
    if node.type == "s":
        return ""
    if node.children:
        marks = strong if node.type == "strong" else ""
        return marks + _inline(node, strong) + marks
    return node.content


def _marked(name: str, tag: str, words: str) -> str:
    """The words within an element, as they are meant."""
    style = _STYLE.search(tag)
    if name in _STRUCK or _HIDDEN.search(tag) or (style and is_hiding(style[1] or style[2] or "")):
        return ""
    if name == "sup":
        return raised(words)
    return lowered(words) if name == "sub" else words


def _visible_tag(tag: str) -> str:
    """HTML mark-up is not shown, but what only looks like it (`<name>`) is part of the sentence."""
    if tag.lower().startswith("<br"):
        return "\n"
    return "" if _HTML_TAG.match(tag) else tag
