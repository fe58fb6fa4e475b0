"""What people see when the documents don't say and a channel's experts are asked."""

from collections.abc import Sequence
from uuid import UUID

from bot.slack.blocks import Message, actions, button, section
from bot.slack.mrkdwn import plain

NO_EXPERTS = (
    "This channel has no experts yet. An admin or the channel's creator can name some with `/journeyman channel`."
)
NO_EXPERTS_HERE = (
    "There are no experts for direct messages. Ask in a channel that has some, and press the button there."
)
ASKED_BEFORE = "They have been asked already: their reply will come in the question's thread."
NOT_POSTED = "Slack did not let me post the question. Invite me to the channel and try again."
NOT_YOURS = "Only the experts who were asked, and my admins, can save a reply as a verified answer."
APPROVED_BEFORE = (
    "An approved answer to this question is there already: an admin can replace it (`/journeyman review`)."
)
NOT_FOUND = "I cannot read that reply any more, so nothing was saved."


def request_text(experts: Sequence[str], asked_by: str, question: str) -> str:
    """Asks the experts by name, with the question quoted."""
    names = " ".join(f"<@{expert}>" for expert in experts)
    quoted = "\n".join(f"> {plain(line)}" for line in question[:1000].splitlines())
    return (
        f"{names} The documents don't answer this question of <@{asked_by}>. Can you?\n{quoted}\n"
        "Your reply in this thread can be saved, and then I will know it, too."
    )


def offer_message(answer_id: UUID, expert: str, ts: str) -> Message:
    """Offers, below an expert's reply, to keep it with one click."""
    text = f"<@{expert}> has replied. Shall I remember this as the answer?"
    save = button("Save as verified answer", "save_reply", f"{answer_id} {ts}", style="primary")
    return Message(text, [section(text), actions(save)])


def saved_text(person: str) -> str:
    """Says, in place of the offer, that the reply is kept."""
    return f":white_check_mark: Saved as a verified answer by <@{person}>: I will find it from now on."


def saved_here_text(person: str) -> str:
    """Says the same where no admin has named the person an expert."""
    return (
        f":white_check_mark: Saved by <@{person}>: I will find it from now on in this channel. Everybody else gets it "
        "once one of my admins approves it (`/journeyman review`)."
    )
