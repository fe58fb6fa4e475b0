"""Blocks to chunks: what stays together, what a chunk carries, and how little an edit changes."""

import hashlib
import random
import time

import pytest

from retrieval.indexing.chunking import (
    MAX_CODE_SIZE,
    MAX_SIZE,
    TINY_WORDS,
    Chunk,
    chunk_document,
    embedding_text,
    sentences,
    size,
)
from retrieval.loading import Block, ParsedDocument, load
from retrieval.loading.blocks import Kind
from retrieval.text.lexemes import identifiers, tsvector

WORDS = "valve pump seal rotor filter press hose gasket sensor relay drum belt oil coolant piston bearing".split()


def chunks_of(text: str, name: str = "manual.md") -> list[Chunk]:
    return chunk_document(load(name, text.encode()))


def prose(seed: int, count: int = 6) -> str:
    """Sentences that differ from each other, always the same for a seed."""
    chance = random.Random(seed)
    return " ".join(
        f"The {chance.choice(WORDS)} of unit {seed}-{i} needs a {' '.join(chance.choices(WORDS, k=9))}."
        for i in range(count)
    )


def new_hashes(before: str, after: str, name: str = "manual.md") -> int:
    """How many chunks of the text after an edit would have to be embedded."""
    known = {chunk.content_hash for chunk in chunks_of(before, name)}
    return sum(chunk.content_hash not in known for chunk in chunks_of(after, name))


def test_chunks_follow_headings_and_carry_their_path() -> None:
    """No chunk spans two sections, each one knows the headings above it."""
    text = f"# Pump\n\n{prose(1)}\n\n## Oil\n\n{prose(2)}\n\n### Grade\n\n{prose(3)}\n\n## Seal\n\n{prose(4)}\n"
    assert [chunk.heading for chunk in chunks_of(text)] == [(), ("Oil",), ("Oil", "Grade"), ("Seal",)]


def test_content_hash_is_of_what_is_embedded() -> None:
    """Title, heading path and text decide, nothing else."""
    (chunk,) = chunks_of(f"# Pump\n\n## Oil\n\n{prose(1)}")
    embedded = embedding_text("Pump", ("Oil",), chunk.text)
    assert embedded == f"Pump > Oil\n{prose(1)}"
    assert chunk.content_hash == hashlib.sha256(embedded.encode()).digest()


def test_long_sections_are_cut_between_sentences() -> None:
    """Chunks of a long text fit the embedder, lose nothing and break no sentence."""
    paragraphs = [prose(seed, count=3 + seed % 9) for seed in range(30)]
    chunks = chunks_of("\n\n".join(paragraphs))
    assert all(size(chunk.text) <= MAX_SIZE for chunk in chunks)
    whole = " ".join(chunk.text.replace("\n\n", " ") for chunk in chunks)
    assert whole == " ".join(paragraphs)
    assert all(chunk.text.endswith(".") and chunk.text.startswith("The ") for chunk in chunks)
    assert sum(size(chunk.text) for chunk in chunks) / len(chunks) > MAX_SIZE * 0.6


def test_list_items_stay_whole() -> None:
    """A list is cut between its items, which keep their marks."""
    chunks = chunks_of("\n".join(f"- {prose(seed, count=2)}" for seed in range(20)))
    lines = [line for chunk in chunks for line in chunk.text.split("\n")]
    assert len(chunks) > 1
    assert lines == [f"- {prose(seed, count=2)}" for seed in range(20)]


def test_a_lead_in_stays_with_what_it_leads_to() -> None:
    """Code stays with the paragraph above it, and a line that ends with a colon is no end of a chunk."""
    code, items = "```\n$0=10\n```", f"- {prose(3, 4)}\n- {prose(4, 4)}"
    text = f"{prose(1, 12)}\n\nType this:\n\n{code}\n\n{prose(2, 12)}\n\nMind:\n\n{items}"
    chunks = chunks_of(text)
    assert len(chunks) > 2
    assert any("Type this:\n\n```\n$0=10\n```" in chunk.text for chunk in chunks)
    assert not any(chunk.text.endswith(":") for chunk in chunks)


def test_long_code_is_cut_at_its_lines() -> None:
    """Every piece of code has its fences, and no line is lost."""
    lines = [f"$1{i:02}=250.{i:03} (x axis)" for i in range(120)]
    chunks = chunks_of("```\n" + "\n".join(lines) + "\n```")
    assert len(chunks) > 1
    assert all(chunk.kind == "code" and size(chunk.text) <= MAX_CODE_SIZE + 6 for chunk in chunks)
    assert all(chunk.text.startswith("```\n") and chunk.text.endswith("\n```") for chunk in chunks)
    inner = [line for chunk in chunks for line in chunk.text.split("\n")[1:-1]]
    assert inner == lines


def test_tables_stay_whole_or_repeat_their_header() -> None:
    """A small table is one chunk; each part of a large one begins with the header."""
    header = "| Code | Meaning |\n|---|---|\n"
    (small,) = chunks_of(header + "| E1 | Too hot |\n")
    assert (small.kind, small.text) == ("table", "| Code | Meaning |\n| E1 | Too hot |")
    large = chunks_of(header + "".join(f"| E{i} | {prose(i, 1)} |\n" for i in range(40)))
    assert len(large) > 3
    assert all(chunk.kind == "table" and chunk.text.startswith("| Code | Meaning |\n| E") for chunk in large)
    assert all(size(chunk.text) <= MAX_SIZE + 5 for chunk in large)
    assert sum(chunk.text.count("\n") for chunk in large) == 40


def test_each_row_is_a_chunk() -> None:
    """Rows of CSV and SQL tables are never joined; one that is too long repeats what says which row it is."""
    rows = chunks_of("Code,Meaning\nE1,hot\nE2,cold\n", "codes.csv")
    assert [(chunk.kind, chunk.text) for chunk in rows] == [
        ("row", "Code: E1\nMeaning: hot"),
        ("row", "Code: E2\nMeaning: cold"),
    ]
    parts = chunks_of(f"Code,Meaning\nE1,{prose(1, 40)}\n", "codes.csv")
    assert len(parts) > 1
    assert all(chunk.kind == "row" and chunk.text.startswith("Code: E1\n") for chunk in parts)


def test_tiny_neighbours_are_joined_under_their_parent() -> None:
    """Sections of a few words share a chunk with their like, each below its own heading; larger ones stay alone."""
    tiny = "".join(f"## Term {i}\n\nA part {i}.\n\n" for i in range(20))
    chunks = chunks_of(f"# Glossary\n\n{tiny}## Long\n\n{prose(1)}")
    assert len(chunks) < 15
    assert chunks[-1].heading == ("Long",)
    joined = next(chunk for chunk in chunks if chunk.text.count("Term") > 1)
    assert joined.heading == ()
    assert "Term" in joined.text.split("\n")[0]
    assert sum(chunk.text.count("A part") for chunk in chunks) == 20
    assert TINY_WORDS < 20


@pytest.mark.parametrize("count", [1, 12])
def test_insert_at_the_top_changes_few_chunks(count: int) -> None:
    """In a document of 1,000 sections, short or long, a paragraph at the top costs three chunks at most."""
    sections = "".join(f"## Section {i}\n\n{prose(i, count)}\n\n" for i in range(1000))
    assert new_hashes(f"# Manual\n\n{sections}", f"# Manual\n\n{prose(5000)}\n\n{sections}") <= 3
    tiny = "".join(f"## Section {i}\n\nNumber {i}.\n\n" for i in range(1000))
    assert new_hashes(f"# Manual\n\n{tiny}", f"# Manual\n\n{prose(5000)}\n\n{tiny}") <= 3


def test_insert_in_a_text_without_headings_changes_few_chunks() -> None:
    """Borders find back to where they were: an edit does not run through the whole text."""
    paragraphs = [prose(seed, count=2 + seed % 5) for seed in range(200)]
    before = "\n\n".join(paragraphs)
    costs = []
    for place in range(0, 200, 10):
        after = "\n\n".join([*paragraphs[:place], prose(9000 + place, 2), *paragraphs[place:]])
        costs.append(new_hashes(before, after, "manual.txt"))
    assert len(chunks_of(before, "manual.txt")) > 60
    assert sum(costs) / len(costs) <= 6


def test_text_without_any_border_is_cut_all_the_same() -> None:
    """Words without sentences, and letters without words, do not grow without limit."""
    words = chunks_of(" ".join(WORDS * 100), "a.txt")
    letters = chunks_of("x" * 20_000, "a.txt")
    assert all(size(chunk.text) <= MAX_SIZE for chunk in [*words, *letters])
    assert " ".join(chunk.text for chunk in words) == " ".join(WORDS * 100)


def test_sentences_do_not_end_at_abbreviations() -> None:
    """A full stop ends a sentence, not an abbreviation or a number."""
    text = 'Use oil, e.g. HV 46. It costs 3.50 at approx. 20 °C! Ask Mr. Berg. "Really?" `$1` helps.'
    assert sentences(text) == [
        "Use oil, e.g. HV 46.",
        "It costs 3.50 at approx. 20 °C!",
        "Ask Mr. Berg.",
        '"Really?"',
        "`$1` helps.",
    ]


def test_identifiers_are_kept_verbatim() -> None:
    """Names with digits and signs are found as they are written, and so are the names in a compound."""
    found = identifiers("Set `$110=500.000`, M66 or G28/G38.2; the HP-200 shows error:9 at 3/8 inch, $$ and $X.")
    assert {"$110", "m66", "g28", "g38.2", "hp-200", "error:9", "3/8", "$$", "$x"} <= set(found)
    assert identifiers("See https://example.com/a1 and/or e-mail it.") == []
    assert tsvector(["m66", "$1", "m66"]) == "'m66':1,3 '$1':2"


def test_initials_end_no_sentence_and_take_no_time() -> None:
    """Time that grows with the square of a text would stop all indexing."""
    begun = time.process_time()
    assert len(sentences("K. L. M. N. " * 20_000)) == 1
    chunks = chunk_document(ParsedDocument("T", (Block((), "text", "K. L. M. N. " * 20_000),)))
    assert time.process_time() - begun < 10
    assert max(len(chunk.text) for chunk in chunks) < 2_000


@pytest.mark.parametrize("kind", ["text", "row", "code", "table", "item"])
def test_a_chunk_has_an_end_in_characters(kind: Kind) -> None:
    """Where there are no words to count."""
    for filling in ("\n", " ", "\n \n", "\t"):
        block = Block((), kind, f"Note: begin{filling * 30_000}end")
        assert max(len(chunk.text) for chunk in chunk_document(ParsedDocument("T", (block,)))) < 5_000


def test_a_header_without_end_is_not_repeated() -> None:
    """Over each group of its rows it would be the square of the table."""
    table = "| " + " | ".join(f"name{i}" for i in range(500)) + " |"
    block = Block((), "table", "\n".join([table] * 50))
    assert sum(len(chunk.text) for chunk in chunk_document(ParsedDocument("T", (block,)))) < 2 * len(block.text)


def test_a_question_stays_with_its_answer() -> None:
    """As a lead-in does with what it leads to."""
    filler = [Block((), "text", f"Sentence {i} speaks of the machine and of its oil and its belts.") for i in range(40)]
    blocks = [*filler[:9], Block((), "text", "Who oils it?"), Block((), "text", "The night shift does."), *filler[9:]]
    chunks = chunk_document(ParsedDocument("T", tuple(blocks)))
    assert any("Who oils it?" in chunk.text and "The night shift does." in chunk.text for chunk in chunks)
