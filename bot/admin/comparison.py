"""`/journeyman compare`: whether documents, adapter or both help, as the last comparison has found it."""

import structlog

from bot.admin.commands import Command, Subcommand
from bot.runtime import INTAKE_TIMEOUT, Runtime
from bot.slack.mrkdwn import escape, plain
from bot.slack.workspace import SLACK_ERRORS, error_code
from finetune.comparison.rows import StoredComparison, latest

log = structlog.get_logger(__name__)

NONE_YET = (
    "No comparison has been made yet. At the command line, `journeyman compare QUESTIONS.jsonl` asks a set of "
    "questions with and without the documents and the adapter. This command then shows the result."
)


def compare(command: Command, runtime: Runtime) -> str | None:
    """Posts the last comparison where the command was typed; tells the person alone if Slack does not let us."""
    with runtime.pool.connection(timeout=INTAKE_TIMEOUT) as conn:
        stored = latest(conn)
    if stored is None:
        return NONE_YET
    text = comparison_text(stored)
    try:
        response = runtime.client.chat_postMessage(channel=command.channel, text=text)
    except SLACK_ERRORS as error:
        log.info("comparison_not_posted", error=error_code(error))
        return text
    _add_chart(stored, command.channel, str(response["ts"]), runtime)
    return None


def comparison_text(stored: StoredComparison) -> str:
    """Writes a comparison for Slack: what was compared, the table, and the advice."""
    tuned = f" with {plain(stored.adapter)}" if stored.adapter else ""
    head = f"*{plain(stored.questions)}*, {stored.made_at:%Y-%m-%d}, {plain(stored.model)}{tuned}"
    comparison = stored.comparison
    return f"{head}\n```{escape(comparison.table())}```\n{escape(comparison.advice)}"


def _add_chart(stored: StoredComparison, channel: str, ts: str, runtime: Runtime) -> None:
    if stored.chart is None:
        return
    try:
        runtime.client.files_upload_v2(
            channel=channel, thread_ts=ts, filename="comparison.png", title="Comparison", content=bytes(stored.chart)
        )
    except SLACK_ERRORS as error:
        log.info("chart_not_uploaded", error=error_code(error))


SUBCOMMANDS = (
    Subcommand(
        "compare", "/journeyman compare", "shows whether documents, fine-tuning or both help", compare, admins=True
    ),
)
