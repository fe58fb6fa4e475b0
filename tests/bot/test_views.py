"""From an answer's data to blocks that Slack takes."""

from uuid import UUID

from bot import views
from tests.bot.samples import ANSWER_TEXT, source

ANSWER_ID = UUID(int=7)
ANSWER = views.Shown(ANSWER_ID, ANSWER_TEXT, [source()])


def texts(blocks: list[views.Block]) -> str:
    """Every text in the blocks."""
    found = [block["text"]["text"] for block in blocks if block["type"] == "section"]
    return "\n".join(found)


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
    blocks = views.source_blocks([hostile])
    assert "<" not in texts(blocks)
    assert "&lt;!channel&gt; &amp; co › &lt;@U1&gt;" in texts(blocks)


def test_a_quote_that_the_answer_shows_is_not_said_twice() -> None:
    """The source's quote is left out where the text above already has it."""
    quoted = source(quote="The probe did not contact the workpiece. … Move it closer.")
    assert "\n>" not in texts(
        views.source_blocks([quoted], "> The probe did not\n> contact the workpiece. [1]\n> Move it closer. [1]\n")
    )
    assert "\n>" in texts(views.source_blocks([quoted], "> Move it closer. [1]\n"))


def test_a_source_without_a_link_names_its_file() -> None:
    """So that a person finds it; where there is a link, that is enough."""
    assert "Alarm manual › Alarms &gt; Probe (alarms.md)" in texts(views.source_blocks([source(url=None)]))
    assert "(alarms.md)" not in texts(views.source_blocks([source()]))


def test_an_abstention_has_thumbs_and_no_sources() -> None:
    """Whoever is told that the documents don't say can still say that they do."""
    abstention = views.Shown(ANSWER_ID, "The documents don't say.", [])
    (message,) = views.answer_messages(abstention, "buttons")
    assert [block["type"] for block in message.blocks] == ["section", "actions"]


def test_long_answers_are_split_at_slacks_limits() -> None:
    """Sections of at most 3,000 characters, messages of few blocks, sources and thumbs at the very end."""
    long = views.Shown(ANSWER_ID, "A sentence & more. " * 2000, [source(n) for n in range(1, 31)])
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
