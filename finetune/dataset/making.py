"""Makes a dataset of all votes and corrections, and keeps it: from the rows of the bot to files with a hash."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.dataset.build import build
from finetune.dataset.freezing import freeze, sweep
from finetune.dataset.grounding import Grounding
from finetune.dataset.rows import Dataset, Options
from finetune.dataset.storage import StoredDataset, read_answers, read_splits, sample_passages
from finetune.dataset.synthetic import writer, written_from
from retrieval.answering.prompt import SMALL, PromptPlan
from retrieval.embedding import Embedder
from retrieval.indexing.sources import VERIFIED

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from psycopg import Connection
    from psycopg_pool import ConnectionPool


def make_dataset(
    conn: "Connection[Any]",
    pool: "ConnectionPool[Any]",
    embedder: Embedder,
    model: "BaseChatModel",
    folder: Path,
    *,
    options: Options,
    plan: PromptPlan = SMALL,
    evaluation: Sequence[str] = (),
    from_documents: int = 0,
    tell: Callable[[str], None] = lambda _: None,
    advance: Callable[[], None] = lambda: None,
) -> tuple[Dataset, StoredDataset | None]:
    """Makes a dataset of all votes and corrections, and keeps it in `folder`; None for one without examples.

    `conn` is in autocommit mode, for this takes long. `plan` is how the model is asked that will learn from it.
    `evaluation` are questions that it must not hold. `from_documents` passages are asked about by the model itself, and
    `advance` is called after each; `tell` hears which step is at hand.
    """
    grounding, counts = Grounding(pool, embedder, model, plan), Counter[str]()
    sweep(conn, folder)
    sample = sample_passages(conn, VERIFIED, from_documents, options.seed) if from_documents else []
    synthetic = list(written_from(sample, writer(model), grounding, counts, advance))
    dataset = build(
        read_answers(conn, VERIFIED),
        grounding,
        options=options,
        evaluation=evaluation,
        decided=read_splits(conn),
        synthetic=synthetic,
        counts=counts,
        tell=tell,
    )
    return dataset, freeze(conn, folder, dataset) if dataset.placed else None
