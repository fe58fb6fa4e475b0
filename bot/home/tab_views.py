"""The Home tab: pure functions from what is known to Block Kit. A tab has at most 100 blocks."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.admin.status import NO_ANSWER_YET, Collection
from bot.feedback.complaints import DocumentsToFix
from bot.feedback.review import QueuedAnswer
from bot.feedback.review_views import queue_blocks, to_fix_blocks
from bot.home.charts import in_words
from bot.home.figures import Figures
from bot.home.personal_data import DataCounts, OwnQuestion
from bot.slack.blocks import DIVIDER, Block, actions, amount, button, confirmation, context, header, section, shortened
from bot.slack.mrkdwn import fitting, plain, slack_date

DELETE = "delete_my_data"  # action id

HOW_TO_ASK = (
    "*Mention me* in a channel or *write me a direct message*. In a thread where I was asked, just go on asking. Every "
    "answer names its sources; a :thumbsup: or :thumbsdown: below it tells us how good it was."
)
DISCLAIMER = "The answers are written by a language model from the documents: check the sources where it matters."
NO_DATABASE = "I cannot show anything here right now: my database does not respond. Open this tab again in a minute."
NOT_DELETED = ":warning: I could not delete your data: my database does not respond. Please try again in a minute."
_STATES = {
    "pending": "under way",
    "answered": "answered",
    "abstained": "the documents don't say",
    "failed": "no answer: something failed",
    "called off": "called off",
}


@dataclass(frozen=True, slots=True)
class PersonalSection:
    """What everybody sees: the index and their own questions."""

    collections: Sequence[Collection]
    questions: Sequence[OwnQuestion]
    counts: DataCounts


@dataclass(frozen=True, slots=True)
class AdminSection:
    """What admins see besides. `picture` is the Slack file that shows the figures, if there is one."""

    queue: Sequence[QueuedAnswer]
    to_fix: Sequence[DocumentsToFix]
    model: str | None
    figures: Figures
    picture: str | None = None


def home_view(personal: PersonalSection, admin: AdminSection | None = None, note: str | None = None) -> Block:
    """Builds the tab; `note` stands on top, such as what a button did."""
    blocks = [section(note)] if note else []
    blocks += [header("Ask your company's documents"), section(HOW_TO_ASK), context(DISCLAIMER)]
    blocks += [header("What I have read"), *_index(personal.collections)]
    blocks += [header("My questions"), *_mine(personal)]
    if admin is not None:
        blocks += _administrative(admin)
    return _home(blocks)


def without_database() -> Block:
    """Builds the tab that people see while Postgres is down."""
    return _home([header("Ask your company's documents"), section(HOW_TO_ASK), section(f":warning: {NO_DATABASE}")])


def deleted_note(deleted: DataCounts) -> str:
    """Says what was deleted, and what was not."""
    return (
        f":white_check_mark: I deleted your data: {_total(deleted)}. "
        "The messages in Slack are still there; you can delete yours yourself."
    )


def _administrative(admin: AdminSection) -> list[Block]:
    return [
        DIVIDER,
        header("For admins: to be reviewed"),
        *queue_blocks(admin.queue),
        header("For admins: documents to fix"),
        *to_fix_blocks(admin.to_fix),
        header("For admins: how it is going"),
        section(admin.model or NO_ANSWER_YET),
        *_figures(admin),
    ]


def _figures(admin: AdminSection) -> list[Block]:
    words = in_words(admin.figures)
    if admin.picture is not None:
        return [{"type": "image", "slack_file": {"id": admin.picture}, "alt_text": words}]
    missing = [f"• {plain(cluster.name)} ({cluster.size}×)" for cluster in admin.figures.unanswered]
    heading = ["*Asked most without an answer in the documents*"] if missing else []
    return [section(fitting("\n".join([words, *heading, *missing])))]


def _index(collections: Sequence[Collection]) -> list[Block]:
    if not collections:
        return [section("Nothing yet: an admin has to index documents first.")]
    return [section(fitting("\n".join(map(_collection, collections))))]


def _collection(collection: Collection) -> str:
    when = f", looked through {slack_date(collection.scanned_at)}" if collection.scanned_at else ""
    return f"• *{plain(collection.name)}*: {amount(collection.documents, 'document')}{when}"


def _mine(personal: PersonalSection) -> list[Block]:
    if not personal.questions and not personal.counts.votes:
        return [section("You have not asked me anything yet.")]
    lines = [_question(question) for question in personal.questions]
    total = f"I keep {_total(personal.counts)} of yours."
    return [*([section(fitting("\n".join(lines)))] if lines else []), context(total), _delete_button(personal.counts)]


def _question(question: OwnQuestion) -> str:
    vote = {1: " :thumbsup:", -1: " :thumbsdown:", None: ""}[question.vote]
    text = plain(shortened(question.question, 120))
    return f"• {text} — {slack_date(question.asked_at)}, {_STATES[question.state]}{vote}"


def _delete_button(counts: DataCounts) -> Block:
    confirm = confirmation(
        "Delete your data?",
        f"{_total(counts)}, the answers and what you said about answers are deleted for good. "
        "Verified answers stay, without your name.",
        "Delete",
        "Keep",
        style="danger",
    )
    return actions(button("Delete my data", DELETE, "mine", style="danger", confirm=confirm))


def _home(blocks: Sequence[Block]) -> Block:
    return {"type": "home", "blocks": list(blocks)[:100]}


def _total(counts: DataCounts) -> str:
    return f"{amount(counts.questions, 'question')} and {amount(counts.votes, 'vote')}"
