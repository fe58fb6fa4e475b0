"""reStructuredText to blocks, through docutils. Directives and roles of Sphinx that docutils does not know are read as
the text that they hold. Nothing is included from other files, and no raw HTML is taken.
"""

import re
from collections.abc import Callable
from typing import Any

from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives, languages, roles
from docutils.utils import new_document

from retrieval.loading.blocks import Outline, ParsedDocument, fenced, table_text
from retrieval.loading.encodings import decode

_DIRECTIVE = re.compile(r"^[ \t]*\.\. +([\w.:+-]{1,80})::", re.MULTILINE)
_ROLE = re.compile(r":([\w.:+-]{1,80}):`")
_SETTINGS = {
    "report_level": 5,
    "halt_level": 5,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "_disable_config": True,
    "doctitle_xform": False,
    "smart_quotes": False,
}
# Their content is no text for readers.
_LEFT_OUT = frozenset({"toctree", "index", "automodule", "autoclass", "autofunction", "literalinclude", "only", "meta"})


def parse_rst(data: bytes) -> ParsedDocument:
    """A reStructuredText document; a single top heading names it."""
    decoded = decode(data)
    _make_known(decoded.text)
    tree = publish_doctree(decoded.text, settings_overrides=_SETTINGS)
    outline = Outline()
    outline.note(decoded.note)
    _add_children(outline, tree, 0)
    return outline.document()


def _make_known(text: str) -> None:
    """Registers what docutils would report as unknown, and leave out."""
    language: Any = languages.get_language("en")
    document = new_document("")
    for name in set(_DIRECTIVE.findall(text)):
        if directives.directive(name, language, document)[0] is None:
            directives.register_directive(name, _directive(name))

    def role(name: str, rawtext: str, content: str, *more: Any, **options: Any) -> tuple[list[Any], list[Any]]:
        titled, _, target = content.rpartition("<")
        return [
            nodes.literal(rawtext, (titled.rstrip() if target.endswith(">") and titled else content).lstrip("~!"))
        ], []

    for name in set(_ROLE.findall(text)):
        if roles.role(name, language, 0, document.reporter)[0] is None:
            roles.register_local_role(name, role)


def _directive(name: str) -> Any:
    class Known(Directive):
        optional_arguments = 1
        final_argument_whitespace = True
        has_content = True
        option_spec = _AnyOption()

        def run(self) -> list[Any]:
            if name in _LEFT_OUT:
                return []
            container = nodes.paragraph()
            self.state.nested_parse(self.content, self.content_offset, container)
            paragraphs = [nodes.paragraph("", argument) for argument in self.arguments]
            return [*paragraphs, *container.children]

    return Known


class _AnyOption(dict[str, Callable[[str], str]]):
    """Takes whatever option a directive has."""

    def __getitem__(self, name: str) -> Callable[[str], str]:
        return lambda value: value or ""

    def __bool__(self) -> bool:
        return True


def _add_children(outline: Outline, node: Any, level: int) -> None:
    for child in node.children:
        _add(outline, child, level)


def _add(outline: Outline, node: Any, level: int) -> None:
    if isinstance(node, nodes.section):
        title = node.next_node(nodes.title)
        outline.heading(level + 1, title.astext() if title is not None else "")
        _add_children(outline, node, level + 1)
    elif isinstance(node, nodes.title | nodes.Invisible | nodes.system_message | nodes.image):
        return
    elif isinstance(node, nodes.literal_block | nodes.doctest_block):
        outline.add("code", fenced(node.astext(), _language(node)))
    elif isinstance(node, nodes.table):
        rows = [[entry.astext() for entry in row.findall(nodes.entry)] for row in node.findall(nodes.row)]
        outline.add("table", table_text(rows))
    elif isinstance(node, nodes.list_item):
        outline.add("item", "- " + node.astext().replace("\n\n", "\n  "))
    elif isinstance(node, nodes.definition_list_item | nodes.field):
        outline.add("item", ": ".join(child.astext().replace("\n\n", "\n") for child in node.children))
    elif isinstance(node, nodes.TextElement):
        outline.add("text", node.astext())
    else:
        _add_children(outline, node, level)


def _language(node: Any) -> str:
    return next((name for name in node.get("classes", ()) if name != "code"), "")
