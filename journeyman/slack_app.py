"""The Slack app of this installation: the bot's listeners with the functions that they call."""

from functools import partial

from bot.app import SlackApp, build_app
from bot.operations import Operations
from bot.questions.limits import QuestionLimits
from journeyman.answering_model import model_state
from journeyman.composition import Application
from journeyman.enqueueing import EnqueueingParts, start_reindex
from journeyman.errors import WrongSetting
from journeyman.settings import reveal, slack_is_set_up
from journeyman.worker_app import celery_app

SERVED_TOGETHER = 16
"""Questions that a model server answers at a time; a model in this process answers one."""


def slack_app(app: Application) -> SlackApp:
    """The Slack app. Raises WrongSetting without a token."""
    settings = app.settings
    token = reveal(settings.slack_bot_token)
    if not slack_is_set_up(settings) or token is None:
        raise WrongSetting(
            "Slack is not set up: set SLACK_BOT_TOKEN, and SLACK_APP_TOKEN for Socket Mode or "
            "SLACK_SIGNING_SECRET for HTTP (docs/slack.md shows where to find them)."
        )
    return build_app(
        pool=app.pool,
        answer=app.answer,
        embedder=app.embedder,
        token=token,
        signing_secret=reveal(settings.slack_signing_secret),
        api_url=settings.slack_api_url,
        admins=settings.admins,
        operations=_operations(app),
        limits=QuestionLimits(settings.questions_per_person, settings.questions_per_hour),
        at_a_time=SERVED_TOGETHER if settings.model_url else 1,
    )


def _operations(app: Application) -> Operations:
    enqueueing = EnqueueingParts(app.connect, app.embedder, celery_app(app))
    return Operations(
        reindex=partial(start_reindex, enqueueing),
        model=partial(model_state, app.answering_model),
        finetune=partial(_start_round, app, enqueueing),
    )


def _start_round(app: Application, enqueueing: EnqueueingParts, person: str, now: bool) -> int:
    from journeyman.rounds import start_usual_round  # the bot connects before the learning loop is imported

    return start_usual_round(enqueueing, app.settings, person, now)
