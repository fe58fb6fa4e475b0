"""Languages: documents are stemmed in their own, and a question in the one of the documents that fits it."""

from pathlib import Path

import pytest
from psycopg import Connection

from retrieval.embedding import MiniLM
from retrieval.indexing.index import index_sources
from retrieval.indexing.sources import register_sources
from retrieval.searching.search import search
from retrieval.text.languages import configuration, question_language

EMBEDDER = MiniLM()
ENGLISH = "# Coolant pump\n\n## Lubrication\n\nThe bearings of the pump are greased every 400 hours with KP2K.\n"
GERMAN = (
    "# Kühlmittelpumpe\n\n## Wartung\n\nDie Lager der Pumpe werden alle 400 Betriebsstunden geschmiert. "
    "Vorher wird das Ventil geschlossen.\n\n## Störungen\n\nWenn der Kühlmittelstand sinkt, füllt man Wasser nach.\n"
)
HEBREW = "# משאבת קירור\n\nיש לגרז את המסבים של המשאבה כל 400 שעות עבודה.\n"
HEBREW_TOO = "# חופשה\n\nבקשות לחופשה מוגשות למנהל הצוות שבועיים מראש.\n"
RUSSIAN = "# Насос\n\nПодшипники насоса смазывают каждые 400 часов работы. Клапан сначала закрывают.\n"


@pytest.fixture
def indexed(conn: Connection, tmp_path: Path) -> Connection:
    """A manual in four languages, each with something of its own."""
    folder = tmp_path / "manuals"
    folder.mkdir()
    for name, text in (
        ("en.md", ENGLISH),
        ("de.md", GERMAN),
        ("he.md", HEBREW),
        ("he2.md", HEBREW_TOO),
        ("ru.md", RUSSIAN),
    ):
        (folder / name).write_text(text)
    index_sources(conn, EMBEDDER, register_sources(conn, [folder], collection="default"), max_bytes=10**6)
    return conn


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ENGLISH, "english"),
        (GERMAN, "german"),
        (HEBREW, "simple"),
        (RUSSIAN, "russian"),
        ("Lagret smörjs var fjärde månad enligt anvisningarna.", "swedish"),
        ("1;2;3\n4;5;6\nA-17;B-22", "english"),
        ("", "english"),
    ],
)
def test_the_language_of_a_text(text: str, expected: str) -> None:
    """As Postgres names it; `simple` where it has no stemmer, English where the text does not say."""
    assert configuration(text) == expected


def test_documents_keep_their_language(indexed: Connection) -> None:
    """It is found from the text when a document is indexed."""
    found = dict(indexed.execute("SELECT name, language::text FROM document").fetchall())
    assert found == {"en.md": "english", "de.md": "german", "he.md": "simple", "he2.md": "simple", "ru.md": "russian"}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How often are the bearings greased?", "english"),
        ("Wie oft schmiert man ein Lager?", "german"),
        ("Как часто смазывать подшипник?", "russian"),
    ],
)
def test_a_question_is_in_the_language_that_fits(indexed: Connection, question: str, expected: str) -> None:
    """Few words are enough, because only the languages of the documents come into question."""
    assert question_language(indexed, question) == expected


@pytest.mark.parametrize(
    ("question", "document", "words"),
    [
        ("Welcher Stand, wenn Kühlmittelstände sinken?", "de.md", "füllt man Wasser"),  # Kühlmittelstand, sinkt
        ("Muss ich Ventile schließen, bevor ich schmiere?", "de.md", "Ventil geschlossen"),
        ("כמה זמן מראש מגישים בקשות לחופשה?", "he2.md", "שבועיים"),
        ("כל כמה שעות צריך לגרז את המסבים?", "he.md", "400"),
    ],
)
def test_documents_are_found_in_their_own_language(
    indexed: Connection, question: str, document: str, words: str
) -> None:
    """The default embedder knows English alone: words carry the search, stemmed as the language wants it."""
    first = search(indexed, EMBEDDER, question)[0]
    assert first.document == document
    assert words in first.text
    assert first.ranks["lexical"] == 1


def test_a_document_that_changes_its_language_is_stemmed_anew(indexed: Connection, tmp_path: Path) -> None:
    """Its rows are new: every lexeme is another one, also of text that stayed."""
    path = tmp_path / "manuals" / "en.md"
    path.write_text(GERMAN + "\n\nThe bearings of the pump are greased every 400 hours with KP2K.\n")
    sources = register_sources(indexed, [tmp_path / "manuals"], collection="default")
    index_sources(indexed, EMBEDDER, sources, max_bytes=10**6)
    rows = indexed.execute("SELECT DISTINCT language::text FROM document WHERE name = 'en.md'").fetchall()
    assert rows == [("german",)]
    matching = indexed.execute(
        "SELECT count(*) FROM chunk c JOIN document d ON d.id = c.document_id "
        "WHERE d.name = 'en.md' AND c.lexemes @@ to_tsquery('german', 'Betriebsstunden')"
    ).fetchone()
    assert matching == (1,)
