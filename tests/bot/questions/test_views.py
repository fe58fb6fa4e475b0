"""From an answer's data to blocks that Slack takes."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest

from bot.questions import views
from bot.questions.limits import LimitReached
from bot.slack.blocks import Block
from retrieval.answering.answer import Source
from tests.bot.samples import ANSWER_TEXT, source

ANSWER_ID = UUID(int=7)
ANSWER = views.AnswerView(ANSWER_ID, ANSWER_TEXT, [source()])


def texts(blocks: list[Block]) -> str:
    """Every text in the blocks."""
    found = [block["text"]["text"] for block in blocks if block["type"] == "section"]
    return "\n".join(found)


def view(text: str, *sources: Source) -> views.AnswerView:
    """An answer that cites the sources."""
    return views.AnswerView(ANSWER_ID, text, sources)


def test_an_answer_shows_text_sources_and_thumbs() -> None:
    """One message: the text, a numbered source with title, heading, link and quote, and two thumbs."""
    (message,) = views.answer_messages(ANSWER, "native")
    assert "Alarm 4 means the probe failed" in message.text
    assert "*[1]* <https://docs.example.com/alarms?a=1&amp;b=2|Alarm manual> › Alarms &gt; Probe" in texts(
        message.blocks
    )
    assert "> The probe did not contact the workpiece." in texts(message.blocks)
    assert message.blocks[-1]["elements"][0]["type"] == "feedback_buttons"


def test_older_workspaces_get_plain_buttons() -> None:
    """The same two values on two buttons with different action ids."""
    (block,) = views.thumb_blocks(ANSWER_ID, "buttons")
    assert [element["value"] for element in block["elements"]] == [f"+1 {ANSWER_ID}", f"-1 {ANSWER_ID}"]
    assert len({element["action_id"] for element in block["elements"]}) == 2


def test_a_document_cannot_speak_to_slack() -> None:
    """Title, heading and quote of a source are escaped wherever they are shown."""
    hostile = source(title="<!channel> & co", heading="<@U1>", quote="see <@U1> & <!here>", url=None)
    blocks = views.source_blocks(view("", hostile))
    assert "<" not in texts(blocks)
    assert "&lt;!channel&gt; &amp; co › &lt;@U1&gt;" in texts(blocks)


def test_a_quote_that_the_answer_shows_is_not_said_twice() -> None:
    """The source's quote is left out where the text above already has it."""
    quoted = source(quote="The probe did not contact the workpiece. … Move it closer.")
    assert "\n>" not in texts(
        views.source_blocks(view("> The probe did not\n> contact the workpiece. [1]\n> Move it closer. [1]\n", quoted))
    )
    assert "\n>" in texts(views.source_blocks(view("> Move it closer. [1]\n", quoted)))


def test_a_source_without_a_link_names_its_file() -> None:
    """So that a person finds it; where there is a link, that is enough."""
    assert "Alarm manual › Alarms &gt; Probe (alarms.md)" in texts(views.source_blocks(view("", source(url=None))))
    assert "(alarms.md)" not in texts(views.source_blocks(view("", source())))


def test_an_abstention_names_what_is_nearest_and_offers_people() -> None:
    """Passages with a link or a button to show them, "ask a person", and thumbs."""
    nearest = [source(1, quote="", chunk_id=1), source(2, quote="", url=None, chunk_id=2)]
    abstention = views.AnswerView(ANSWER_ID, "The documents don't say.", [], abstained=True, nearest=nearest)
    (message,) = views.answer_messages(abstention, "buttons")
    kinds = [block["type"] for block in message.blocks]
    assert kinds == ["section", "divider", "context", "section", "section", "actions", "actions"]
    assert "• <https://docs.example.com/alarms?a=1&amp;b=2|Alarm manual>" in texts(message.blocks)
    assert "accessory" not in message.blocks[3]
    assert message.blocks[4]["accessory"]["value"] == f"{ANSWER_ID} 2"
    assert message.blocks[5]["elements"][0]["action_id"] == "ask_person"


@pytest.mark.parametrize(
    ("modified", "words"),
    [
        (None, ""),
        ("2026-03-10", "updated today"),
        ("2026-03-09", "updated 1 day ago"),
        ("2026-02-20", "updated 2 weeks ago"),
        ("2025-12-01", "updated 3 months ago"),
        ("2024-01-01", "updated 2 years ago"),
    ],
)
def test_a_source_tells_its_age(modified: str | None, words: str) -> None:
    """In the largest unit that fits, counted from the day on which the document was changed."""
    assert views.age(modified, date(2026, 3, 10)) == words


def test_a_limit_says_when_to_try_again() -> None:
    """In the reader's time zone, and in words that say whose limit it is."""
    again = datetime(2026, 3, 10, 14, 5, tzinfo=UTC)
    mine = views.limit_reached(LimitReached(True, 30, again))
    assert "30 questions" in mine
    assert "|14:05 UTC>" in mine
    assert views.limit_reached(LimitReached(False, 900, again)) != mine


def test_long_answers_are_split_at_slacks_limits() -> None:
    """Sections of at most 3,000 characters, messages of few blocks, sources and thumbs at the very end."""
    long = views.AnswerView(ANSWER_ID, "A sentence & more. " * 2000, [source(n) for n in range(1, 31)])
    messages = views.answer_messages(long, "native")
    assert len(messages) > 1
    for message in messages:
        assert len(message.text) <= 4000
        assert len(message.blocks) <= 50
        assert all(len(block["text"]["text"]) <= 3000 for block in message.blocks if block["type"] == "section")
    types = [block["type"] for message in messages for block in message.blocks]
    assert types.count("context_actions") == 1
    assert types[-1] == "context_actions"


def test_a_stopped_answer_keeps_its_words_and_says_why() -> None:
    """What was shown stays, and the reason follows."""
    message = views.stopped_message("Half an ans", "I had to stop.")
    assert "Half an ans" in message.text
    assert "I had to stop." in message.text
    assert texts(message.blocks) == "Half an ans\n:warning: I had to stop."
