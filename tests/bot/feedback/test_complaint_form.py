"""The form behind a thumb down."""

from uuid import UUID

from bot.feedback import complaint_form


def test_a_form_remembers_its_answer() -> None:
    """What the metadata carries can be read back, and nothing else is taken for it."""
    about = complaint_form.FormSubject(UUID(int=7), "C1", None)
    assert complaint_form.read_subject(complaint_form.complaint_form(about)) == about
    assert [complaint_form.read_subject({"private_metadata": text}) for text in ("", "[]", '["x", "C1", null]')] == [
        None
    ] * 3
