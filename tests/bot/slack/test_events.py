"""Which messages are for the bot, and what they want."""

from typing import Any

import pytest

from bot.slack.events import Identity, Post, PostChange, clean_text, kind_of, read_change, read_event, read_post

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


def read(event: dict[str, Any]) -> Post:
    """The post in an event that is for us."""
    post = read_post(event, "Ev1", BOT)
    assert post is not None
    return post


def test_a_mention_is_a_question_without_the_mention() -> None:
    """A mention in a channel is for the bot, and its name is no part of the question."""
    post = read(message("<@UBOT> what is alarm 4?", type="app_mention"))
    assert (post.kind, post.text, post.addressee) == ("question", "what is alarm 4?", "bot")
    assert (post.channel, post.ts, post.thread_ts, post.person) == ("C1", "100.1", "100.1", "U1")


def test_mention_and_message_event_of_one_post_have_the_same_key() -> None:
    """Slack sends both for one post; they are told apart by nothing that matters."""
    text = "<@UBOT> what is alarm 4?"
    by_mention, by_message = read(message(text, type="app_mention")), read(message(text))
    assert (by_mention.channel, by_mention.ts) == (by_message.channel, by_message.ts)


def test_a_direct_message_needs_no_mention() -> None:
    """Everything in a direct message is for the bot."""
    post = read(message(channel="D1", channel_type="im"))
    assert (post.kind, post.addressee) == ("question", "bot")
    assert post.direct


def test_a_reply_in_a_thread_is_ours_only_if_we_were_asked_there() -> None:
    """A reply without a mention leaves the decision to the caller, who knows the thread."""
    post = read(message(thread_ts="99.9", ts="100.1"))
    assert (post.kind, post.addressee, post.addressed) == ("question", "thread", True)
    assert post.thread_ts == "99.9"


@pytest.mark.parametrize(
    "event",
    [
        message("good morning"),
        message("<@U2> what is alarm 4?"),
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
    assert read_post(event, "Ev1", BOT) is None


@pytest.mark.parametrize("text", ["<@U2> what do you think?", ":tada:"])
def test_a_reply_to_somebody_else_is_not_for_us(text: str) -> None:
    """It may be an expert's reply to the asker, and is no question to the bot; its text has no name in front."""
    post = read(message(text, thread_ts="99.9"))
    assert (post.addressee, post.addressed) == ("somebody", False)
    assert not post.text.startswith("@U2")


def test_a_question_to_the_channel_is_not_addressed() -> None:
    """It is left to the channel's settings; polite words and replies are not."""
    post = read(message())
    assert (post.kind, post.addressee, post.addressed) == ("question", "channel", False)
    assert read(message("<@UBOT> what is alarm 4?")).addressed


def test_edits_and_deletions_are_changes_of_a_post() -> None:
    """Both name the post that they change; a thread's root that was deleted leaves a tombstone."""
    edited = message(subtype="message_changed", ts="200.1", message={"ts": "100.1", "text": "<@UBOT> and alarm 5?"})
    assert read_event(edited, "Ev1", BOT) == PostChange("Ev1", "C1", "100.1", "and alarm 5?")
    deleted = message(subtype="message_deleted", ts="200.1", deleted_ts="100.1")
    assert read_event(deleted, "Ev1", BOT) == PostChange("Ev1", "C1", "100.1", None)
    tombstone = {"ts": "100.1", "text": "This message was deleted.", "subtype": "tombstone"}
    gone = message(subtype="message_changed", message=tombstone)
    assert read_event(gone, "Ev1", BOT) == PostChange("Ev1", "C1", "100.1", None)
    assert read_change(message(), "Ev1", BOT) is None
    assert read_event(message(subtype="message_changed", message=None), "Ev1", BOT) is None


@pytest.mark.parametrize("subtype", ["thread_broadcast", "file_share"])
def test_replies_sent_to_the_channel_and_messages_with_files_are_messages(subtype: str) -> None:
    """These subtypes still carry a person's question."""
    assert read(message("<@UBOT> what is this?", subtype=subtype)).kind == "question"


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
