"""Slack's events as values: each is read once, when it arrives, and travels on as what was read.

The second step of every journey, after Slack's event has arrived (`bot.inbox`). Three kinds of events are for us: a
person's post, the edit or deletion of a post, and a thumb that somebody puts under a message or takes away. Bots,
ourselves, joins and all other subtypes are not for us.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from bot.slack.mrkdwn import unescape

Kind = Literal["question", "greeting", "thanks", "empty"]
Addressee = Literal["bot", "thread", "channel", "somebody"]
"""Whom a post is for: the bot, because it is mentioned or written to directly; those who talk in a thread, the bot
among them if it takes part; whoever reads the channel; or somebody who is named in a reply.
"""
Vote = Literal[1, -1]

THUMBS: dict[str, Vote] = {"+1": 1, "thumbsup": 1, "-1": -1, "thumbsdown": -1}
_SUBTYPES = {None, "thread_broadcast", "file_share"}
_MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")
_CALL = re.compile(_MENTION.pattern + r"\s*[:,]?")  # "@journeyman: what is…"
_OPENING_NAMES = re.compile(rf"^\s*(?:{_MENTION.pattern}[\s,:]*)+")
_TOKEN = re.compile(r"<(?:([@#!])([^<>|]*)|([^<>|]*))(?:\|([^<>]*))?>")
_EMOJI = re.compile(r":[a-z0-9_+'-]+(?:::skin-tone-\d)?:")
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")

_GREETINGS = {
    "hi",
    "hello",
    "hey",
    "hallo",
    "hiya",
    "moin",
    "servus",
    "bonjour",
    "hola",
    "morning",
    "afternoon",
    "evening",
    "tag",
    "abend",
    "morgen",
}
_THANKS = {"thanks", "thank", "thx", "ty", "cheers", "danke", "dank", "dankeschön", "merci", "gracias"}
_FILLERS = frozenset(
    """
    a again all alle alles and answer antwort auch auskunft awesome bot clear cool das die dir doch done dich du
    euch everybody everyone excellent explanation fast für folks for geholfen good got great gut gute guten gutes
    hast hat help helped helpful helps herzlichen hilfe hilfreich i ich ihr info information ist it journeyman jetzt
    klar klasse leute lot lovely mal many me mir morning much nett nice now ok okay perfect perfekt prima quick
    reply right schnelle schnell schön schönen schönes sehr so super team that that's the there this toll top
    understood very viele vielen war was wieder wonderful worked works you your zusammen
    """.split()
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the bot is in its workspace, as `auth.test` says."""

    user_id: str
    bot_id: str | None
    team_id: str


@dataclass(frozen=True, slots=True)
class Post:
    """A person's message. `thread_ts` is the root of its thread, outside of threads the message itself.

    `text` is what people read in it, and `kind` is what that asks for. `event_id` is empty where a post was not read
    from an event: then it is known by its channel and `ts` alone.
    """

    event_id: str
    channel: str
    ts: str
    thread_ts: str
    person: str
    team_id: str
    direct: bool
    addressee: Addressee = "bot"
    text: str = ""
    kind: Kind = "question"

    @property
    def addressed(self) -> bool:
        """Whether the author may count on an answer: the post is for the bot, or for a thread that it may be in."""
        return self.addressee in ("bot", "thread")


@dataclass(frozen=True, slots=True)
class PostChange:
    """A post that its author edited (`text` is what it says now) or deleted (None)."""

    event_id: str
    channel: str
    ts: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Reaction:
    """A thumb that a person put under a message, or took away if it is not `present`. `event_ts` is Slack's time."""

    event_id: str
    channel: str
    message_ts: str
    person: str
    vote: Vote
    present: bool
    event_ts: Decimal


SlackEvent = Post | PostChange | Reaction


def read_event(event: Mapping[str, Any], event_id: str, bot: Identity) -> SlackEvent | None:
    """Reads what an event tells; None if it is not for us."""
    kind = event.get("type")
    if kind in ("reaction_added", "reaction_removed"):
        return read_reaction(event, event_id, bot)
    if kind not in ("message", "app_mention"):
        return None
    return read_change(event, event_id, bot) or read_post(event, event_id, bot)


def read_post(event: Mapping[str, Any], event_id: str, bot: Identity) -> Post | None:
    """Reads the post of a `message` or `app_mention` event; None for one that is not for us.

    Slack sends both events for one post that mentions the bot: the posts differ in nothing but their `event_id`.
    """
    if not _is_by_a_person(event, bot):
        return None
    raw = str(event.get("text") or "")
    addressee = _addressee(event, raw, bot)
    text = clean_reply(raw, bot) if addressee == "somebody" else clean_text(raw, bot)
    kind = kind_of(text)
    if addressee is None or (addressee == "channel" and kind != "question"):
        return None
    return Post(
        event_id=event_id,
        channel=str(event["channel"]),
        ts=str(event["ts"]),
        thread_ts=str(event.get("thread_ts") or event["ts"]),
        person=str(event["user"]),
        team_id=str(event.get("user_team") or event.get("team") or bot.team_id),
        direct=_is_direct(event),
        addressee="somebody" if addressee == "thread" and kind == "empty" else addressee,
        text=text,
        kind=kind,
    )


def read_change(event: Mapping[str, Any], event_id: str, bot: Identity) -> PostChange | None:
    """Reads what a `message` event says about an earlier post; None if it tells of nothing but a new one.

    Slack sends `message_changed` for its own changes, too, such as a link that it unfurled: the text tells.
    """
    channel, subtype = str(event.get("channel")), event.get("subtype")
    if subtype == "message_deleted" and event.get("deleted_ts"):
        return PostChange(event_id, channel, str(event["deleted_ts"]), None)
    message = event.get("message")
    if subtype != "message_changed" or not isinstance(message, Mapping) or not message.get("ts"):
        return None
    if message.get("bot_id") or message.get("user") == bot.user_id:
        return None  # nobody's question; our own answers change every second while they are written
    if message.get("subtype") == "tombstone":  # a thread's root that was deleted
        return PostChange(event_id, channel, str(message["ts"]), None)
    return PostChange(event_id, channel, str(message["ts"]), clean_text(str(message.get("text") or ""), bot))


def read_reaction(event: Mapping[str, Any], event_id: str, bot: Identity) -> Reaction | None:
    """Reads the thumb that a reaction tells of; None for another emoji, our own, and anything but a message."""
    item = event.get("item") or {}
    vote, person = thumb_of(str(event.get("reaction", ""))), event.get("user")
    if vote is None or item.get("type") != "message" or not person or person == bot.user_id:
        return None
    return Reaction(
        event_id=event_id,
        channel=str(item.get("channel", "")),
        message_ts=str(item.get("ts", "")),
        person=str(person),
        vote=vote,
        present=event.get("type") == "reaction_added",
        event_ts=Decimal(str(event.get("event_ts") or "0")),
    )


def thumb_of(emoji: str) -> Vote | None:
    """Reads which vote an emoji stands for, whatever its skin tone; None for one that is no thumb."""
    return THUMBS.get(emoji.split("::")[0])


def clean_text(raw: str, bot: Identity) -> str:
    """Returns the words of a message: without our mention, control sequences as people see them, entities undone."""
    without_us = _CALL.sub(lambda match: " " if match.group(1) == bot.user_id else match.group(), raw)
    readable = _TOKEN.sub(_readable, without_us)
    text = unescape(readable).replace("\x00", "")
    text = text.encode(errors="replace").decode()  # half a surrogate pair is no text to anybody behind us
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def clean_reply(raw: str, bot: Identity) -> str:
    """Returns the words of a reply, without the names that it opens with."""
    return clean_text(_OPENING_NAMES.sub("", raw), bot)


def kind_of(text: str) -> Kind:
    """Tells questions, greetings, thanks and texts without a word apart. With a question mark it is a question."""
    words = {word.lower() for word in _WORD.findall(_EMOJI.sub(" ", text))}
    if not words and not any(character.isalnum() for character in _EMOJI.sub(" ", text)):
        return "empty"
    if "?" in text or not words or not words <= _GREETINGS | _THANKS | _FILLERS:
        return "question"
    if words & _THANKS:
        return "thanks"
    return "greeting" if words & _GREETINGS else "question"


def _is_by_a_person(event: Mapping[str, Any], bot: Identity) -> bool:
    person = event.get("user")
    return (
        event.get("subtype") in _SUBTYPES
        and not event.get("bot_id")
        and not event.get("hidden")
        and bool(person)
        and person not in (bot.user_id, "USLACKBOT")
        and bool(event.get("channel"))
        and bool(event.get("ts"))
    )


def _addressee(event: Mapping[str, Any], raw: str, bot: Identity) -> Addressee | None:
    """Says whom a message is for, as far as its text tells; None if it is for somebody, and in no thread."""
    if _is_direct(event) or event.get("type") == "app_mention" or bot.user_id in _MENTION.findall(raw):
        return "bot"
    in_thread = bool(event.get("thread_ts")) and event["thread_ts"] != event["ts"]
    if _MENTION.match(raw.lstrip()):  # who opens with a name speaks to its bearer
        return "somebody" if in_thread else None
    return "thread" if in_thread else "channel"


def _is_direct(event: Mapping[str, Any]) -> bool:
    return event.get("channel_type") == "im" or str(event["channel"]).startswith("D")


def _readable(token: re.Match[str]) -> str:
    """Returns what people see in place of one of Slack's control sequences."""
    sign, name, address, label = token.groups()
    if sign is None:
        return f"{label} ({address})" if label and label not in address else str(address)
    words = label or name.split("^")[-1]
    return words if words.startswith(("@", "#")) else ("#" if sign == "#" else "@") + words
