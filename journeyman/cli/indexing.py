"""An index run as it is seen in the terminal: a bar while it goes on, and its report."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from jobs.progress import Progress
from journeyman.cli.terminal import printable, progress_bars
from retrieval.indexing.tally import IndexReport


@contextmanager
def index_progress() -> Iterator["Callable[[Progress], None]"]:
    """A bar over documents, with the one that is being read and the chunks so far."""
    with progress_bars("documents") as bars:
        bar = bars.add_task("Looking for documents", total=None)

        def show(progress: "Progress") -> None:
            name = printable(progress.message)[-40:]
            description = f"{name}  {progress.counts.get('embedded', 0):.0f} chunks"
            bars.update(bar, total=progress.total, completed=progress.done, description=description)

        yield show


def describe_index(report: "IndexReport") -> str:
    """An index run in a line, and a line for each failure."""
    documents = ", ".join(f"{count} {name}" for name, count in report.documents.items() if count) or "none"
    chunks = ", ".join(f"{count} {name}" for name, count in report.chunks.items() if count) or "none"
    lines = [f"Documents: {documents}. Chunks: {chunks}. {report.seconds:.1f} s."]
    lines += [f"  {printable(f['document'])}: {printable(f['error'])}" for f in report.failures]
    return "\n".join(lines)
