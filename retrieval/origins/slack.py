"""What people have written in Slack: an export of the workspace, or the messages that are pinned in a channel.

slack-export:PATH is an export as Slack makes it, a ZIP file or a folder: a document for each day of a channel, its
threads together. slack-pins:CHANNEL is one document. What bots wrote is left out: an answer of ours is no source.
"""

import json
import re
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from retrieval.loading.blocks import LoadError
from retrieval.origins import Access, Address, Fetched, Gone, Listing, SourceItem, Unreachable, too_large

MAX_FILE, MAX_CHANNEL, MAX_EXPORT = 100_000_000, 500_000_000, 10_000_000_000
"""Bytes, unpacked, of one day of a channel, of all of its days, which are in memory together without what is not shown,
and of an export.
"""

Message = Mapping[str, Any]

_SHOWN = ("user", "text", "ts", "thread_ts")
USERS = "users.json"
_DAY = re.compile(r"(?P<channel>[^/]+)/\d{4}-\d\d-\d\d\.json")
_REFERENCE = re.compile(r"<([@#!])?([^<>|]+)(?:\|([^<>]*))?>")
_ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
_HEADING = re.compile(r"^(#{1,6}\s)", re.MULTILINE)


@contextmanager
def open_export(source: Address, access: Access) -> Iterator["Export"]:
    """Opens the channels of an export."""
    path = Path(source.uri.removeprefix("slack-export:"))
    with ExitStack() as stack:
        try:
            files = _in_folder(path) if path.is_dir() else _in_archive(stack.enter_context(zipfile.ZipFile(path)))
        except OSError as error:
            raise Unreachable(f"the export cannot be read ({error.strerror})") from error
        except zipfile.BadZipFile as error:
            raise Unreachable("the export is neither a ZIP file nor a folder") from error
        yield Export(files)


@contextmanager
def open_pins(source: Address, access: Access) -> Iterator["Pins"]:
    """The pinned messages of a channel."""
    channel = source.uri.removeprefix("slack-pins:")
    if access.pinned is None:
        raise Unreachable("Slack is not set up: set SLACK_BOT_TOKEN")
    yield Pins(channel, access.pinned)


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of an export that are looked at, with their sizes, and how one is read."""

    sizes: Mapping[str, int]
    read: Callable[[str], bytes]


@dataclass(slots=True)
class Export:
    """An export's channels, a document a day. Its `listing` comes first. One channel is in memory at a time: it is read
    again when the first of its documents is fetched.
    """

    files: _Files
    names: Mapping[str, str] = field(default_factory=dict)
    channels: dict[str, list[str]] = field(default_factory=dict)
    at_hand: tuple[str | None, Mapping[str, bytes]] = (None, MappingProxyType({}))

    def listing(self, index_names: Collection[str]) -> Listing:
        """A document for each day on which a conversation began. A channel with a broken day stays as it is."""
        size = sum(self.files.sizes.values())
        if size > MAX_EXPORT:
            raise Unreachable(f"it unpacks to {size / 1e9:.0f} GB, and {MAX_EXPORT / 1e9:.0f} GB are read: split it")
        self.names = _names(self.files.read(USERS)) if self.files.sizes.get(USERS, MAX_FILE) < MAX_FILE else {}
        self.channels = _days_by_channel(self.files.sizes)
        items: dict[str, SourceItem] = {}
        unreadable: dict[str, str] = {}
        for channel in self.channels:
            try:
                items |= {name: SourceItem(name) for name in sorted(self._documents(channel))}
            except LoadError as error:
                unreadable[channel] = str(error)
        if not items and not unreadable:
            raise Unreachable("it holds no messages: is this an export of Slack?")
        return Listing(items, unreadable)

    def fetch(self, item: SourceItem, since: str | None, max_bytes: int) -> Fetched | None:
        """The conversations of a day as Markdown."""
        data = self._documents(item.name.rpartition("/")[0]).get(item.name)
        if data is None:
            raise Gone
        if len(data) > max_bytes:
            raise too_large(max_bytes)
        return Fetched(data, datetime.fromisoformat(Path(item.name).stem).replace(tzinfo=UTC), None, ".md")

    def _documents(self, channel: str) -> Mapping[str, bytes]:
        """A channel's documents by name. Raises LoadError if one of its days is broken, or all are too much."""
        if self.at_hand[0] != channel:
            size = sum(self.files.sizes[path] for path in self.channels[channel])
            if size > MAX_CHANNEL:
                raise too_large(MAX_CHANNEL)
            messages = [message for path in self.channels[channel] for message in self._messages(path)]
            days = _by_day(messages).items()
            self.at_hand = (
                channel,
                {
                    f"{channel}/{day}.md": document(f"#{channel}, {day}", conversations, self.names)
                    for day, conversations in days
                },
            )
        return self.at_hand[1]

    def _messages(self, path: str) -> list[Message]:
        """What people wrote in a day of a channel, no more of it than is shown."""
        if self.files.sizes[path] > MAX_FILE:
            raise too_large(MAX_FILE)
        try:
            return [_slim(message) for message in json.loads(self.files.read(path)) if _is_persons(message)]
        except (OSError, zipfile.BadZipFile, zlib.error) as error:
            raise LoadError(f"{path} cannot be read ({type(error).__name__})") from error
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise LoadError(f"{path} is no day of an export ({type(error).__name__})") from error


@dataclass(frozen=True, slots=True)
class Pins:
    """A source of one document: what is pinned in a channel, the oldest first."""

    channel: str
    pinned: Callable[[str], Sequence[Message]]

    def listing(self, index_names: Collection[str]) -> Listing:
        """The document itself."""
        name = f"pinned in {self.channel}"
        return Listing({name: SourceItem(name)})

    def fetch(self, item: SourceItem, since: str | None, max_bytes: int) -> Fetched | None:
        """The messages as Markdown. Raises Unreachable if Slack does not give them."""
        messages = sorted(filter(_is_persons, self.pinned(self.channel)), key=_time)
        if not messages:
            raise LoadError("nothing is pinned there")
        data = document(item.name.capitalize(), [[message] for message in messages], {})
        if len(data) > max_bytes:
            raise too_large(max_bytes)
        return Fetched(data, _moment(messages[-1]), None, ".md")


def document(title: str, conversations: Sequence[Sequence[Message]], names: Mapping[str, str]) -> bytes:
    """Conversations as Markdown: each a section under the time of its first message."""
    lines = [f"# {title}"]
    for conversation in conversations:
        first = conversation[0]
        lines += ["", f"## {_author(first, names)}, {_moment(first):%Y-%m-%d %H:%M}", "", _text(first, names)]
        for reply in conversation[1:]:
            lines += ["", f"{_author(reply, names)}: {_text(reply, names)}"]
    return "\n".join([*lines, ""]).encode()


def _by_day(messages: Sequence[Message]) -> dict[str, list[list[Message]]]:
    """Conversations, a message with its replies, by the day on which they began."""
    threads: dict[str, list[Message]] = defaultdict(list)
    for message in messages:
        threads[str(message.get("thread_ts") or message["ts"])].append(message)
    days: dict[str, list[list[Message]]] = defaultdict(list)
    for conversation in sorted(threads.values(), key=lambda thread: min(map(_time, thread))):
        conversation.sort(key=_time)
        days[f"{_moment(conversation[0]):%Y-%m-%d}"].append(conversation)
    return days


def _is_persons(message: Message) -> bool:
    """Whether a person wrote it: no bot, and no notice that somebody joined. Files and edits have subtypes, too."""
    is_post = message.get("subtype") in (None, "file_share", "thread_broadcast", "me_message")
    return is_post and not message.get("bot_id") and bool(str(message.get("text", "")).strip())


def _time(message: Message) -> float:
    return float(message["ts"])


def _moment(message: Message) -> datetime:
    return datetime.fromtimestamp(_time(message), UTC)


def _author(message: Message, names: Mapping[str, str]) -> str:
    profile = message.get("user_profile") or {}
    user = str(message.get("user", ""))
    return names.get(user) or str(profile.get("real_name") or profile.get("name") or user or "somebody")


def _text(message: Message, names: Mapping[str, str]) -> str:
    """A message's words: people and channels by name, links as Markdown, no heading of its own."""

    def shown(match: re.Match[str]) -> str:
        sign, target, label = match.groups()
        if sign == "@":
            return "@" + (names.get(target) or label or target)
        if sign:
            return ("#" if sign == "#" else "@") + (label or target).removeprefix("subteam^")
        return f"[{label}]({target})" if label else target

    text = _REFERENCE.sub(shown, str(message.get("text", "")))
    for entity, sign in _ENTITIES.items():
        text = text.replace(entity, sign)
    return _HEADING.sub(r"\\\1", text)


def _slim(message: Message) -> Message:
    """The parts of a message that are shown. Raises an error if it has no time."""
    _moment(message)
    profile = message.get("user_profile") or {}
    names = {"user_profile": {key: profile.get(key) for key in ("real_name", "name")}} if profile else {}
    return {key: message[key] for key in _SHOWN if key in message} | names


def _names(data: bytes) -> dict[str, str]:
    try:
        users = json.loads(data)
    except ValueError:
        return {}
    members = [user for user in users if "id" in user]
    return {str(user["id"]): str(user.get("real_name") or user.get("name") or user["id"]) for user in members}


def _days_by_channel(paths: Collection[str]) -> dict[str, list[str]]:
    days: dict[str, list[str]] = defaultdict(list)
    for path in sorted(paths):
        if match := _DAY.fullmatch(path):
            days[match["channel"]].append(path)
    return dict(days)


def _is_read(path: str) -> bool:
    """Whether a file of an export is one of those that we need."""
    return path == USERS or _DAY.fullmatch(path) is not None


def _in_folder(folder: Path) -> _Files:
    """A folder's files, but not through links that lead out of it."""
    root = folder.resolve()
    paths = {path.relative_to(folder).as_posix(): path for path in (folder / USERS, *folder.glob("*/*.json"))}
    sizes = {
        name: path.stat().st_size
        for name, path in paths.items()
        if _is_read(name) and path.is_file() and path.resolve().is_relative_to(root)
    }
    return _Files(sizes, lambda name: paths[name].read_bytes())


def _in_archive(archive: zipfile.ZipFile) -> _Files:
    """An archive's files. `zipfile` unpacks no more of one than the size that stands in its entry."""
    sizes = {entry.filename: entry.file_size for entry in archive.infolist() if _is_read(entry.filename)}
    return _Files(sizes, archive.read)
