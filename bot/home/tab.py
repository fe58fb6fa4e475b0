"""The Home tab, written anew whenever its person opens it and after each of its buttons.

It shows what Postgres knows at once; admins then get the figures, whose picture takes a second to draw and upload.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
import structlog
from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot.admin.authorization import is_admin
from bot.admin.status import last_answer_text, read_collections
from bot.feedback.complaints import documents_to_fix
from bot.feedback.review import review_queue
from bot.home import tab_views
from bot.home.charts import can_draw, in_words, picture
from bot.home.figures import DayFigures, Figures, figures, read_days, read_unanswered
from bot.home.personal_data import count_data, delete_data, my_questions
from bot.home.tab_views import AdminSection, PersonalSection
from bot.questions.readers import personal as principals_of
from bot.runtime import ACK_TIMEOUT, INTAKE_TIMEOUT, Runtime
from bot.slack.blocks import Block
from bot.slack.workspace import SLACK_ERRORS, error_code, is_bad_blocks, is_unknown_method

log = structlog.get_logger(__name__)

PICTURE_TRIES = 3  # Slack takes a moment to look at a new file before a view may show it
PICTURE_PAUSE = 1.5  # seconds


def register(app: App, runtime: Runtime) -> None:
    """Registers the buttons that are the tab's own."""
    app.action(tab_views.DELETE)(partial(on_delete, runtime=runtime))


def on_home_opened(event: dict[str, Any], *, runtime: Runtime) -> None:
    """Writes the tab of a person who has opened it."""
    refresh_home(str(event["user"]), runtime)


def on_delete(ack: Ack, body: dict[str, Any], *, runtime: Runtime) -> None:
    """Deletes the person's data, and says so in the tab."""
    person = body["user"]["id"]
    try:
        with runtime.pool.connection(timeout=ACK_TIMEOUT) as conn:
            note = tab_views.deleted_note(delete_data(conn, person))
    except psycopg.Error as error:
        log.error("data_not_deleted", error=error_code(error))
        note = tab_views.NOT_DELETED
    ack()
    refresh_home(person, runtime, note)


def refresh_home(person: str, runtime: Runtime, note: str | None = None) -> None:
    """Writes the person's tab. Never raises: where the tab cannot be shown, the log says why."""
    try:
        principals = principals_of(runtime, person)
        with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
            personal = _personal(conn, person, principals)
            admin = _administrative(conn, principals) if is_admin(conn, runtime.client, person) else None
            unanswered = read_unanswered(conn, principals) if admin is not None else []
    except psycopg.Error as error:
        log.error("home_not_read", error=error_code(error))
        _publish(person, tab_views.without_database(), runtime)
        return
    published = _publish(person, tab_views.home_view(personal, admin, note), runtime)
    if published and admin is not None:
        runtime.work.submit(_add_figures, person, personal, admin, unanswered, note, runtime)


def _personal(conn: psycopg.Connection[Any], person: str, principals: Sequence[str]) -> PersonalSection:
    return PersonalSection(read_collections(conn, principals), my_questions(conn, person), count_data(conn, person))


def _administrative(conn: psycopg.Connection[Any], principals: Sequence[str]) -> AdminSection:
    figures_by_day = Figures(read_days(conn), ())
    return AdminSection(review_queue(conn), documents_to_fix(conn, principals), last_answer_text(conn), figures_by_day)


def _add_figures(
    person: str,
    personal: PersonalSection,
    admin: AdminSection,
    unanswered: list[str],
    note: str | None,
    runtime: Runtime,
) -> None:
    """Adds the clusters and the picture, which take longer. If the picture fails, the figures stay as text."""
    try:
        latest, file = _drawn(admin.figures.days, unanswered, runtime)
        _publish_picture(person, personal, replace(admin, figures=latest, picture=file), note, runtime)
    except Exception as error:  # noqa: BLE001 - the edge of a worker: the tab shows the figures as text already
        log.error("figures_not_shown", error=error_code(error))


def _publish_picture(
    person: str, personal: PersonalSection, admin: AdminSection, note: str | None, runtime: Runtime
) -> None:
    for attempt in range(PICTURE_TRIES if admin.picture else 0):
        if _publish(person, tab_views.home_view(personal, admin, note), runtime, bad_blocks="expected"):
            return
        if attempt < PICTURE_TRIES - 1:
            time.sleep(PICTURE_PAUSE)
    _publish(person, tab_views.home_view(personal, replace(admin, picture=None), note), runtime)


# The last figures of each client, with what they were made of: nothing is computed and uploaded twice.
_DRAWN: WeakKeyDictionary[WebClient, tuple[object, Figures, str | None]] = WeakKeyDictionary()
_DRAWN_LOCK = Lock()


def _drawn(days: tuple[DayFigures, ...], unanswered: list[str], runtime: Runtime) -> tuple[Figures, str | None]:
    """Returns the figures and the id of the Slack file that shows them, None where files or matplotlib are missing."""
    with _DRAWN_LOCK:
        basis, latest, file = _DRAWN.get(runtime.client, (None, None, None))
        if latest is None or basis != (days, unanswered):
            latest = figures(days, unanswered, runtime.embedder)
            file = None
        if file is None and runtime.capabilities.files and can_draw():
            file = _upload(picture(latest), in_words(latest), runtime)
        _DRAWN[runtime.client] = ((days, unanswered), latest, file)
    return latest, file


def _upload(png: bytes, description: str, runtime: Runtime) -> str | None:
    try:
        response = runtime.client.files_upload_v2(
            filename="figures.png", title="Figures", content=png, alt_txt=description, request_file_info=False
        )
    except SLACK_ERRORS as error:
        log.warning("picture_not_uploaded", error=error_code(error))
        runtime.capabilities.files = not is_unknown_method(error)
        return None
    return str(response["files"][0]["id"])


def _publish(person: str, view: Block, runtime: Runtime, *, bad_blocks: str = "") -> bool:
    try:
        runtime.client.views_publish(user_id=person, view=view)
    except SLACK_ERRORS as error:
        if not (bad_blocks and is_bad_blocks(error)):
            log.error("home_not_shown", error=error_code(error))
        return False
    return True
