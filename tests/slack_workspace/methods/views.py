"""views.open, push, update, publish: modals in a stack of at most three, and the Home tab.

https://docs.slack.dev/reference/methods#views and https://docs.slack.dev/surfaces/modals.
"""

import secrets
import time

from tests.slack_workspace.arguments import Arguments
from tests.slack_workspace.block_kit import accept_view
from tests.slack_workspace.model import Json, View
from tests.slack_workspace.refusal import Refusal
from tests.slack_workspace.state import State, new_id
from tests.slack_workspace.web_api import Method

MOST_VIEWS = 3


def _new_hash() -> str:
    return f"{int(time.time())}.{secrets.token_hex(4)}"


def _check_external_id(state: State, source: Json, view: View | None = None) -> None:
    name = source.get("external_id")
    taken = [v for stack in state.modals.values() for v in stack if v is not view]
    if name and any(v.source.get("external_id") == name for v in taken):
        raise Refusal("duplicate_external_id")


def put_view(state: State, user: str, source: Json, *, push: bool) -> View:
    """Show a checked modal to a person, alone or on top of the others. Raises Refusal push_limit_reached."""
    _check_external_id(state, source)
    stack = state.modals.setdefault(user, [])
    if not push:
        stack.clear()
    if len(stack) >= MOST_VIEWS:
        raise Refusal("push_limit_reached")
    view_id = new_id("V")
    root, previous = (stack[0].id, stack[-1].id) if stack else (view_id, None)
    view = View(view_id, user, source, _new_hash(), root, previous, states=[source])
    stack.append(view)
    return view


def replace_view(state: State, view: View, source: Json) -> None:
    """Give a view new content; what the person was shown as an error goes away."""
    _check_external_id(state, source, view)
    view.source, view.hash = source, _new_hash()
    view.errors, view.failure = {}, None
    view.states.append(source)


def open_view(state: State, args: Arguments) -> Json:
    source = accept_view(args.json("view"), "modal", older=state.older)
    trigger = state.exchange_trigger(args.required("trigger_id"))
    return {"view": put_view(state, trigger.user, source, push=False).to_slack(state.app)}


def push_view(state: State, args: Arguments) -> Json:
    source = accept_view(args.json("view"), "modal", older=state.older)
    trigger = state.exchange_trigger(args.required("trigger_id"))
    if trigger.view_id is None or not state.modals.get(trigger.user):
        raise Refusal("not_found")
    return {"view": put_view(state, trigger.user, source, push=True).to_slack(state.app)}


def update_view(state: State, args: Arguments) -> Json:
    view_id, external_id = args.text("view_id"), args.text("external_id")
    views = [view for stack in state.modals.values() for view in stack]
    chosen = [v for v in views if v.id == view_id or (external_id and v.source.get("external_id") == external_id)]
    if not chosen:
        raise Refusal("not_found")
    view = chosen[0]
    source = accept_view(args.json("view"), "modal", older=state.older)
    if args.text("hash") not in (None, view.hash):
        raise Refusal("hash_conflict")
    replace_view(state, view, source)
    return {"view": view.to_slack(state.app)}


def publish_view(state: State, args: Arguments) -> Json:
    if not state.home_tab:
        raise Refusal("not_enabled")
    user = state.people.get(args.required("user_id"))
    if user is None:
        raise Refusal.of("invalid_arguments", ["invalid user_id"])
    source = accept_view(args.json("view"), "home", older=state.older)
    home = state.homes.get(user.id)
    if home is None:
        view_id = new_id("V")
        home = state.homes[user.id] = View(view_id, user.id, source, _new_hash(), view_id, states=[source])
    elif args.text("hash") not in (None, home.hash):
        raise Refusal("hash_conflict")
    else:
        replace_view(state, home, source)
    return {"view": home.to_slack(state.app)}


METHODS = {
    "views.open": Method(open_view),
    "views.push": Method(push_view),
    "views.update": Method(update_view),
    "views.publish": Method(publish_view),
}
