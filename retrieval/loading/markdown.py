"""Markdown to blocks, by a CommonMark parser: headings (also underlined ones), lists, fenced code, pipe
tables, HTML.
"""

import re
from typing import TYPE_CHECKING

from retrieval.loading.blocks import Outline, ParsedDocument, fenced, one_line, table_text
from retrieval.loading.html import add_html
from retrieval.loading.text import decode

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode

MAX_UNDERLINED_WORDS = 14
"""A longer underlined "heading" is a paragraph with a rule under it."""
MIN_SENTENCE_WORDS = 7
"""A "heading" of so many words that ends with a full stop is a sentence made large."""

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_TIGHT_HEADING = re.compile(r"(#{2,6})(?=[^\s#])")
_HTML_TAG = re.compile(
    r"<!--|</?(?:a|abbr|b|big|br|center|cite|code|del|div|em|font|hr|i|img|ins|kbd|mark|p|s|small|span|strong|sub|sup"
    r"|u|wbr)\b",
    re.IGNORECASE,
)


def parse_markdown(data: bytes) -> ParsedDocument:
    """CommonMark with tables and front matter. Emphasis and link targets go, words and code spans stay."""
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

    matter, text = _split_front_matter(decode(data).replace("\r\n", "\n"))
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    outline = Outline()
    _add_node(outline, SyntaxTreeNode(parser.parse(_spaced_headings(text))))
    return outline.document(title=matter.get("title", ""), url=_web_address(matter.get("url", "")))


def _split_front_matter(text: str) -> tuple[dict[str, str], str]:
    found = _FRONT_MATTER.match(text)
    if not found:
        return {}, text
    pairs = (line.partition(":") for line in found[1].splitlines() if not line.startswith((" ", "#", "-")))
    return {key.strip().lower(): value.strip().strip("\"'") for key, _, value in pairs}, text[found.end() :]


def _web_address(text: str) -> str | None:
    return text if text.startswith(("https://", "http://")) else None


def _spaced_headings(text: str) -> str:
    """Gives `##Heading` its blank, as many renderers tolerate it; code between fences stays as it is."""
    lines, fence = [], ""
    for line in text.split("\n"):
        if found := _FENCE.match(line):
            fence = ("" if line.strip().startswith(fence) else fence) if fence else found[1]
        lines.append(line if fence else _TIGHT_HEADING.sub(r"\1 ", line, count=1) if line[:2] == "##" else line)
    return "\n".join(lines)


def _add_node(outline: Outline, node: "SyntaxTreeNode") -> None:
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


def _add_heading(outline: Outline, node: "SyntaxTreeNode") -> None:
    text = _inline(node.children[0])
    words = len(text.split())
    is_ruled = node.markup in ("=", "-") and words > MAX_UNDERLINED_WORDS
    if is_ruled or (words >= MIN_SENTENCE_WORDS and text.endswith(".")):
        outline.add("text", text)
    else:
        outline.heading(int(node.tag[1]), text)


def _add_list(outline: Outline, node: "SyntaxTreeNode", indent: str) -> None:
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


def _table(node: "SyntaxTreeNode") -> str:
    rows = (row for part in node.children for row in part.children)
    return table_text([[_cell(cell.children[0]) for cell in row.children] for row in rows])


def _cell(node: "SyntaxTreeNode") -> str:
    """A cell keeps the marks of words in bold, which set them apart from its others, unless all of it is
    bold.
    """
    words, marked = _inline(node), _inline(node, strong="**")
    return words if marked == f"**{words}**" else marked


def _inline(node: "SyntaxTreeNode", strong: str = "") -> str:
    """A paragraph's words: code spans keep their backticks, images leave their description.

    `strong` is what stands around words in bold.
    """
    pieces = []
    for child in node.children:
        if child.type == "code_inline":
            pieces.append(f"`{child.content}`")
        elif child.type == "softbreak":
            pieces.append(" ")
        elif child.type == "hardbreak":
            pieces.append("\n")
        elif child.type == "html_inline":
            pieces.append(_visible_tag(child.content))
        elif child.children:
            marks = strong if child.type == "strong" else ""
            pieces.append(marks + _inline(child, strong) + marks)
        else:
            pieces.append(child.content)
    return "\n".join(one_line(line) for line in "".join(pieces).split("\n"))


def _visible_tag(tag: str) -> str:
    """HTML mark-up is not shown, but what only looks like it (`<name>`) is part of the sentence."""
    if tag.lower().startswith("<br"):
        return "\n"
    return "" if _HTML_TAG.match(tag) else tag
