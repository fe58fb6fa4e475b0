"""Is this message for us, and what does it want? A pure function from a Slack event to a route.

The second step of a question's journey, after Slack's event was acknowledged. Addressed are: a message that
mentions the bot, every direct message, and a reply in a thread where the bot was asked (`if_in_thread`: the
caller looks that up). Other messages may be questions to the whole channel; its settings say whether they are for us.
Bots, ourselves, joins and all other subtypes are not for us; edits and deletions are read by `change`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from bot.slack.mrkdwn import unescape

Kind = Literal["question", "greeting", "thanks", "empty", "ignored"]

_SUBTYPES = {None, "thread_broadcast", "file_share"}
_MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")
_CALL = re.compile(_MENTION.pattern + r"\s*[:,]?")  # "@journeyman: what is…"
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
    """A person's message. `thread_ts` is the root of its thread, outside of threads the message itself."""

    event_id: str
    channel: str
    ts: str
    thread_ts: str
    person: str
    team_id: str
    direct: bool
    addressed: bool = True


@dataclass(frozen=True, slots=True)
class Route:
    """What to do with a post. `if_in_thread`: only if the bot was asked in this thread before.

    A post that is not `addressed` to the bot is for it only where its channel wants every question answered.
    """

    kind: Kind
    post: Post | None = None
    text: str = ""
    if_in_thread: bool = False


IGNORED = Route("ignored")


def route(event: Mapping[str, Any], event_id: str, bot: Identity) -> Route:
    """The route of a `message` or `app_mention` event; both events of one post have the same `post.ts`."""
    if not _from_a_person(event, bot):
        return IGNORED
    post = _post(event, event_id, bot)
    raw = str(event.get("text") or "")
    mentioned = _mentions(raw, bot) or event.get("type") == "app_mention"
    reply = bool(event.get("thread_ts")) and event["thread_ts"] != event["ts"]
    called = mentioned or post.direct
    if not called and _speaks_to_somebody_else(raw):
        return IGNORED
    text = clean_text(raw, bot)
    kind = kind_of(text)
    if called or (reply and kind != "empty"):
        return Route(kind, post, text, if_in_thread=not called)
    if not reply and kind == "question":
        return Route(kind, replace(post, addressed=False), text)
    return IGNORED


@dataclass(frozen=True, slots=True)
class Change:
    """A post that its author edited (`text` is what it says now) or deleted (None)."""

    channel: str
    ts: str
    text: str | None


def change(event: Mapping[str, Any], bot: Identity) -> Change | None:
    """What a `message` event says about an earlier post; None if it tells of nothing else than a new one.

    Slack sends `message_changed` for its own changes, too, such as a link that it unfurled: the text tells.
    """
    channel, subtype = event.get("channel"), event.get("subtype")
    if subtype == "message_deleted" and event.get("deleted_ts"):
        return Change(str(channel), str(event["deleted_ts"]), None)
    message = event.get("message")
    if subtype != "message_changed" or not isinstance(message, Mapping) or not message.get("ts"):
        return None
    if message.get("bot_id") or message.get("user") == bot.user_id:
        return None  # nobody's question; our own answers change every second while they are written
    if message.get("subtype") == "tombstone":  # a thread's root that was deleted
        return Change(str(channel), str(message["ts"]), None)
    return Change(str(channel), str(message["ts"]), clean_text(str(message.get("text") or ""), bot))


def clean_text(raw: str, bot: Identity) -> str:
    """The words of a message: without our mention, control sequences as people see them, entities undone."""
    without_us = _CALL.sub(lambda found: " " if found.group(1) == bot.user_id else found.group(), raw)
    shown = _TOKEN.sub(_shown, without_us)
    text = unescape(shown).replace("\x00", "")
    text = text.encode(errors="replace").decode()  # half a surrogate pair is no text to anybody behind us
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def kind_of(text: str) -> Kind:
    """Question, greeting, thanks, or empty (no word in it). With a question mark it is a question."""
    words = {word.lower() for word in _WORD.findall(_EMOJI.sub(" ", text))}
    if not words and not any(character.isalnum() for character in _EMOJI.sub(" ", text)):
        return "empty"
    if "?" in text or not words or not words <= _GREETINGS | _THANKS | _FILLERS:
        return "question"
    if words & _THANKS:
        return "thanks"
    return "greeting" if words & _GREETINGS else "question"


def _from_a_person(event: Mapping[str, Any], bot: Identity) -> bool:
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


def _post(event: Mapping[str, Any], event_id: str, bot: Identity) -> Post:
    channel = str(event["channel"])
    return Post(
        event_id=event_id,
        channel=channel,
        ts=str(event["ts"]),
        thread_ts=str(event.get("thread_ts") or event["ts"]),
        person=str(event["user"]),
        team_id=str(event.get("user_team") or event.get("team") or bot.team_id),
        direct=event.get("channel_type") == "im" or channel.startswith("D"),
    )


def _mentions(raw: str, bot: Identity) -> bool:
    return any(found == bot.user_id for found in _MENTION.findall(raw))


def _speaks_to_somebody_else(raw: str) -> bool:
    """In a thread, a reply that opens with somebody's name is for them."""
    return _MENTION.match(raw.lstrip()) is not None


def _shown(found: re.Match[str]) -> str:
    sign, name, address, label = found.groups()
    if sign is None:
        return f"{label} ({address})" if label and label not in address else str(address)
    shown = label or name.split("^")[-1]
    return shown if shown.startswith(("@", "#")) else ("#" if sign == "#" else "@") + shown
