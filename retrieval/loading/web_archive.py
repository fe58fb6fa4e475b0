"""Web archives (MHT, MHTML) to blocks: a page as a browser saved it, with its pictures and styles, in one file.

The loader of langchain-community takes the page out of the archive (decision 38); retrieval/loading/html.py reads it.
"""

import tempfile
import warnings
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from pathlib import Path
from typing import cast

from bs4.builder import TreeBuilder
from langchain_core.document_loaders import BaseLoader

from retrieval.loading.blocks import LoadError, ParsedDocument, one_line
from retrieval.loading.html import read_page
from retrieval.loading.mail import part_text

ADDRESSES = ("Snapshot-Content-Location", "Content-Location")
"""Headers that name the page's address: Chromium's own, and that of RFC 2557."""


def parse_web_archive(data: bytes) -> ParsedDocument:
    """The page, under its own title or else the archive's subject, with the address that it was saved from.

    Raises LoadError for what holds no page.
    """
    archive = message_from_bytes(data, policy=policy.default)
    pages = [cast(MIMEPart, part) for part in archive.walk() if part.get_content_type() == "text/html"]
    if not pages:
        raise LoadError("it is no web archive: it holds no page (text/html)")
    page = read_page(_page(_pages_alone(pages)))
    title = page.title or one_line(str(archive["Subject"] or ""))
    return replace(page, title=title, url=page.url or _address(archive, pages[0]))


def _pages_alone(pages: list[MIMEPart]) -> bytes:
    """An archive as the loader takes it: pages at the first level, in UTF-8. Some programs nest them, and old browsers
    save them in the encoding that they had.
    """
    archive = EmailMessage()
    archive.make_related()
    for page in pages:
        archive.add_related(part_text(page), subtype="html", cte="base64")
    return archive.as_bytes()


def _page(archive: bytes) -> str:
    """The HTML of an archive's first page."""
    with tempfile.TemporaryDirectory(prefix="journeyman-") as folder:
        file = Path(folder, "page.mhtml")
        file.write_bytes(archive)
        return "".join(document.page_content for document in _loader(file).lazy_load())


def _loader(file: Path) -> BaseLoader:
    """The loader for a file. Its package says at each import that nobody maintains it, which is known here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from langchain_community.document_loaders.mhtml import MHTMLLoader
    return MHTMLLoader(file, open_encoding="ascii", bs_kwargs={"builder": _PageAsItIs()})


class _PageAsItIs(TreeBuilder):
    """A builder of one string instead of a tree, so that the loader hands over the page with its markup: in its plain
    text nothing tells a heading or a cell.
    """

    def feed(self, markup: str | bytes) -> None:
        """Takes the page whole."""
        if self.soup is not None:
            self.soup.handle_data(str(markup))


def _address(archive: EmailMessage, page: MIMEPart) -> str | None:
    addresses = [one_line(str(part[header] or "")) for part in (archive, page) for header in ADDRESSES]
    return next((address for address in addresses if address.startswith(("https://", "http://"))), None)
