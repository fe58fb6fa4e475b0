"""The documentation agrees with the code: settings, commands and links."""

import re
from pathlib import Path

import pytest

from jobs import locks
from journeyman.cli import SUMMARIES
from journeyman.settings import Settings

ROOT = Path(__file__).parent.parent
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def test_every_setting_is_documented() -> None:
    """docs/configuration.md has one row for each setting, with its default and its description."""
    text = (ROOT / "docs/configuration.md").read_text()
    rows = re.findall(r"^\| `([A-Z_]+)` +\| (.*?) +\| (.*?) +\|$", text, re.MULTILINE)
    documented = {name: (default.strip("`"), meaning) for name, default, meaning in rows}
    expected = {}
    for name, field in Settings.model_fields.items():
        value = field.get_default(call_default_factory=True)
        default = "–" if value is None else "none" if value in ((), {}) else str(value)
        expected[field.alias or f"JOURNEYMAN_{name.upper()}"] = (default, field.description)
    expected["JOURNEYMAN_HOME"] = (documented["JOURNEYMAN_HOME"][0], expected["JOURNEYMAN_HOME"][1])
    assert documented == expected


def test_every_command_is_documented() -> None:
    """The README's table names every command."""
    text = (ROOT / "README.md").read_text()
    for name in SUMMARIES:
        assert f"`journeyman {name}" in text or f"`{name}`" in text, name


def test_every_table_is_documented() -> None:
    """docs/architecture.md lists the tables that the migrations create, and no others."""
    statements = "\n".join(path.read_text() for path in (ROOT / "migrations").glob("*.sql"))
    renamed = dict(re.findall(r"^ALTER TABLE (\w+) RENAME TO (\w+)", statements, re.MULTILINE))
    names = re.findall(r"^CREATE TABLE (\w+)", statements, re.MULTILINE)
    created = {renamed.get(name, name) for name in names}
    text = (ROOT / "docs/architecture.md").read_text()
    section = text.split("## Tables", 1)[1].split("\n## ", 1)[0]
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == created


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """A link to a file of this repository names a file that exists."""
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", (ROOT / page).read_text()):
        if "://" not in target:
            assert ((ROOT / page).parent / target).exists(), target


def test_the_index_of_decisions_lists_each_once_by_its_title() -> None:
    """docs/decisions/README.md is how a reader finds why something is as it is."""
    folder = ROOT / "docs/decisions"
    listed = re.findall(r"^- \[(.+)\]\((\d{4}-[a-z0-9-]+\.md)\)$", (folder / "README.md").read_text(), re.MULTILINE)
    titles = [(page.read_text().splitlines()[0].removeprefix("# "), page.name) for page in sorted(folder.glob("0*.md"))]
    assert sorted(listed, key=lambda entry: entry[1]) == titles


def test_files_that_the_architecture_names_exist() -> None:
    """The map leads to what is there: each path in docs/architecture.md, in links, tables, text and diagrams."""
    text = (ROOT / "docs/architecture.md").read_text()
    named = set(re.findall(r"\b(?:[a-z_]+/)+[a-z0-9_-]+\.(?:py|sql|yaml|yml|md)\b", text))
    assert len(named) > 10
    assert not [path for path in sorted(named) if not any((base / path).exists() for base in (ROOT, ROOT / "docs"))]


def test_every_advisory_lock_has_its_word() -> None:
    """Who takes one is named in docs/architecture.md: two meanings of one number would wait for each other."""
    text = (ROOT / "docs/architecture.md").read_text().split("## Advisory locks", 1)[1].split("\n## ", 1)[0]
    packages = ("journeyman", "bot", "workers", "retrieval", "finetune", "jobs", "migrations")
    files = [file for package in packages for file in (ROOT / package).rglob("*.py")]
    takers = [
        file.relative_to(ROOT).as_posix() for file in files if re.search(r"advisory_(xact_)?lock", file.read_text())
    ]
    assert takers
    assert not [file for file in takers if f"`{file}`" not in text]
    words = {name.removesuffix("_CLASS").replace("_", " ").lower() for name in vars(locks) if name.isupper()}
    assert words | {"owner"} == set(re.findall(r"^\| ([a-z ]+) \|", text, re.MULTILINE))
    for kind in (True, False):
        numbers = [value for name, value in vars(locks).items() if name.isupper() and name.endswith("_CLASS") is kind]
        assert len(set(numbers)) == len(numbers)
