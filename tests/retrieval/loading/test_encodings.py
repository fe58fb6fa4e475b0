"""Bytes to text: whatever wrote the file, its words come out or the report says that they do not."""

import pytest

from retrieval.loading import LoadError, load
from retrieval.loading.encodings import decode


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Drücken Sie „Start“ – 5 µm ± 2"),
        ("cp1252", "Température à 5 °C, crème brûlée déjà"),
        ("cp1252", "¿Dónde está el año?"),
        ("cp1252", "Ø 12 mm"),
        ("cp437", "Größe der Säge"),
        ("cp1250", "Tlačítko je červené"),
        ("cp1250", "Łożysko;Ilość\nWał;7"),
        ("cp1251", "Масло меняют каждые 400 часов"),
        ("koi8-r", "Масло меняют каждые 400 часов"),
        ("cp1253", "Η αντλία ανοίγει στα 4"),
        ("cp1254", "Çalışma basıncı değişti"),
        ("cp1255", "המסנן מוחלף כל חודש"),
        ("cp1255", 'מק"ט;תיאור\n12;מסנן שמן'),
        ("cp1256", "المضخة تعمل عند 4"),
        ("cp932", "フィルターは毎月交換します"),
        ("gb18030", "过滤器每月更换一次"),
        ("cp949", "필터는 매달 교체합니다"),
        ("utf-16-le", "Valve;Bar\nV1;4"),
        ("utf-16-be", "Größe;Bar\nV1;4"),
        ("utf-32", "Größe V1"),
    ],
)
def test_words_come_out_of_every_encoding(encoding: str, text: str) -> None:
    """Also of few words, without a mark or a declaration."""
    assert decode(text.encode(encoding)).text == text


def test_a_bad_byte_costs_itself() -> None:
    """The rest of the file stays UTF-8, and the report says where to look."""
    found = decode("Öl\nGröße ".encode() + b"\xff\n" + "Maß für Öl\n".encode())
    assert found.text == "Öl\nGröße \ufffd\nMaß für Öl\n"
    assert "line 2" in found.note


def test_a_line_of_another_program_is_read_by_its_own_encoding() -> None:
    """Logs are written by several."""
    assert decode("für\nüber\n".encode() + "Säge\n".encode("cp1252") + "Öl".encode()).text == "für\nüber\nSäge\nÖl"


def test_what_gives_words_in_no_encoding_is_refused() -> None:
    """Garbled text would be quoted as if somebody had written it."""
    with pytest.raises(LoadError, match="UTF-8"):
        load("a.txt", "ВНИМАНИЕ".encode("cp1251"))
    with pytest.raises(LoadError, match="UTF-8"):
        load("a.txt", b"\x81\x8d\x8f\x90\x9d a\xffb\xfec\xfdd \xe1\x81\x8d\n" * 3)


def test_a_declaration_counts_if_it_fits() -> None:
    """One that is wrong does not garble the text."""
    assert decode("Größe".encode("iso8859-15"), "iso-8859-15").text == "Größe"
    assert decode("Größe".encode(), "iso-8859-1").text == "Größe"
    assert decode("Größe".encode("cp1252"), "shift_jis").text == "Größe"
    page = '<html><head><meta charset="windows-1251"></head><body><p>Масло</p></body></html>'
    assert load("a.html", page.encode("cp1251")).blocks[0].text == "Масло"


def test_the_report_names_a_guess() -> None:
    """The usual encodings need no word."""
    assert decode("Größe".encode("cp1252")).note == ""
    assert "Windows-1255" in decode("המסנן מוחלף".encode("cp1255")).note
