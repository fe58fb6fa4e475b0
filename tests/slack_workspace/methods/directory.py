"""Who is who: auth.test, bots.info, users.info, users.list, users.lookupByEmail, usergroups.users.list."""

from tests.slack_workspace.arguments import Arguments
from tests.slack_workspace.methods.conversations import page
from tests.slack_workspace.model import Json
from tests.slack_workspace.refusal import Refusal
from tests.slack_workspace.state import State
from tests.slack_workspace.web_api import Method


def auth_test(state: State, args: Arguments) -> Json:
    app = state.app
    return {
        "url": f"https://{app.team_domain}.slack.com/",
        "team": app.team_name,
        "user": app.name,
        "team_id": app.team_id,
        "user_id": app.bot_user_id,
        "bot_id": app.bot_id,
        "is_enterprise_install": False,
    }


def bots_info(state: State, args: Arguments) -> Json:
    if args.required("bot") != state.app.bot_id:
        raise Refusal("bot_not_found")
    return {"bot": state.app.bot_profile()}


def users_info(state: State, args: Arguments) -> Json:
    person = state.people.get(args.required("user"))
    if person is None:
        raise Refusal("user_not_found")
    return {"user": person.to_slack(email="users:read.email" in state.scopes)}


def users_list(state: State, args: Arguments) -> Json:
    everybody, cursor = page(list(state.people.values()), args, default=1000)
    email = "users:read.email" in state.scopes
    return {
        "members": [person.to_slack(email=email) for person in everybody],
        "response_metadata": {"next_cursor": cursor},
    }


def users_lookup_by_email(state: State, args: Arguments) -> Json:
    email = args.required("email").lower()
    for person in state.people.values():
        if person.email.lower() == email and not person.is_bot:
            return {"user": person.to_slack(email=True)}
    raise Refusal("users_not_found")


def usergroups_users_list(state: State, args: Arguments) -> Json:
    group = args.required("usergroup")
    if group not in state.usergroups:
        raise Refusal("no_such_subteam")
    return {"users": list(state.usergroups[group])}


METHODS = {
    "auth.test": Method(auth_test),
    "bots.info": Method(bots_info, ("users:read",)),
    "users.info": Method(users_info, ("users:read",)),
    "users.list": Method(users_list, ("users:read",)),
    "users.lookupByEmail": Method(users_lookup_by_email, ("users:read.email",)),
    "usergroups.users.list": Method(usergroups_users_list, ("usergroups:read",)),
}
