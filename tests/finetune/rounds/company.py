"""A small company with machines, answered, voted on and corrected: what a round of fine-tuning learns from."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bot.feedback.complaints import complain
from bot.feedback.review import save_verified
from bot.feedback.votes import vote
from journeyman.cli.asking import ask
from journeyman.composition import Application, application
from journeyman.indexing import index_paths
from journeyman.settings import Settings
from retrieval.answering.answer import Question
from tests.finetune.conftest import tiny_model, tiny_tokenizer

MACHINES = ("mill", "lathe", "saw", "press", "drill", "robot")
PARTS = {"filter": "is cleaned every 40 hours", "belt": "is tightened after 500 hours"}


def write_model(folder: Path) -> Path:
    """A tiny Phi-3 with room for a prompt of passages."""
    tokenizer = tiny_tokenizer()
    model = tiny_model(tokenizer)
    model.config.max_position_embeddings = model.config.original_max_position_embeddings = 4096
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@contextmanager
def company(home: Path, database: str, redis: str, **settings: Any) -> Iterator[Application]:
    """The application over a tiny model."""
    model = home / "tiny"
    if not model.exists():
        write_model(model)
    chosen = Settings(
        home=home, database_url=database, redis_url=redis, model=str(model), max_answer_tokens=16, **settings
    )
    with application(chosen) as app:
        yield app


def vote_and_correct(app: Application, documents: Path) -> None:
    """Every question is asked by one, voted down by another, and corrected; a reviewer approves."""
    documents.mkdir()
    for machine in MACHINES:
        lines = [f"The {part} of the {machine} {what}." for part, what in PARTS.items()]
        (documents / f"{machine}.md").write_text(f"# {machine.title()}\n\n" + "\n\n".join(lines) + "\n")
    index_paths(app.indexing, [documents], "default", lambda _: None)
    client = SimpleNamespace(users_info=lambda user: {"user": {"name": "ada"}})
    runtime: Any = SimpleNamespace(pool=app.pool, client=client, embedder=app.embedder)
    for number, machine in enumerate(MACHINES):
        for part, what in PARTS.items():
            asked = ask(
                app.pool, app.answer, Question(f"When is the {part} of the {machine} looked after?"), lambda _: None
            )
            right = f"The {part} of the {machine} {what}."
            with app.pool.connection() as conn:
                vote(conn, asked.answer_id, f"U{number}", -1)
                complain(conn, asked.answer_id, f"U{number}", "wrong", right)
            assert save_verified(runtime, asked.answer_id, right, verified_by="UADA", written_by=f"U{number}")
