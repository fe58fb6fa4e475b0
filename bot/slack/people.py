"""What people are called: Slack's ids are for machines, and a verified answer says a name."""

import structlog
from slack_sdk import WebClient

from bot.slack.mrkdwn import escape
from bot.slack.workspace import SLACK_ERRORS, error_code

log = structlog.get_logger(__name__)

CONSOLE = "console"  # in place of a person's id: whoever sits at the command line


def mention(person: str) -> str:
    """Mentions the person; of whoever sits at the command line, whom nobody can mention, it says so."""
    return "somebody at the command line" if person == CONSOLE else f"<@{escape(person)}>"


def shown_name(client: WebClient, person: str) -> str:
    """Returns the name that Slack shows for a person; their id while Slack does not say."""
    try:
        user = client.users_info(user=person)["user"]
    except SLACK_ERRORS as error:
        log.warning("name_unknown", person=person, error=error_code(error))
        return person
    profile = user.get("profile") or {}
    return str(profile.get("real_name") or user.get("real_name") or user.get("name") or person)
