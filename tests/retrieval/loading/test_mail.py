"""Mails as people write them: forwarded, answered line by line, quoted as Outlook does, in several parts."""

from email.message import EmailMessage

import pytest

from retrieval.loading import ParsedDocument, load


def message(text: str, subject: str = "Re: valve", subtype: str = "plain") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["Subject"] = "Eve <eve@x.example>", subject
    mail.set_content(text, subtype=subtype)
    return mail


def read(mail: EmailMessage) -> ParsedDocument:
    return load("m.eml", mail.as_bytes())


def said(mail: EmailMessage) -> list[str]:
    return [block.text for block in read(mail).blocks[1:]]


def test_an_answer_keeps_the_question_that_it_stands_under() -> None:
    """And no other quotation."""
    text = (
        "On Mon, Jan 5, 2026 at 10:00, Fox <fox@x.example>\nwrote:\n> Hello Eve,\n>\n> How hot is oven 3?\n"
        "180 degrees.\n\n"
        "> And oven 4?\n\n200 degrees.\n-- \nEve\n> Regards, Fox\n"
    )
    assert said(message(text)) == [
        "> How hot is oven 3?\n180 degrees.",
        "> And oven 4?\n200 degrees.\n--\nEve",
    ]


@pytest.mark.parametrize(
    "below",
    [
        "-----Original Message-----\nFrom: Fox\nOld: 4 bar\n",
        "From: Fox <fox@x.example>\nSent: Monday, 5 January 2026 10:00\nTo: Eve\nSubject: valve\n\nOld: 4 bar\n",
        "________________________________\nVon: Fox\nGesendet: Montag\nAn: Eve\nBetreff: Ventil\n\nOld: 4 bar\n",
        "Am 05.01.2026 um 10:00 schrieb Fox:\n> Old: 4 bar\n",
        "Le lun. 5 janv. 2026 à 10:00, Fox <fox@x.example> a écrit :\n\n> Old: 4 bar\n",
    ],
)
def test_the_message_below_an_answer_is_another_one(below: str) -> None:
    """However the program introduces it."""
    assert said(message(f"It opens at 6 bar.\n\n{below}")) == ["It opens at 6 bar."]


def test_prose_about_who_wrote_is_no_quotation() -> None:
    """Nothing is quoted below it."""
    text = "Am Montag schrieb der Kunde, dass P7 steht.\n\nOn Tuesday the inspector wrote:\nall is well.\n"
    assert " ".join(said(message(text))).startswith("Am Montag schrieb der Kunde")
    assert "the inspector wrote" in " ".join(said(message(text)))


@pytest.mark.parametrize("subject", ["Fwd: valve", "WG: Ventil", "valve"])
def test_a_forwarded_message_is_read(subject: str) -> None:
    """It is what the mail is about."""
    text = (
        "FYI\n\n---------- Forwarded message ---------\nFrom: Fox <fox@x.example>\nDate: Mon\nSubject: valve\n"
        "To: Eve\n\n"
        "It opens at 6 bar.\n"
    )
    assert "It opens at 6 bar." in " ".join(said(message(text, subject)))


def test_a_message_in_a_message_stands_under_its_subject() -> None:
    """As mail programs forward it as an attachment, also one that holds another."""
    inner = message("Hose H2 holds 9 bar.", "Hose H2")
    inner.add_attachment(message("Hose H3 holds 7 bar.", "Hose H3"))
    outer = message("See below.", "Fwd: hoses")
    outer.add_attachment(inner)
    found = {block.heading: block.text for block in read(outer).blocks}
    assert found["Hose H2",] == "Hose H2 holds 9 bar."
    assert found["Hose H3",] == "Hose H3 holds 7 bar."


def test_all_texts_of_a_mail_are_read() -> None:
    """A picture stands between them; of alternatives one is enough."""
    mail = message("First.")
    mail.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="p.png")
    mail.add_attachment("Second.\n", disposition="inline")
    alternative = message("Plain.")
    alternative.add_alternative("<p>Rich.</p>", subtype="html")
    assert said(mail)[:2] == ["First.", "Second."]
    assert said(alternative) == ["Plain."]


@pytest.mark.parametrize("charset", ["windows-1252", "utf-8", "iso-8859-15"])
def test_a_page_in_a_mail_is_read_by_the_charset_of_the_mail(charset: str) -> None:
    """Also where the page names it once more."""
    html = f'<html><head><meta charset="{charset}"></head><body><p>Säge für Öl</p></body></html>'
    for named in (f"; charset={charset}", ""):
        head = f"From: a@x.example\nSubject: s\nContent-Type: text/html{named}\nContent-Transfer-Encoding: 8bit\n\n"
        assert load("m.eml", head.encode() + html.encode(charset)).blocks[-1].text == "Säge für Öl"


def test_quotations_of_a_page_go_as_those_of_a_text() -> None:
    """Gmail's, Thunderbird's and Outlook's; the question above an answer stays."""
    quote = '<blockquote class="gmail_quote">4 bar</blockquote>'
    below = f'<div class="gmail_quote"><div class="gmail_attr">On Mon Fox wrote:</div>{quote}</div>'
    outlook = '<div id="divRplyFwdMsg">From: Fox</div><div>4 bar</div>'
    between = '<blockquote type="cite"><p>Hello</p><p>How hot?</p></blockquote><p>180 degrees.</p>'
    assert said(message(f"<p>6 bar</p>{below}", subtype="html")) == ["6 bar"]
    assert said(message(f"<p>6 bar</p>{outlook}", subtype="html")) == ["6 bar"]
    assert said(message(between, subtype="html")) == ["> How hot?", "180 degrees."]


def test_what_cannot_be_read_of_a_mail_is_reported() -> None:
    """By its name; pictures are no text."""
    mail = message("See the attachment.")
    mail.add_attachment(b"\x78\x9f", maintype="application", subtype="ms-tnef", filename="winmail.dat")
    mail.add_attachment(b"\x89PNG", maintype="image", subtype="png", filename="logo.png")
    (note,) = read(mail).notes
    assert note.startswith("winmail.dat: ")
