"""`/journeyman collection`: whom the documents are for."""

import psycopg

from tests.bot.audiences import app, asked, bot, chain, nothing_remembered, traces
from tests.bot.conftest import Rows
from tests.slack_workspace import Workspace

__all__ = ["app", "bot", "chain", "nothing_remembered"]


def test_admins_set_an_audience_in_slack(bot: Workspace, database: str, rows: Rows) -> None:
    """By mention or id; it holds from the next question on, and is in the audit log."""
    with psycopg.connect(database) as conn:
        conn.execute("INSERT INTO admin (member, configured) VALUES (%s, false)", [bot.ada.id])
    direct = bot.direct_message(bot.ben)
    assert not traces(asked(bot, bot.ben, direct))
    bot.slash("ben", "maintenance", "/journeyman", f"collection boardroom add <@{bot.ben.id}>")
    bot.wait_for(lambda: [m for m in bot.ephemerals(bot.ben) if "admins only" in m.text])
    bot.slash("ada", "maintenance", "/journeyman", f"collection boardroom add <@{bot.ben.id}>")
    bot.wait_for(lambda: [m for m in bot.ephemerals(bot.ada) if "From the next question on" in m.text])
    assert traces(asked(bot, bot.ben, direct, "Tell me when the works in Graz will be closed?"))
    assert rows("SELECT detail ->> 'principal' FROM audit WHERE action = 'collection add' AND detail <> '{}'") == [
        (f"user:{bot.ben.id}",)
    ]


def test_a_collection_may_have_any_name(bot: Workspace, database: str, rows: Rows) -> None:
    """Slack sends `&`, `<` and `>` of what was typed as entities."""
    with psycopg.connect(database) as conn:
        conn.execute("INSERT INTO admin (member, configured) VALUES (%s, false)", [bot.ada.id])
        conn.execute("INSERT INTO collection (name) VALUES ('R&D <1>')")
    bot.slash("ada", "maintenance", "/journeyman", f"collection R&amp;D &lt;1&gt; add <@{bot.ben.id}>")
    bot.wait_for(lambda: [m for m in bot.ephemerals(bot.ada) if "R&amp;D &lt;1&gt; is for" in m.text])
    assert rows("SELECT detail ->> 'collection' FROM audit WHERE action = 'collection add' AND detail <> '{}'") == [
        ("R&D <1>",)
    ]
