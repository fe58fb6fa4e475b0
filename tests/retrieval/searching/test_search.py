"""Search on the real Postgres: what is found, in which order, and with what it comes."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from pgvector.psycopg import register_vector
from psycopg import Connection, Cursor

from retrieval.embedding import MiniLM, Vectors
from retrieval.indexing.index import index_sources
from retrieval.indexing.models import WrongModel
from retrieval.indexing.sources import register_sources
from retrieval.searching.scope import Scope
from retrieval.searching.search import LEAST_CHUNKS, ef_search, search
from tests.retrieval.flat import Flat, put_texts

EMBEDDER = MiniLM()


@pytest.fixture
def indexed(conn: Connection, tmp_path: Path) -> Connection:
    """Two collections about machines and a canteen."""
    shop, office = tmp_path / "shop", tmp_path / "office"
    shop.mkdir()
    office.mkdir()
    (shop / "pump.md").write_text(
        "# Coolant pump\n\n## Lubrication\n\nThe bearing is greased every 400 hours. Use grease KP2K-30.\n\n"
        "## Seal\n\nReplace the mechanical seal MS-0417 when it drips. Close valve V2 before.\n"
    )
    (shop / "alarms.csv").write_text("Code,Meaning\nA203,Oil too hot\nA204,Coolant level too low\nA205,Door open\n")
    (office / "canteen.txt").write_text("Lunch is served from noon until two. On Fridays there is fish.\n")
    for folder, collection in ((shop, "shop"), (office, "office")):
        index_sources(conn, EMBEDDER, register_sources(conn, [folder], collection=collection), max_bytes=10**6)
    return conn


def test_a_paraphrase_is_found(indexed: Connection) -> None:
    """By meaning, with no word in common that counts."""
    first = search(indexed, EMBEDDER, "How often does the shaft support need lubricating?")[0]
    assert (first.document, first.title, first.heading) == ("pump.md", "Coolant pump", "Lubrication")


@pytest.mark.parametrize("query", ["A204", "what does alarm a204 mean", "Alarm A204!"])
def test_a_code_is_found_by_its_name(indexed: Connection, query: str) -> None:
    """A code hits its own row and not its neighbours', however it is written."""
    first = search(indexed, EMBEDDER, query)[0]
    assert first.text == "Code: A204\nMeaning: Coolant level too low"


def test_what_is_meant_may_be_several_texts(indexed: Connection) -> None:
    """The nearness is the weighted mean of those to each, and comparable; the words stay those of the question."""
    texts = ("Where does the pump stand?", "Who pays for the canteen's lunch?")
    near = [similarities(indexed, "Who?", {text: 1.0}) for text in texts]
    both = similarities(indexed, "Who?", {texts[0]: 3.0, texts[1]: 1.0})
    assert set(both) <= set(near[0]) & set(near[1])
    for chunk, similarity in both.items():
        assert similarity == pytest.approx((3 * near[0][chunk] + near[1][chunk]) / 4, abs=0.002)


def similarities(conn: Connection, text: str, meaning: dict[str, float]) -> dict[int, float]:
    """Of all passages, by chunk."""
    return {found.chunk_id: found.similarity for found in search(conn, EMBEDDER, text, k=100, meaning=meaning)}


def test_not_every_word_is_required(indexed: Connection) -> None:
    """A natural question has words that no passage holds."""
    question = "hey folks, my boss asks which part number the dripping seal has, anybody?"
    assert search(indexed, EMBEDDER, question)[0].heading == "Seal"


def test_passages_come_best_first_with_their_ranks(indexed: Connection) -> None:
    """The score falls; every leg that found a passage says at which place."""
    passages = search(indexed, EMBEDDER, "Which grease does the bearing need?", k=5)
    assert [p.score for p in passages] == sorted((p.score for p in passages), reverse=True)
    assert passages[0].ranks["dense"] == passages[0].ranks["lexical"] == 1
    assert all(-1 <= p.score <= 1 for p in passages)


def test_sentences_come_with_their_nearness(indexed: Connection) -> None:
    """The one that answers is nearest, and each stands word for word in the text."""
    passage = search(indexed, EMBEDDER, "Which grease is used?")[0]
    best = max(passage.sentences, key=lambda s: s.similarity + s.overlap)
    assert best.text == "Use grease KP2K-30."
    assert all(sentence.text in passage.text for sentence in passage.sentences)


def test_only_the_collections_asked_for(indexed: Connection) -> None:
    """Another collection's passages are not found, however well they fit; None means all."""
    assert {p.collection for p in search(indexed, EMBEDDER, "lunch", scope=Scope(("shop",)))} == {"shop"}
    assert search(indexed, EMBEDDER, "lunch", scope=Scope())[0].collection == "office"
    assert search(indexed, EMBEDDER, "lunch", scope=Scope(())) == []


def test_only_what_the_readers_may_read(indexed: Connection) -> None:
    """A collection is seen by whoever its audience names; nobody reads one without an audience, and None sees all."""
    indexed.execute("UPDATE collection SET audience = '{user:U1,group:S1}' WHERE name = 'office'")

    def found(*principals: str) -> set[str]:
        return {p.collection for p in search(indexed, EMBEDDER, "lunch", scope=Scope(principals=principals))}

    assert found("everyone", "user:U2") == {"shop"}
    assert found("everyone", "user:U1") == {"shop", "office"}
    assert found("group:S1") == {"office"}
    assert found() == set()
    indexed.execute("UPDATE collection SET audience = '{}' WHERE name = 'office'")
    assert found("everyone", "user:U1", "group:S1") == {"shop"}
    assert search(indexed, EMBEDDER, "lunch")[0].collection == "office"


def test_a_name_does_not_open_what_is_closed(indexed: Connection) -> None:
    """Collections that were asked for are searched only if they may be read."""
    indexed.execute("UPDATE collection SET audience = '{user:U1}' WHERE name = 'office'")
    assert search(indexed, EMBEDDER, "lunch", scope=Scope(("office",), ("everyone",))) == []
    assert search(indexed, EMBEDDER, "lunch", scope=Scope(("office",), ("user:U1",)))


def test_another_embedder_is_refused(indexed: Connection) -> None:
    """Its vectors mean something else."""
    other = MiniLM()
    other.name = "other"
    with pytest.raises(WrongModel, match="vectors of all-MiniLM-L6-v2"):
        search(indexed, other, "lunch")


@pytest.mark.parametrize("times", [1, 2, 3, 40, 254, 255, 256, 300])
def test_the_lexical_score_is_bm25(conn: Connection, times: int) -> None:
    """k1 = 1.2, b = 0.75, as a share of the most that the question's words could reach; Postgres counts up to 255 times
    a word. A small index counts as a larger one.
    """
    register_vector(conn)
    (source,) = register_sources(conn, ["/tmp"])
    texts = ["pump " * times + "oil", "Oil and a filter.", "A belt."]
    lengths = [min(times, 255) + 1, 2, 1]
    put_texts(conn, source.id, "a.md", texts)
    found = {p.text: p.lexical for p in search(conn, Flat(), "pump oil nowhere")}

    def idf(chunks: int) -> float:
        return math.log(1 + (LEAST_CHUNKS - chunks + 0.5) / (chunks + 0.5))

    def worth(tf: int, length: int) -> float:
        return tf / (tf + 1.2 * (0.25 + 0.75 * length / (sum(lengths) / 3)))

    most = idf(1) + idf(2) + idf(0)
    assert found[texts[0]] == pytest.approx(
        (idf(1) * worth(min(times, 255), lengths[0]) + idf(2) * worth(1, lengths[0])) / most
    )
    assert found[texts[1]] == pytest.approx(idf(2) * worth(1, lengths[1]) / most)
    assert found[texts[2]] == 0


@pytest.mark.parametrize("exact", [True, False])
def test_a_filter_starves_no_search(conn: Connection, monkeypatch: pytest.MonkeyPatch, exact: bool) -> None:
    """A collection of 30 chunks among 1,000 that are nearer gives as many passages as are asked for, and no others: by
    comparing with all of them, and by the indexes.
    """
    if not exact:
        monkeypatch.setattr("retrieval.searching.search.EXACT_DENSE", 0)
        monkeypatch.setattr("retrieval.searching.search.EXACT_LEXICAL", 0)
    register_vector(conn)
    (near,) = register_sources(conn, ["/tmp"], collection="near")
    (far,) = register_sources(conn, ["/tmp"], collection="far")
    put_texts(conn, near.id, "a.md", [f"Pump {number}." for number in range(1000)], angle=0.0)
    put_texts(conn, far.id, "a.md", [f"Pump {number}, afar." for number in range(30)], angle=1.0)
    conn.execute("SET LOCAL enable_seqscan = off")
    passages = search(conn, Flat(), "pump", k=20, scope=Scope(("far",)))
    assert [passage.collection for passage in passages] == ["far"] * 20
    assert {passage.ranks["dense"] for passage in passages} <= set(range(1, 31))


@pytest.mark.parametrize(
    ("chunks", "expected"), [(0, 200), (100_000, 200), (1_000_000, 300), (10_000_000, 450), (10**9, 1000)]
)
def test_a_larger_index_is_looked_through_more_carefully(chunks: int, expected: int) -> None:
    """Within what pgvector allows."""
    assert ef_search(chunks) == expected


def test_k_limits_the_passages(indexed: Connection) -> None:
    """And less than one is an error of the caller."""
    assert len(search(indexed, EMBEDDER, "pump", k=2)) == 2
    with pytest.raises(ValueError, match="k must be"):
        search(indexed, EMBEDDER, "pump", k=0)


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_nothing_asked_finds_nothing(indexed: Connection, text: str) -> None:
    """Blank text is not an error."""
    assert search(indexed, EMBEDDER, text) == []


@pytest.mark.parametrize(
    "text", ["'; DROP TABLE chunk; --", "a & !b | (c", "\\' \\\\ '", "🙂", "the of and", "%s %(k)s"]
)
def test_any_text_is_only_text(indexed: Connection, text: str) -> None:
    """Quotes, operators and placeholders of SQL and of tsquery mean nothing in a question."""
    assert search(indexed, EMBEDDER, text)


def test_the_same_passage_twice_is_found_once(indexed: Connection, tmp_path: Path) -> None:
    """A file that two sources hold takes one place of the k."""
    again = register_sources(indexed, [tmp_path / "shop" / "pump.md"], collection="again")
    index_sources(indexed, EMBEDDER, again, max_bytes=10**6)
    texts = [passage.text for passage in search(indexed, EMBEDDER, "Which grease does the bearing need?")]
    assert len(texts) == len(set(texts))
    assert search(indexed, EMBEDDER, "Which grease?", scope=Scope(("again",)))[0].document == "pump.md"


def test_a_long_text_is_found_once_under_any_title(conn: Connection, tmp_path: Path) -> None:
    """A copy with another title gives a reader nothing; a short text may mean something else under another title."""
    long = (
        "The supplier of the machine is not liable for damage to the bearing that comes of grease which it has not "
        "approved. Whoever uses another grease has to ask the supplier for a written approval before it is first used."
    )
    short = "The bearing takes 35 Nm."
    for name in ("pump", "fan"):
        (tmp_path / f"{name}.md").write_text(f"# The {name}\n\n## Liability\n\n{long}\n\n## Torque\n\n{short}\n")
    index_sources(conn, EMBEDDER, register_sources(conn, [tmp_path]), max_bytes=10**6)
    texts = [passage.text for passage in search(conn, EMBEDDER, "bearing")]
    assert sorted(texts) == sorted([long, short, short])


def test_an_empty_index_finds_nothing(conn: Connection) -> None:
    """Before anything is indexed."""
    assert search(conn, EMBEDDER, "pump") == []


@pytest.fixture
def catalogue(conn: Connection, tmp_path: Path) -> Connection:
    """Many rows that differ by their codes alone, and prose that speaks of alarms and errors in general."""
    folder = tmp_path / "catalogue"
    folder.mkdir()
    causes = "oil pressure,water level,door contact,spindle speed,air supply,tool length,axis limit,belt tension".split(
        ","
    )
    rows = [f"{number},The {cause} is out of range" for number, cause in enumerate(causes, 1)]
    for kind in ("alarms", "errors"):
        (folder / f"{kind}.csv").write_text(f"{kind[:-1].title()} code,Meaning\n" + "\n".join(rows) + "\n")
    (folder / "general.md").write_text(
        "# Alarms and errors\n\n## What alarms mean\n\nAn alarm means that the machine has stopped. What does an alarm "
        "mean for you? Read the code.\n\n## What errors mean\n\nAn error means that a line was refused. What an error "
        "means stands in the list of errors.\n\n## Presses\n\nThe HP-200 takes 30 tons. The HP-300 takes 45 tons.\n"
        "\n## Rates\n\n`$110` is the rate of X, and `$111` that of Y.\n\n## Inputs\n\nM66 waits for an input.\n"
    )
    index_sources(conn, EMBEDDER, register_sources(conn, [folder], collection="shop"), max_bytes=10**6)
    return conn


@pytest.mark.parametrize(
    ("question", "document", "words"),
    [
        ("what does alarm 3 mean?", "alarms.csv", "door contact"),
        ("ALARM:6", "alarms.csv", "tool length"),
        ("the machine shows error 7 again, what does that mean", "errors.csv", "axis limit"),
        ("Error no. 2?", "errors.csv", "water level"),
        ("how strong is the hp 200", "general.md", "30 tons"),
        ("hp300", "general.md", "45 tons"),
        ("what is $111", "general.md", "that of Y"),
        ("m66?", "general.md", "waits"),
    ],
)
def test_an_exact_code_decides(catalogue: Connection, question: str, document: str, words: str) -> None:
    """It outweighs passages that are nearer by their meaning, and the same number of something else."""
    first = search(catalogue, EMBEDDER, question)[0]
    assert first.document == document
    assert words in first.text


def test_words_of_the_title_count_for_every_passage(conn: Connection, tmp_path: Path) -> None:
    """The body of a manual seldom repeats what it is about."""
    for name, title in (("a.md", "Planer Zephyros"), ("b.md", "Planer Boreas")):
        (tmp_path / name).write_text(f"# {title}\n\n## Care\n\nGrease the guide rails every week.\n")
    paths = [tmp_path / "a.md", tmp_path / "b.md"]
    index_sources(conn, EMBEDDER, register_sources(conn, paths, collection="x"), max_bytes=10**6)
    for question, name in (("how often grease the rails of Zephyros", "a.md"), ("Boreas rails?", "b.md")):
        passages = search(conn, EMBEDDER, question)
        assert passages[0].document == name
        assert passages[0].lexical > passages[1].lexical


class Squeezed:
    """MiniLM with all of its cosines between 0.9 and 1, as some models have them: the order is the same."""

    name, dimensions = "squeezed", 385

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.hstack([EMBEDDER.embed(texts) * 0.3, np.full((len(texts), 1), np.sqrt(0.91))])
        return np.asarray(vectors, dtype=np.float32)


def test_another_models_cosines_weigh_as_much(
    conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its scale is measured over the index, so that words do not drown what it finds."""
    monkeypatch.setattr("retrieval.indexing.models.LEAST_MEASURED", 20)
    topics = "pump press conveyor canteen holiday payroll welding painting storage driving safety fire".split()
    topics += "training travel parking cleaning lighting heating shipping invoices visitors phones keys".split()
    for topic in topics:
        (tmp_path / f"{topic}.md").write_text(f"# {topic}\n\nThe start and the end of {topic} are checked by staff.\n")
    embedder = Squeezed()
    index_sources(conn, embedder, register_sources(conn, [tmp_path], collection="x"), max_bytes=10**6)
    similarities = [p.similarity for p in search(conn, embedder, "When do we get paid?", k=24)]
    assert max(similarities) - min(similarities) > 0.2  # of cosines that lie within 0.1
    assert search(conn, embedder, "staff who lay out our wages")[0].document == "payroll.md"  # all speak of staff


@pytest.mark.parametrize(("question", "statements"), [("Which grease does the bearing need?", 6), ("Which graese?", 8)])
def test_a_search_takes_few_statements(
    indexed: Connection, monkeypatch: pytest.MonkeyPatch, question: str, statements: int
) -> None:
    """Each waits for the server once; which they are, and why they stay apart, says decision 13."""
    said: list[object] = []

    class Counting(Cursor):
        def execute(self, query, *args, **kwargs):  # type: ignore[no-untyped-def]
            said.append(query)
            return super().execute(query, *args, **kwargs)

    monkeypatch.setattr(indexed, "cursor_factory", Counting)
    assert search(indexed, EMBEDDER, question)
    assert len(said) == statements
