"""Markdown to Slack, and nothing that a document says becomes a command to Slack."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.slack.mrkdwn import link, plain, split, to_markdown, to_mrkdwn

HOSTILE = "<!channel> & <@U1> <#C1> <https://evil.example|our bank> <!date^1^x|y>"


@pytest.mark.parametrize("convert", [to_mrkdwn, to_markdown, plain, lambda text: link("https://a.example", text)])
def test_no_control_sequence_survives(convert) -> None:  # type: ignore[no-untyped-def]
    """Mentions, channels, dates and disguised links in a text are shown as the characters that they are."""
    shown = convert(HOSTILE)
    assert not any(sign in shown for sign in ("<!", "<@", "<#", "<https://evil"))
    assert "&lt;!channel&gt; &amp; &lt;@U1&gt;" in shown


@given(st.text())
def test_whatever_the_text_no_angle_bracket_opens(text: str) -> None:
    """Without `<` there is no control sequence in either dialect."""
    assert "<" not in to_mrkdwn(text)
    assert "<" not in to_markdown(text)


@pytest.mark.parametrize(
    ("markdown", "mrkdwn"),
    [
        ("**bold** and __bold__", "*bold* and *bold*"),
        ("# Title\ntext", "*Title*\ntext"),
        ("- one\n* two", "• one\n• two"),
        ("> quoted & cited [1]", "> quoted &amp; cited [1]"),
        ("a [page](https://x.example/a) [1]", "a page (https://x.example/a) [1]"),
        ("`a < **b**` and ```x > y```", "`a &lt; **b**` and ```x &gt; y```"),
        ("2 ** 3 ** 4", "2 ** 3 ** 4"),
    ],
)
def test_markdown_becomes_mrkdwn(markdown: str, mrkdwn: str) -> None:
    """Bold, headings, bullets, quotes and links; code stays as it is."""
    assert to_mrkdwn(markdown) == mrkdwn


def test_links_are_made_of_web_addresses_only() -> None:
    """Another scheme is no link, and an address cannot break out of the link."""
    assert link("javascript:alert(1)", "Manual") == "Manual"
    assert link(None, "Manual") == "Manual"
    assert (
        link("https://a.example/x?a=1&b=|<!channel>", "A|B") == "<https://a.example/x?a=1&amp;b=%7C%3C!channel%3E|A¦B>"
    )


@given(st.text(alphabet="ab. \n&", max_size=400), st.integers(20, 60))
def test_pieces_fit_and_lose_no_word(text: str, limit: int) -> None:
    """Every piece is within the limit and the words are all there, in order."""
    pieces = list(split(to_mrkdwn(text), limit))
    assert all(0 < len(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(to_mrkdwn(text).split())


def test_an_entity_is_not_cut() -> None:
    """`&amp;` at the limit goes to the next piece as a whole."""
    assert list(split("x" * 18 + "&amp;" + "y" * 5, 20)) == ["x" * 18, "&amp;" + "y" * 5]
