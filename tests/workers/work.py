"""What tasks call, where a test is about something else."""

from typing import Any

from retrieval.indexing.tally import IndexReport
from workers.tasks import Connect, Work


def work(connect: Connect, **given: Any) -> Work:
    """Does nothing that was not given; what a test does not expect at all fails."""

    def unexpected(*arguments: Any) -> Any:
        raise AssertionError(arguments)

    nothing: dict[str, Any] = {
        "index_due": lambda conn, tell: IndexReport(),
        "reindex": lambda conn, run, tell: None,
        "build_embedder": unexpected,
        "finetune": unexpected,
        "request_round": unexpected,
        "forget": unexpected,
    }
    return Work(connect, **(nothing | given))
