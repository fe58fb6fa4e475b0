"""Which language a document or a question is in, as the text search configuration of PostgreSQL that stems its words.

A document's is found from its text alone, offline, with the model that py3langid carries (a naive Bayes classifier
over byte n-grams: Lui and Baldwin, ACL 2012). Where PostgreSQL cannot stem, in Hebrew for one, words are kept as they
are: `simple`. A question is too short for that; it is in that language of the documents which knows its words.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from psycopg import Connection

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

DEFAULT = "english"
"""The language of a text that does not say it: a table of numbers, a list of part names."""
SIMPLE = "simple"

LEAST_CONFIDENCE = 0.5
SAMPLE = 4000
"""Characters that are looked at: more changed no document's language."""

_CONFIGURATIONS = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}
# Languages of companies that have no configuration; rarer ones would only be taken for one of these by mistake.
_WITHOUT = "bg bn cs fa he hr is ja ko lv mk ms mt sk sl sq th uk ur vi zh".split()

# Read from one language to the next in its index, however many documents there are.
_SPOKEN = """
WITH RECURSIVE spoken AS (
    (SELECT language FROM document ORDER BY language LIMIT 1)
    UNION ALL
    SELECT (SELECT d.language FROM document d WHERE d.language > s.language ORDER BY d.language LIMIT 1)
    FROM spoken s WHERE s.language IS NOT NULL
)
SELECT language::text FROM spoken WHERE language IS NOT NULL
"""
# In its own language a question loses its stop words, and the others are well known; in another one all of them stay,
# and few are known. So its words are worth the least there.
_LEAST_RARE = """
SELECT language
FROM unnest(%(spoken)s::text[]) AS language,
    LATERAL (SELECT sum(ln(1 + extent.chunks::float / (1 + known.chunks))) AS rarity
             FROM (SELECT sum(chunks) AS chunks FROM chunk_count) AS extent,
                unnest(to_tsvector(language::regconfig, %(text)s)) AS asked,
                LATERAL (SELECT coalesce(sum(chunks), 0) AS chunks FROM lexeme_count l WHERE l.lexeme = asked.lexeme)
                    AS known) AS worth
ORDER BY rarity NULLS LAST, language LIMIT 1
"""


def configuration(text: str) -> str:
    """The name of the configuration for a text's language; `DEFAULT` where the text does not make it clear.

    An older server may lack one of them (`polish` before PostgreSQL 19).
    """
    code, confidence = _identifier().classify(text[:SAMPLE])
    return DEFAULT if confidence < LEAST_CONFIDENCE else _CONFIGURATIONS.get(code, SIMPLE)


def question_language(conn: Connection[Any], text: str) -> str:
    """The language of the documents that a question is in; `DEFAULT` before anything was indexed."""
    languages = [language for (language,) in conn.execute(_SPOKEN).fetchall()]
    if len(languages) < 2:
        return languages[0] if languages else DEFAULT
    row = conn.execute(_LEAST_RARE, {"spoken": languages, "text": text}).fetchone()
    return str(row[0]) if row else DEFAULT


@lru_cache(maxsize=1)
def _identifier() -> "LanguageIdentifier":
    """Loaded at first use: it takes most of a second, and a search needs none."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages([*_CONFIGURATIONS, *_WITHOUT])
    return identifier
