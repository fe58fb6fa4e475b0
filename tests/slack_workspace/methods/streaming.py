"""chat.startStream, appendStream, stopStream: a message that grows, then ends with its blocks.

https://docs.slack.dev/reference/methods/chat.startStream and its two sisters. A stream keeps the mode of its
first content, chat.update refuses a message while it streams, and a stream without appends may expire.
"""

import time

from tests.slack_workspace import events
from tests.slack_workspace.arguments import Arguments
from tests.slack_workspace.block_kit import MARKDOWN_LIMIT, accept_blocks
from tests.slack_workspace.methods.chat import Content, own_message, store_post
from tests.slack_workspace.model import Channel, Json, Message, Stream
from tests.slack_workspace.refusal import Refusal
from tests.slack_workspace.schema import Findings, anything, check_shape, choice, items, shape, string, typed
from tests.slack_workspace.state import State
from tests.slack_workspace.web_api import Method

CHUNKS = {
    "markdown_text": shape("text", {"text": string(MARKDOWN_LIMIT)}),
    "task_update": shape(
        "id title status",
        {
            "id": string(255),
            "title": string(3000),
            "status": choice("pending", "in_progress", "complete", "error"),
            "details": string(3000, 0),
            "output": string(3000, 0),
            "sources": items(typed({"url": shape("url text", {"url": string(3000), "text": string(3000)})}), 100, 0),
        },
    ),
    "plan_update": shape("title", {"title": string(3000)}),
    "blocks": shape("blocks", {"blocks": anything}),
}


def _accept_chunks(state: State, args: Arguments) -> tuple[str | None, list[Json]]:
    """The markdown_text or the chunks of a call, checked and of one mode. Raises Refusal."""
    markdown, chunks = args.text("markdown_text"), args.array("chunks", "invalid_chunks")
    if markdown is not None and chunks:
        raise Refusal("cannot_provide_both_markdown_text_and_chunks")
    if markdown is not None and len(markdown) > MARKDOWN_LIMIT:
        raise Refusal("msg_too_long")
    findings = Findings()
    for index, chunk in enumerate(chunks):
        kind = chunk.get("type") if isinstance(chunk, dict) else None
        if kind not in CHUNKS:
            findings.add(f"/chunks/{index}/type", f"unsupported type: {kind}")
        else:
            check_shape(CHUNKS[kind], chunk, f"/chunks/{index}", findings)
    if findings.messages:
        raise Refusal.of("invalid_chunks", findings.messages)
    if sum(len(chunk["text"]) for chunk in chunks if chunk["type"] == "markdown_text") > MARKDOWN_LIMIT:
        raise Refusal("msg_too_long")
    return markdown, chunks


def _absorb(state: State, message: Message, stream: Stream, markdown: str | None, chunks: list[Json]) -> None:
    """Append content to a streaming message. Raises Refusal streaming_mode_mismatch."""
    if markdown is None and not chunks:
        return
    mode = "markdown_text" if markdown is not None else "chunks"
    if stream.mode not in (None, mode):
        raise Refusal("streaming_mode_mismatch")
    blocks = [accept_blocks(chunk["blocks"], older=state.older) for chunk in chunks if chunk["type"] == "blocks"]
    if len(stream.blocks) + sum(map(len, blocks)) > 50:
        raise Refusal("msg_blocks_too_many")
    stream.mode = "markdown_text" if mode == "markdown_text" else "chunks"
    message.text += markdown or ""
    for chunk in chunks:
        if chunk["type"] == "markdown_text":
            message.text += chunk["text"]
        elif chunk["type"] == "task_update":
            _update_task(stream, chunk)
        elif chunk["type"] == "plan_update":
            stream.plan_title = chunk["title"]
    stream.blocks += [block for group in blocks for block in group]
    stream.touched_at = time.time()


def _update_task(stream: Stream, chunk: Json) -> None:
    """A task's newest title and status; its details and output grow from chunk to chunk."""
    task = stream.tasks.setdefault(chunk["id"], {})
    for name in ("details", "output"):
        if chunk.get(name):
            task[name] = task.get(name, "") + chunk[name]
    task |= {key: chunk[key] for key in ("id", "title", "status", "sources") if chunk.get(key)}


def start_stream(state: State, args: Arguments) -> Json:
    channel = state.channel_to_write(args.required("channel"))
    thread_ts = args.text("thread_ts")
    if thread_ts is None and channel.kind == "im":
        raise Refusal.of("invalid_arguments", ["missing required field: thread_ts"])
    if channel.kind != "im":
        _check_recipient(state, args)
    markdown, chunks = _accept_chunks(state, args)
    mode = args.text("task_display_mode") or "timeline"
    if mode not in ("timeline", "plan", "dense"):
        raise Refusal.of("invalid_arguments", ["task_display_mode must be one of: timeline, plan, dense"])
    stream = Stream(task_display_mode=mode, recipient_user_id=args.text("recipient_user_id"))
    message = store_post(state, channel, Content("", []), thread_ts, change="stream started", stream=stream)
    try:
        _absorb(state, message, stream, markdown, chunks)
    except Refusal:
        channel.messages.remove(message)
        raise
    message.remember("streamed")
    events.message_posted(state, channel, message)
    return {"channel": channel.id, "ts": message.ts}


def _check_recipient(state: State, args: Arguments) -> None:
    user, team = args.text("recipient_user_id"), args.text("recipient_team_id")
    if user is None:
        raise Refusal("missing_recipient_user_id")
    if team is None:
        raise Refusal("missing_recipient_team_id")
    state.person(user)
    if team != state.app.team_id:
        raise Refusal("team_not_found")


def _streaming(state: State, args: Arguments) -> tuple[Channel, Message, Stream]:
    """The stream that a call names, still open. Raises Refusal."""
    channel, message = own_message(state, args, "message_not_owned_by_app")
    stream = message.stream
    if stream is None:
        raise Refusal("message_not_in_streaming_state")
    idle = state.timing.stream_idle
    if stream.state == "in_progress" and idle is not None and time.time() - stream.touched_at > idle:
        stream.state = "expired"
    if stream.state == "stopped":
        raise Refusal("stopped_by_user")
    if stream.state != "in_progress":
        raise Refusal("message_not_in_streaming_state")
    return channel, message, stream


def append_stream(state: State, args: Arguments) -> Json:
    channel, message, stream = _streaming(state, args)
    markdown, chunks = _accept_chunks(state, args)
    if markdown is None and not chunks:
        raise Refusal("no_text")
    _absorb(state, message, stream, markdown, chunks)
    message.remember("streamed")
    return {"channel": channel.id, "ts": message.ts}


def stop_stream(state: State, args: Arguments) -> Json:
    channel, message, stream = _streaming(state, args)
    markdown, chunks = _accept_chunks(state, args)
    given = args.array("blocks", "invalid_blocks_format")
    blocks = accept_blocks(given, older=state.older) if given else []
    _absorb(state, message, stream, markdown, chunks)
    if not message.text and not blocks and not stream.blocks and not stream.tasks:
        raise Refusal("no_text")
    previous = state.shown(message)
    stream.state = "completed"
    message.blocks = stream.blocks + blocks
    message.metadata = args.json("metadata", "invalid_metadata_format") or message.metadata
    message.remember("stream stopped")
    events.message_changed(state, channel, message, previous)
    return {"channel": channel.id, "ts": message.ts, "message": state.shown(message)}


METHODS = {
    "chat.startStream": Method(start_stream, ("chat:write",), newest=True),
    "chat.appendStream": Method(append_stream, ("chat:write",), newest=True),
    "chat.stopStream": Method(stop_stream, ("chat:write",), newest=True),
}
