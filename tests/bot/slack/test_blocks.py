"""The pieces of Block Kit: what Slack gets for them."""

from bot.slack.blocks import amount, button, confirmation, field, modal, shortened, text_input


def test_a_text_is_cut_to_what_slack_takes() -> None:
    """With an ellipsis, and no space before it."""
    assert shortened("four words are here", 10) == "four word…"
    assert shortened("four words are here", 11) == "four words…"
    assert shortened("short", 5) == "short"


def test_numbers_of_things_are_said() -> None:
    """One thing, or none and several."""
    assert [amount(number, "document") for number in (0, 1, 2)] == ["0 documents", "1 document", "2 documents"]


def test_a_modal_is_a_form_once_it_can_be_sent() -> None:
    """Without a button to send it, it only shows something."""
    assert "submit" not in modal("Passage", [])
    form = modal("Review", [field("answer", "The answer", text_input(10))], submit="Approve", callback_id="review")
    assert (form["submit"]["text"], form["callback_id"]) == ("Approve", "review")
    (answer,) = form["blocks"]
    assert answer["block_id"] == answer["element"]["action_id"] == "answer"


def test_a_button_asks_before_it_acts() -> None:
    """What it asks is plain text, as Slack wants it."""
    confirm = confirmation("Cancel?", "It stops.", "Cancel", "Go on", style="danger")
    pressed = button("Cancel", "cancel", "7", confirm=confirm)
    assert pressed["confirm"]["deny"] == {"type": "plain_text", "text": "Go on"}
    assert (pressed["confirm"]["style"], pressed["value"]) == ("danger", "7")
