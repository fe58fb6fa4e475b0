"""chat.postMessage, update, delete, postEphemeral, getPermalink. https://docs.slack.dev/reference/methods#chat"""

from dataclasses import dataclass, field
from typing import Any

from tests.slack_workspace import events
from tests.slack_workspace.arguments import Arguments
from tests.slack_workspace.block_kit import MARKDOWN_LIMIT, accept_blocks
from tests.slack_workspace.methods.assistant import clear_status
from tests.slack_workspace.model import Channel, Json, Message
from tests.slack_workspace.refusal import Refusal
from tests.slack_workspace.state import State
from tests.slack_workspace.web_api import Method

POST_LIMIT = 40_000
UPDATE_LIMIT = 4_000


@dataclass
class Content:
    """What a message is to show, checked. None where the call did not say."""

    text: str | None
    blocks: list[Json] | None
    attachments: list[Json] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not self.text and not self.blocks and not self.attachments


def accept_content(state: State, args: Arguments, text_limit: int) -> Content:
    """The text, blocks and attachments of a call. Raises Refusal with Slack's code for what is wrong."""
    text, markdown = args.text("text"), None if state.older else args.text("markdown_text")
    given = args.json("blocks", "invalid_blocks_format")
    if given is not None and not isinstance(given, list):
        raise Refusal("invalid_blocks_format")
    if markdown is not None:
        if text is not None or given:
            raise Refusal("markdown_text_conflict")
        if len(markdown) > MARKDOWN_LIMIT:
            raise Refusal("msg_too_long")
        text = markdown
    if text is not None and len(text) > text_limit:
        raise Refusal("msg_too_long")
    blocks = None if given is None else accept_blocks(given, older=state.older)
    attachments = args.array("attachments", "invalid_attachments")
    if len(attachments) > 100:
        raise Refusal("too_many_attachments")
    return Content(text, blocks, attachments)


def _metadata(args: Arguments) -> Json | None:
    metadata = args.json("metadata", "invalid_metadata_format")
    if metadata and not (isinstance(metadata, dict) and {"event_type", "event_payload"} <= metadata.keys()):
        raise Refusal("invalid_metadata_format")
    return metadata or None


def store_post(
    state: State,
    channel: Channel,
    content: Content,
    thread_ts: str | None,
    *,
    change: str = "posted",
    **fields: Any,
) -> Message:
    """Put a message by the app into a channel; in a thread, this ends the app's status there."""
    root = state.thread_root(channel, thread_ts) if thread_ts else None
    message = Message(
        channel=channel.id,
        ts=state.next_ts(),
        user=state.app.bot_user_id,
        text=content.text or "",
        blocks=content.blocks or [],
        attachments=content.attachments,
        thread_ts=thread_ts,
        parent_user_id=root.user if root else None,
        bot_id=state.app.bot_id,
        app_id=state.app.app_id,
        **fields,
    )
    message.remember(change)
    channel.messages.append(message)
    if thread_ts and message.ephemeral_to is None:
        clear_status(state, channel.id, thread_ts)
    return message


def post_message(state: State, args: Arguments) -> Json:
    channel = state.channel_to_write(args.required("channel"))
    content = accept_content(state, args, POST_LIMIT)
    if content.empty:
        raise Refusal("no_text")
    metadata = _metadata(args)
    message = store_post(state, channel, content, args.text("thread_ts"), metadata=metadata)
    events.message_posted(state, channel, message)
    return {"channel": channel.id, "ts": message.ts, "message": state.shown(message)}


def post_ephemeral(state: State, args: Arguments) -> Json:
    channel = state.channel_to_write(args.required("channel"))
    user = args.required("user")
    if user not in channel.members:
        raise Refusal("user_not_in_channel")
    content = accept_content(state, args, POST_LIMIT)
    if content.empty:
        raise Refusal("no_text")
    message = store_post(state, channel, content, args.text("thread_ts"), ephemeral_to=user)
    return {"message_ts": message.ts}


def own_message(state: State, args: Arguments, error: str) -> tuple[Channel, Message]:
    """The app's own message that a call names. Raises Refusal(error) where it is somebody else's."""
    channel = state.channel_of_app(args.required("channel"))
    message = state.message(channel, args.required("ts"))
    if message.bot_id != state.app.bot_id:
        raise Refusal(error)
    return channel, message


def change_message(state: State, channel: Channel, message: Message, content: Content) -> None:
    """Apply an update: text without blocks takes the blocks away, blocks without text keep the text."""
    previous = state.shown(message)
    if content.text is not None:
        message.text = content.text
        message.blocks = content.blocks or []
    elif content.blocks is not None:
        message.blocks = content.blocks
    if content.attachments:
        message.attachments = content.attachments
    if not message.blocks:
        message.edited = {"user": message.user, "ts": state.next_ts()}
    message.remember("updated")
    events.message_changed(state, channel, message, previous)


def update(state: State, args: Arguments) -> Json:
    channel, message = own_message(state, args, "cant_update_message")
    if message.stream is not None and message.stream.state == "in_progress":
        raise Refusal("streaming_state_conflict")
    content = accept_content(state, args, UPDATE_LIMIT)
    if content.text is None and content.blocks is None and not content.attachments:
        raise Refusal("no_text")
    if content.empty and not message.text:
        raise Refusal("no_text")
    if "metadata" in args.values:
        message.metadata = _metadata(args)
    change_message(state, channel, message, content)
    return {"channel": channel.id, "ts": message.ts, "text": message.text, "message": state.shown(message)}


def erase_message(state: State, channel: Channel, message: Message) -> None:
    previous = state.shown(message)
    message.deleted = True
    message.remember("deleted")
    events.message_deleted(state, channel, previous)


def delete(state: State, args: Arguments) -> Json:
    channel, message = own_message(state, args, "cant_delete_message")
    erase_message(state, channel, message)
    return {"channel": channel.id, "ts": message.ts}


def get_permalink(state: State, args: Arguments) -> Json:
    channel = state.channel_of_app(args.required("channel"))
    message = state.message(channel, args.required("message_ts"))
    link = f"https://{state.app.team_domain}.slack.com/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.is_reply:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


METHODS = {
    "chat.postMessage": Method(post_message, ("chat:write",)),
    "chat.postEphemeral": Method(post_ephemeral, ("chat:write",)),
    "chat.update": Method(update, ("chat:write",)),
    "chat.delete": Method(delete, ("chat:write",)),
    "chat.getPermalink": Method(get_permalink),
}
