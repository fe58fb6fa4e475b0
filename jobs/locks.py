"""Every advisory lock of PostgreSQL that the packages take: one number each, and what it guards.

They end with their connection, so a process that is killed holds none. A number alone guards one thing; a class goes
with the id of a row, and guards that row. The two kinds never meet (pg_locks.objsubid is 1 or 2). Only the lock of a
bot's process is not here: its number is the owner's own (bot/presence.py).
"""

SCHEMA = 0x6A6F75726E  # "journ"
"""Who applies migrations, until each is applied."""
REQUEST = 0x1DE9
"""Who asks for a run of the index, while it looks whether one is open."""
MODEL = 0x656D626564  # "embed"
"""Who adds an embedding model."""
SWITCH = 0x73776974  # "swit"
"""Shared by whoever writes vectors of the active embedding model; alone: who switches to another."""
SEARCH = 0x73656172  # "sear"
"""Shared by each search; alone: who switches or drops an embedding model."""
COUNT = 0x636F756E74  # "count"
"""Who puts the counts of words together; another leaves it and does not wait."""
GPU = 0x63617264  # "card"
"""Shared by whoever answers or embeds on the GPU; training looks whether anybody holds it, and waits."""
FAIR_USE = 0x66616972  # "fair"
"""Who counts a person's questions, until its own is written."""
DATASET = 0x64617461  # "data"
"""Who keeps a dataset."""
ADAPTER = 0x61646170  # "adap"
"""Who changes which adapter answers."""

SOURCE_CLASS = 0x1DE8
"""With the id of a source: the run of the index that looks through it."""
JOB_CLASS = 0x1DEA
"""With the id of a job: the process at work on it. One that nobody holds is taken up again."""
BUILD_CLASS = 0x1DEB
"""With the id of an embedding model: the process that builds it."""
