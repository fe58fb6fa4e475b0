"""assistant.threads.setStatus, setTitle, setSuggestedPrompts. https://docs.slack.dev/reference/methods#assistant"""

import time

from tests.slack_workspace.arguments import Arguments
from tests.slack_workspace.model import Channel, Json, Status
from tests.slack_workspace.refusal import Refusal
from tests.slack_workspace.state import State
from tests.slack_workspace.web_api import Method


def _thread(state: State, channel: Channel, thread_ts: str) -> str:
    """A thread that is there. Raises Refusal invalid_thread_ts."""
    try:
        return state.thread_root(channel, thread_ts).ts
    except Refusal:
        raise Refusal("invalid_thread_ts") from None


def clear_status(state: State, channel: str, thread_ts: str) -> None:
    """End a status because the app posted in its thread."""
    if current_status(state, channel, thread_ts):
        state.statuses.append(Status(channel, thread_ts, "", (), time.time()))


def current_status(state: State, channel: str, thread_ts: str) -> str:
    """What is shown under a thread now; a status ends by itself after two minutes."""
    for status in reversed(state.statuses):
        if (status.channel, status.thread_ts) == (channel, thread_ts):
            return status.status if time.time() - status.at < state.timing.status else ""
    return ""


def set_status(state: State, args: Arguments) -> Json:
    channel = state.channel_of_app(args.required("channel_id"))
    thread_ts = _thread(state, channel, args.required("thread_ts"))
    if "status" not in args.values:
        raise Refusal.of("invalid_arguments", ["missing required field: status"])
    messages = args.array("loading_messages")
    if len(messages) > 10:
        raise Refusal.of("invalid_arguments", ["no more than 10 items allowed [json-pointer:/loading_messages]"])
    status = Status(channel.id, thread_ts, str(args.values["status"]), tuple(map(str, messages)), time.time())
    state.statuses.append(status)
    return {}


def set_title(state: State, args: Arguments) -> Json:
    channel = state.channel_of_app(args.required("channel_id"))
    state.titles[channel.id, _thread(state, channel, args.required("thread_ts"))] = args.required("title")
    return {}


def set_suggested_prompts(state: State, args: Arguments) -> Json:
    if not state.agent:
        raise Refusal("not_agent_app")
    channel = state.channel_of_app(args.required("channel_id"))
    thread_ts = args.text("thread_ts")
    if channel.kind != "im":
        raise Refusal("channel_not_found")
    if thread_ts is not None:
        thread_ts = _thread(state, channel, thread_ts)
    prompts = args.array("prompts")
    complete = all(isinstance(p, dict) and p.get("title") and p.get("message") for p in prompts)
    if not 1 <= len(prompts) <= 4 or not complete:
        raise Refusal.of("invalid_arguments", ["prompts: one to four, each with title and message"])
    state.prompts[channel.id, thread_ts] = prompts
    return {}


METHODS = {
    # Slack accepts either scope for now (changelog 2026-03-05).
    "assistant.threads.setStatus": Method(set_status, ("chat:write", "assistant:write"), newest=True),
    "assistant.threads.setTitle": Method(set_title, ("assistant:write",), newest=True),
    "assistant.threads.setSuggestedPrompts": Method(set_suggested_prompts, ("assistant:write",), newest=True),
}
