"""Who reads an answer: the principals of people and channels, as Slack says them."""

from threading import Thread
from weakref import WeakKeyDictionary

import psycopg
import pytest

from bot.app import SlackApp
from bot.questions import readers
from tests.bot.audiences import (
    GROUP,
    QUESTION,
    TITLE,
    answered,
    app,
    asked,
    bot,
    chain,
    narrow,
    nothing_remembered,
    sent,
    traces,
)
from tests.bot.conftest import Rows
from tests.slack_workspace import Workspace

__all__ = ["app", "bot", "chain", "nothing_remembered"]
WAYS = ["direct message", "/ask", "shortcut", "title", "private channel of the group", "channel of everybody"]


def asked_slack(workspace: Workspace, method: str, since: int) -> int:
    return len([call for call in workspace.calls()[since:] if call.method == method])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["ada", "ben"])
def test_who_may_read_it_is_answered_and_nobody_else(bot: Workspace, rows: Rows, way: str, name: str) -> None:
    """Ada alone, where nobody else reads along; and what was sent to the model holds no more than what is said."""
    person = getattr(bot, name)
    question = f"What does {TITLE.lower()} say about works in Graz?" if way == "title" else QUESTION
    if way in ("direct message", "title"):
        bot.post(person, bot.direct_message(person), question)
    elif way == "/ask":
        bot.slash(person, "maintenance", "/ask", question)
    elif way == "shortcut":
        bot.shortcut(person, "ask_about_message", bot.post("ben", "maintenance", question))
    else:
        alone = way == "private channel of the group"
        people = [person] if alone else [bot.ada, bot.ben]
        bot.post(person, bot.add_channel("talk", *people, private=alone), f"{bot.mention} {question}")
    bot.wait_for(lambda: answered(rows))
    may = name == "ada" and way != "channel of everybody"
    said = sent(bot) + str(rows("SELECT prompt, text, passages, sources FROM answer"))
    assert ("in March" in said) == may
    assert bool(traces(said)) == may


@pytest.mark.parametrize("named", ["user:", "channel:", "everyone", "anyone", "nobody"])
def test_each_kind_of_audience(bot: Workspace, database: str, named: str) -> None:
    """Who holds the principal is answered directly; in a channel, nobody's own counts."""
    ids = {"user:": bot.ada.id, "channel:": bot.maintenance.id}
    narrow(database, *([] if named == "nobody" else [named + ids.get(named, "")]))
    assert bool(traces(asked(bot, bot.ada, bot.direct_message(bot.ada)))) == (named != "nobody")
    assert bool(traces(asked(bot, bot.ben, bot.direct_message(bot.ben)))) == (named not in ("nobody", "user:"))
    assert bool(traces(asked(bot, bot.ada, bot.maintenance))) == (named not in ("nobody", "user:"))
    second = bot.add_channel("second", bot.ada, bot.ben)
    assert bool(traces(asked(bot, bot.ada, second))) == (named in ("everyone", "anyone"))


@pytest.mark.parametrize("guest", ["guest in the channel", "channel of two organisations", "guest alone"])
def test_everyone_is_the_full_members(bot: Workspace, database: str, guest: str) -> None:
    """With a guest or another organisation reading along, only what is for `anyone` is used."""
    narrow(database, "everyone")
    place = bot.maintenance
    if guest == "guest in the channel":
        place.members.add(bot.add_person("gus", is_restricted=True).id)
    elif guest == "channel of two organisations":
        place.ext_shared = True
    else:
        bot.ben.is_restricted = True
        place = bot.direct_message(bot.ben)
    assert not traces(asked(bot, bot.ben, place))
    narrow(database, "anyone")
    assert traces(asked(bot, bot.ben, place))


@pytest.mark.parametrize(
    "method", ["usergroups.users.list", "users.info", "conversations.members", "users.list", "conversations.info"]
)
def test_what_slack_does_not_say_gives_no_right(bot: Workspace, database: str, method: str) -> None:
    """Each look-up that fails takes rights away, and the bot still speaks."""
    place = bot.add_channel("board", bot.ada, private=True)
    direct = bot.direct_message(bot.ada)
    needs = {
        "usergroups.users.list": (f"group:{GROUP}", direct),
        "users.info": ("everyone", direct),
        "conversations.members": (f"channel:{place.id}", direct),
        "users.list": ("everyone", place),
        "conversations.info": ("everyone", place),
    }
    principal, where = needs[method]
    narrow(database, principal)
    assert traces(asked(bot, bot.ada, where))
    bot.refuse(method, "missing_scope", times=None)
    assert not traces(asked(bot, bot.ada, where, "Tell me when the works in Graz will be closed?"))


def test_who_left_the_group_reads_no_more(bot: Workspace) -> None:
    """From the next question on."""
    direct = bot.direct_message(bot.ada)
    assert traces(asked(bot, bot.ada, direct))
    bot.add_usergroup(GROUP, bot.ben)
    assert not traces(asked(bot, bot.ada, direct))
    assert traces(asked(bot, bot.ben, bot.direct_message(bot.ben)))


def test_a_channels_setting_gives_no_right_and_names_nothing(bot: Workspace, database: str) -> None:
    """A channel that is set to search the collection says neither what it holds nor that it exists."""
    with psycopg.connect(database) as conn:
        conn.execute(
            "INSERT INTO channel (id, collections, changed_by) VALUES (%s, '{boardroom}', 'U1')", [bot.maintenance.id]
        )
    assert not traces(asked(bot, bot.ada, bot.maintenance))


@pytest.mark.parametrize("who", ["guest", "stranger", "stranger refused", "new member", "crowd"])
def test_the_directory_is_not_read_again_for_those_it_does_not_name(
    app: SlackApp, bot: Workspace, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    """A guest is known as one; who is not in it is asked about alone, and remembered; of a crowd nobody is."""
    for name in ("DIRECTORY_CACHE", "FAILURE_CACHE"):
        monkeypatch.setattr(readers, name, 600.0)
    readers.common(app.runtime, bot.maintenance.id)
    if who == "guest":
        bot.maintenance.members.add(bot.add_person("gus", is_restricted=True).id)
        monkeypatch.setattr(readers, "_KNOWN", WeakKeyDictionary())  # the directory has the guest
    elif who == "crowd":
        bot.maintenance.members.update(bot.add_person(f"p{n}").id for n in range(readers.MOST_ASKED + 1))
    elif who == "new member":
        bot.maintenance.members.add(bot.add_person("eva").id)
    else:
        bot.maintenance.members.add("U0STRANGER")
        if who == "stranger refused":
            bot.refuse("users.info", "ratelimited", times=None)
    before = len(bot.calls())
    for _ in range(3):
        found = readers.common(app.runtime, bot.maintenance.id)
        assert ("everyone" in found) == (who == "new member")
    assert asked_slack(bot, "users.list", before) == (who == "guest")
    assert asked_slack(bot, "users.info", before) == (who not in ("guest", "crowd"))


def test_the_directory_is_read_in_large_pages_by_one_at_a_time(
    app: SlackApp, bot: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many questions come at once; a failure is remembered for a while, so that it is not asked for ever."""
    monkeypatch.setattr(readers, "DIRECTORY_CACHE", 600.0)
    monkeypatch.setattr(readers, "FAILURE_CACHE", 600.0)
    bot.refuse("users.list", "ratelimited", times=1)
    before = len(bot.calls())
    threads = [Thread(target=readers.common, args=(app.runtime, bot.maintenance.id)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert "everyone" not in readers.common(app.runtime, bot.maintenance.id)
    assert asked_slack(bot, "users.list", before) == 1
    assert [call.args["limit"] for call in bot.calls() if call.method == "users.list"] == ["1000"]
    monkeypatch.setattr(readers, "FAILURE_CACHE", 0.0)
    assert "everyone" in readers.common(app.runtime, bot.maintenance.id)
