"""What the people of the workspace do: the half of `Workspace` that a test acts with.

Every act changes the workspace as Slack would, sends the app what Slack would send, and returns at once.
"""

import re
import uuid
from collections.abc import Mapping
from typing import Any

from tests.slack_workspace import events, interactions, responses
from tests.slack_workspace.courier import Courier, Delivery
from tests.slack_workspace.interactions import Impossible
from tests.slack_workspace.methods import chat, reactions
from tests.slack_workspace.model import Channel, Json, Message, Person, Stream, View
from tests.slack_workspace.refusal import Refusal
from tests.slack_workspace.state import State

_SLACK_TOKENS = re.compile(r"(<(?:[@#!][^<>]+|https?://[^<>]+|mailto:[^<>]+)>)")


def as_sent(text: str) -> str:
    """A text as Slack sends it when a person types it: &, < and > escaped, mentions and links left alone."""
    pieces = _SLACK_TOKENS.split(text)
    escaped = (p.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for p in pieces[::2])
    return "".join(piece for pair in zip(escaped, [*pieces[1::2], ""], strict=True) for piece in pair)


def _rich_text(text: str) -> list[Json]:
    """The block that Slack's editor makes of a message, with the text as one run."""
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
    return [{"type": "rich_text", "block_id": uuid.uuid4().hex[:5], "elements": [section]}]


class People:
    """Acts of people. A person is given by id, name or `Person`; a channel by id, name or `Channel`."""

    def __init__(self, state: State, courier: Courier) -> None:
        self.state = state
        self.courier = courier

    def add_person(self, name: str, **fields: Any) -> Person:
        """A new member; fields as in `Person` (real_name, email, is_admin, id, ...)."""
        with self.state.lock():
            return self.state.add_person(name, **fields)

    def add_channel(self, name: str, *members: Person | str, private: bool = False, app: bool = True) -> Channel:
        """A new channel with these members, and the app unless `app` is False."""
        with self.state.lock():
            ids = {self._person(member).id for member in members}
            creator = next(iter(ids), self.state.app.bot_user_id)
            bot = {self.state.app.bot_user_id} if app else set()
            return self.state.add_channel(name, "group" if private else "channel", ids | bot, creator)

    def group_message(self, *members: Person | str) -> Channel:
        """A direct message between several people and the app."""
        with self.state.lock():
            people = [self._person(member) for member in members]
            name = "mpdm-" + "--".join(person.name for person in people) + "-1"
            ids = {person.id for person in people} | {self.state.app.bot_user_id}
            return self.state.add_channel(name, "mpim", ids, people[0].id)

    def add_usergroup(self, group_id: str, *members: Person | str) -> None:
        with self.state.lock():
            self.state.usergroups[group_id] = [self._person(member).id for member in members]

    def direct_message(self, user: Person | str) -> Channel:
        """The conversation between a person and the app."""
        with self.state.lock():
            return self.state.direct_message(self._person(user).id)

    def _person(self, ref: Person | str) -> Person:
        return ref if isinstance(ref, Person) else self.state.person(ref)

    def _place(self, user: Person | str, ref: Channel | str) -> tuple[Person, Channel]:
        """A person and a channel that they are in. Raises Impossible."""
        person = self._person(user)
        channel = ref if isinstance(ref, Channel) else self.state.channel(ref)
        if person.id not in channel.members:
            raise Impossible(f"{person.name} is not in {channel.name or channel.id}.")
        return person, channel

    def invite_app(self, channel: Channel | str, by: Person | str) -> None:
        """A person adds the app to a channel (member_joined_channel)."""
        with self.state.lock():
            person, place = self._place(by, channel)
            place.members.add(self.state.app.bot_user_id)
            self._joined(place, self.state.app.bot_user_id, person.id)

    def join(self, user: Person | str, channel: Channel | str) -> None:
        """A person joins a public channel."""
        with self.state.lock():
            place = channel if isinstance(channel, Channel) else self.state.channel(channel)
            if place.kind != "channel":
                raise Impossible("Only a public channel can be joined.")
            person = self._person(user)
            place.members.add(person.id)
            self._joined(place, person.id, None)

    def _joined(self, channel: Channel, user: str, inviter: str | None) -> None:
        """member_joined_channel, and the channel_join message that Slack writes into the channel."""
        text = f"<@{user}> has joined the channel"
        message = Message(channel.id, self.state.next_ts(), user, text, subtype="channel_join")
        message.remember("posted")
        channel.messages.append(message)
        event = {
            "type": "member_joined_channel",
            "user": user,
            "channel": channel.id,
            "channel_type": channel.id[0],
            "team": self.state.app.team_id,
            "event_ts": self.state.next_ts(),
        }
        events.message_posted(self.state, channel, message)
        events.emit(self.state, event | ({"inviter": inviter} if inviter else {}))

    def remove_app(self, channel: Channel | str) -> None:
        with self.state.lock():
            place = channel if isinstance(channel, Channel) else self.state.channel(channel)
            place.members.discard(self.state.app.bot_user_id)

    def post(
        self,
        user: Person | str,
        channel: Channel | str,
        text: str,
        thread_ts: str | None = None,
        *,
        app_context: Json | None = None,
    ) -> Message:
        """A person writes `text` as they type it; a mention is written <@ID> (see `Workspace.mention`)."""
        with self.state.lock():
            person, place = self._place(user, channel)
            root = self.state.thread_root(place, thread_ts) if thread_ts else None
            sent = as_sent(text)
            message = Message(
                channel=place.id,
                ts=self.state.next_ts(),
                user=person.id,
                text=sent,
                blocks=_rich_text(text),
                thread_ts=thread_ts,
                parent_user_id=root.user if root else None,
                client_msg_id=str(uuid.uuid4()),
                app_context=app_context,
            )
            message.remember("posted")
            place.messages.append(message)
            events.message_posted(self.state, place, message)
            return message

    def post_as_another_app(self, channel: Channel | str, text: str, thread_ts: str | None = None) -> Message:
        """Another app of the workspace writes, such as an alert."""
        with self.state.lock():
            place = channel if isinstance(channel, Channel) else self.state.channel(channel)
            message = Message(place.id, self.state.next_ts(), "U0OTHERBOT", text, thread_ts=thread_ts)
            message.bot_id, message.app_id = "B0OTHERBOT", "A0OTHERAPP"
            message.remember("posted")
            place.messages.append(message)
            events.message_posted(self.state, place, message)
            return message

    def edit(self, message: Message, text: str) -> None:
        """The author changes their message."""
        with self.state.lock():
            channel = self.state.channels[message.channel]
            previous = self.state.shown(message)
            message.text, message.blocks = as_sent(text), _rich_text(text)
            message.edited = {"user": message.user, "ts": self.state.next_ts()}
            message.remember("edited")
            events.message_changed(self.state, channel, message, previous)

    def delete(self, message: Message) -> None:
        """The author (or an admin) deletes a message."""
        with self.state.lock():
            chat.erase_message(self.state, self.state.channels[message.channel], message)

    def react(self, user: Person | str, message: Message, name: str) -> None:
        with self.state.lock():
            person, channel = self._place(user, message.channel)
            reactions.react(self.state, channel, message, person.id, name)

    def unreact(self, user: Person | str, message: Message, name: str) -> None:
        with self.state.lock():
            person, channel = self._place(user, message.channel)
            reactions.unreact(self.state, channel, message, person.id, name)

    def press(self, user: Person | str, where: Message | View, action_id: str, value: Any = None) -> Delivery:
        """A person presses a button or makes a choice. Raises Impossible where they cannot.

        `value` is the value of an option; for feedback buttons it is `positive` or `negative`.
        """
        with self.state.lock():
            person = self._person(user)
            if isinstance(where, View):
                self._check_before(person, where)
                payload = interactions.press_in_view(self.state, person, where, action_id, value)
            else:
                _, channel = self._place(person, where.channel)
                if where.deleted or where.ephemeral_to not in (None, person.id):
                    raise Impossible(f"{person.name} does not see this message.")
                payload = interactions.press_in_message(self.state, person, channel, where, action_id, value)
        return self.courier.deliver(Delivery("interactive", payload))

    def _check_before(self, person: Person, view: View) -> None:
        stack = self.state.modals.get(person.id, [])
        if view is not self.state.homes.get(person.id) and (not stack or stack[-1] is not view):
            raise Impossible(f"{person.name} does not have this view before them.")

    def slash(self, user: Person | str, channel: Channel | str, command: str, text: str = "") -> Delivery:
        """A person types a slash command; what the app answers at once is posted."""
        with self.state.lock():
            person, place = self._place(user, channel)
            known = self.state.commands
            if "commands" not in self.state.scopes or (known is not None and command not in known):
                raise Impossible(f"{command} is not a valid command.")
            payload = interactions.command(self.state, person, place, command, text)

            def post_response(response: Any) -> None:
                responses.post_command_response(self.state, place, person.id, response)

        return self.courier.deliver(Delivery("slash_commands", payload, on_response=post_response))

    def shortcut(self, user: Person | str, callback_id: str, message: Message | None = None) -> Delivery:
        """A person uses a global shortcut, or a message shortcut on `message`."""
        with self.state.lock():
            person = self._person(user)
            channel = self._place(person, message.channel)[1] if message else None
            payload = interactions.shortcut(self.state, person, callback_id, channel, message)
        return self.courier.deliver(Delivery("interactive", payload))

    def submit(self, user: Person | str, view: View, values: Mapping[str, Any]) -> Delivery:
        """A person submits a modal, `values` by action id or block id. Raises Impossible where they cannot.

        When the app has acknowledged, the modal is closed, changed, or shows `view.errors`; without an
        acknowledgement it stays, with `view.failure`.
        """
        with self.state.lock():
            person = self._person(user)
            self._check_before(person, view)
            view.errors, view.failure = {}, None
            payload = interactions.submission(self.state, person, view, values)

            def respond(response: Any) -> None:
                responses.apply_view_response(self.state, view, response)

            def fail(reason: str) -> None:
                view.failure = reason

        return self.courier.deliver(Delivery("interactive", payload, on_response=respond, on_failure=fail))

    def close(self, user: Person | str, view: View, *, everything: bool = False) -> Delivery | None:
        """A person closes a modal, or the whole stack. The app hears of it where it set notify_on_close."""
        with self.state.lock():
            person = self._person(user)
            self._check_before(person, view)
            stack = self.state.modals[person.id]
            del stack[0 if everything else -1 :]
            if not view.source.get("notify_on_close"):
                return None
            payload = interactions.closing(self.state, person, view, cleared=everything)
        return self.courier.deliver(Delivery("interactive", payload))

    def open_home(self, user: Person | str, tab: str = "home") -> None:
        """A person opens the app's Home or Messages tab (app_home_opened)."""
        with self.state.lock():
            person = self._person(user)
            event: Json = {
                "type": "app_home_opened",
                "user": person.id,
                "channel": self.state.direct_message(person.id).id,
                "tab": tab,
                "event_ts": self.state.next_ts(),
            }
            home = self.state.homes.get(person.id)
            if tab == "home" and home is not None:
                event["view"] = home.to_slack(self.state.app)
            events.emit(self.state, event)

    def look_at(self, user: Person | str, channel: Channel | None) -> None:
        """A person goes to another channel with the app beside it (app_context_changed)."""
        with self.state.lock():
            person, team = self._person(user), self.state.app.team_id
            entities = [{"type": "slack#/types/channel_id", "value": channel.id, "team_id": team}] if channel else []
            event = {
                "type": "app_context_changed",
                "user": person.id,
                "channel": self.state.direct_message(person.id).id,
                "context": {"entities": entities} if entities else {},
                "event_ts": self.state.next_ts(),
            }
            events.emit(self.state, event)

    def stop_streaming(self, message: Message) -> None:
        """A person presses Stop below an answer that is being streamed."""
        self._end_stream(message, "stopped")

    def expire_stream(self, message: Message) -> None:
        """Slack ends a stream that was silent for too long."""
        self._end_stream(message, "expired")

    def _end_stream(self, message: Message, how: str) -> None:
        with self.state.lock():
            stream: Stream | None = message.stream
            if stream is None or stream.state != "in_progress":
                raise Impossible("The message is not being streamed.")
            stream.state = "stopped" if how == "stopped" else "expired"
            message.remember(f"stream {how}")

    def deliver_again(self, what: Delivery | Message) -> list[Delivery]:
        """Bring the same events again, with the same event ids, as when an acknowledgement got lost."""
        with self.state.lock():
            found = [what] if isinstance(what, Delivery) else self._events_of(what)
            again = [Delivery(delivery.kind, delivery.payload) for delivery in found]
        if not again:
            raise Refusal("no_event")
        return [self.courier.deliver(delivery) for delivery in again]

    def _events_of(self, message: Message) -> list[Delivery]:
        return [
            d
            for d in self.courier.deliveries
            if d.event.get("channel") == message.channel and d.event.get("ts") == message.ts
        ]
