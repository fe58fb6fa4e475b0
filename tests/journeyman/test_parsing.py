"""Files are parsed in a process of its own, with the limits and the programs of the settings, wherever runs start."""

import json
import os
import zipfile
from pathlib import Path

import pytest
from fpdf import FPDF
from PIL import Image

from tests.journeyman.conftest import Run

TESSERACT = """#!/bin/sh
test "$4" = eng && cat >/dev/null && echo "The key hangs in hall 7."
"""


@pytest.fixture
def harmful(tmp_path: Path) -> Path:
    """A folder with a good document, a scanned one, and one that unpacks to a gigabyte."""
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "good.md").write_text("# Pump\n\nThe pump is blue.\n")
    paper = FPDF()
    paper.add_page()
    paper.image(Image.new("RGB", (500, 500), "grey"), w=100)
    paper.output(str(folder / "scan.pdf"))
    packed = zipfile.ZipFile(folder / "bomb.docx", "w", zipfile.ZIP_DEFLATED)
    with packed, packed.open("word/document.xml", "w") as member:
        for _ in range(1000):
            member.write(b" " * 1_000_000)
    return folder


@pytest.mark.slow
def test_a_run_survives_its_files_and_leaves_nothing(journeyman: Run, harmful: Path, tmp_path: Path) -> None:
    """What does harm is reported, what is scanned is read where that is switched on, no folder of the parser stays."""
    (tmp_path / "tmp").mkdir()
    surroundings = {"TMPDIR": str(tmp_path / "tmp")}
    report = json.loads(journeyman("index", harmful, "--json", **surroundings).stdout)
    assert report["documents"]["new"] == 1
    assert {failure["document"] for failure in report["failures"]} == {"bomb.docx", "scan.pdf"}

    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "tesseract"
    program.write_text(TESSERACT)
    program.chmod(0o755)
    ocr = surroundings | {"PATH": f"{program.parent}:{os.environ['PATH']}", "JOURNEYMAN_OCR": "eng"}
    report = json.loads(journeyman("index", harmful, "--json", **ocr).stdout)
    assert report["documents"] == {"new": 1, "changed": 0, "unchanged": 1, "removed": 0, "failed": 1}
    (found,) = json.loads(journeyman("search", "where is the key", "-k", 1, "--json").stdout)
    assert (found["document"], found["text"]) == ("scan.pdf", "The key hangs in hall 7.")
    assert list((tmp_path / "tmp").glob("journeyman-parser-*")) == []


@pytest.mark.slow
def test_the_time_of_the_settings_holds(journeyman: Run, harmful: Path) -> None:
    """A file gets no more of it."""
    for name in ("bomb.docx", "scan.pdf"):
        (harmful / name).unlink()
    done = journeyman("index", harmful, "--json", JOURNEYMAN_PARSE_SECONDS="0.001")
    (failure,) = json.loads(done.stdout)["failures"]
    assert (done.returncode, failure["document"]) == (1, "good.md")
    assert "takes longer than" in failure["error"]
