"""Which messages are for the bot, and what they want."""

from typing import Any

import pytest

from bot.slack.routing import Change, Identity, change, clean_text, kind_of, route

BOT = Identity(user_id="UBOT", bot_id="BBOT", team_id="T1")


def message(text: str = "what is alarm 4?", **changes: Any) -> dict[str, Any]:
    """A person's message in a channel."""
    event = {
        "type": "message",
        "channel": "C1",
        "channel_type": "channel",
        "user": "U1",
        "ts": "100.1",
        "text": text,
    }
    return {**event, **changes}


def test_a_mention_is_a_question_without_the_mention() -> None:
    """A mention in a channel is for the bot, and its name is no part of the question."""
    found = route(message("<@UBOT> what is alarm 4?", type="app_mention"), "Ev1", BOT)
    assert (found.kind, found.text, found.if_in_thread) == ("question", "what is alarm 4?", False)
    assert found.post is not None
    assert (found.post.channel, found.post.ts, found.post.thread_ts, found.post.person) == (
        "C1",
        "100.1",
        "100.1",
        "U1",
    )


def test_mention_and_message_event_of_one_post_have_the_same_key() -> None:
    """Slack sends both for one post; they are told apart by nothing that matters."""
    text = "<@UBOT> what is alarm 4?"
    by_mention = route(message(text, type="app_mention"), "Ev1", BOT).post
    by_message = route(message(text), "Ev2", BOT).post
    assert by_mention is not None
    assert by_message is not None
    assert (by_mention.channel, by_mention.ts) == (by_message.channel, by_message.ts)


def test_a_direct_message_needs_no_mention() -> None:
    """Everything in a direct message is for the bot."""
    found = route(message(channel="D1", channel_type="im"), "Ev1", BOT)
    assert (found.kind, found.if_in_thread) == ("question", False)
    assert found.post is not None
    assert found.post.direct


def test_a_reply_in_a_thread_is_ours_only_if_we_were_asked_there() -> None:
    """A reply without a mention leaves the decision to the caller, who knows the thread."""
    found = route(message(thread_ts="99.9", ts="100.1"), "Ev1", BOT)
    assert (found.kind, found.if_in_thread) == ("question", True)
    assert found.post is not None
    assert found.post.thread_ts == "99.9"


@pytest.mark.parametrize(
    "event",
    [
        message("good morning"),
        message("<@U2> what is alarm 4?"),
        message("<@U2> what do you think?", thread_ts="99.9"),
        message(":tada:", thread_ts="99.9"),
        message("<@UBOT> hi", bot_id="B9"),
        message("<@UBOT> hi", user="UBOT"),
        message("<@UBOT> hi", user=None),
        message("<@UBOT> hi", user="USLACKBOT"),
        message("<@UBOT> hi", hidden=True),
        *(
            message("<@UBOT> hi", subtype=subtype)
            for subtype in (
                "message_changed",
                "message_deleted",
                "bot_message",
                "channel_join",
                "me_message",
                "new_one",
            )
        ),
    ],
)
def test_what_is_not_for_us_is_ignored(event: dict[str, Any]) -> None:
    """Others' talk, bots, ourselves, edits, joins and subtypes that we do not know are ignored."""
    assert route(event, "Ev1", BOT).kind == "ignored"


def test_a_question_to_the_channel_is_not_addressed() -> None:
    """It is left to the channel's settings; polite words and replies are not."""
    found = route(message(), "Ev1", BOT)
    assert found.post is not None
    assert (found.kind, found.post.addressed) == ("question", False)
    addressed = route(message("<@UBOT> what is alarm 4?"), "Ev1", BOT).post
    assert addressed is not None
    assert addressed.addressed


def test_edits_and_deletions_are_changes_of_a_post() -> None:
    """Both name the post that they change; a thread's root that was deleted leaves a tombstone."""
    edited = message(subtype="message_changed", ts="200.1", message={"ts": "100.1", "text": "<@UBOT> and alarm 5?"})
    assert change(edited, BOT) == Change("C1", "100.1", "and alarm 5?")
    deleted = message(subtype="message_deleted", ts="200.1", deleted_ts="100.1")
    assert change(deleted, BOT) == Change("C1", "100.1", None)
    tombstone = {"ts": "100.1", "text": "This message was deleted.", "subtype": "tombstone"}
    assert change(message(subtype="message_changed", message=tombstone), BOT) == Change("C1", "100.1", None)
    assert change(message(), BOT) is None
    assert change(message(subtype="message_changed", message=None), BOT) is None


@pytest.mark.parametrize("subtype", ["thread_broadcast", "file_share"])
def test_replies_sent_to_the_channel_and_messages_with_files_are_messages(subtype: str) -> None:
    """These subtypes still carry a person's question."""
    assert route(message("<@UBOT> what is this?", subtype=subtype), "Ev1", BOT).kind == "question"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Hi!", "greeting"),
        ("good morning :wave:", "greeting"),
        ("thanks a lot, that was very helpful", "thanks"),
        ("Thank you :pray::skin-tone-2:", "thanks"),
        ("Danke, sehr gut!", "thanks"),
        ("Vielen Dank für die schnelle Hilfe", "thanks"),
        ("that worked, thanks everybody", "thanks"),
        ("Guten Tag zusammen", "greeting"),
        ("danke, und wie hoch ist der Druck", "question"),
        ("thanks, the alarm is off", "question"),
        ("thanks, and what is alarm 5?", "question"),
        ("hello? anyone?", "question"),
        ("hi, alarm 5", "question"),
        ("good", "question"),
        ("42", "question"),
        ("E-1001", "question"),
        ("", "empty"),
        (":wave:", "empty"),
        ("...", "empty"),
    ],
)
def test_small_talk_is_told_from_questions(text: str, kind: str) -> None:
    """Only messages made of nothing but polite words are small talk."""
    assert kind_of(text) == kind


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("<@UBOT>: what is &lt;b&gt; &amp; &amp;lt;?", "what is <b> & &lt;?"),
        ("ask <@UBOT|journeyman> about  it", "ask about it"),
        (
            "<@U2> said <#C1|general> and <!here> and <!subteam^S1|@ops>",
            "@U2 said #general and @here and @ops",
        ),
        (
            "see <https://a.example/x|the page> or <https://b.example>",
            "see the page (https://a.example/x) or https://b.example",
        ),
        ("two\n\n  lines\x00", "two\nlines"),
    ],
)
def test_text_is_what_people_read(raw: str, text: str) -> None:
    """Control sequences become the words that Slack shows in their place; entities are undone once."""
    assert clean_text(raw, BOT) == text
