"""How much a run of the index does, and what it did: counted while it lasts, told as progress, reported at the end."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from jobs.progress import Progress, Tell
from retrieval.loading import LoadError

NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a run does. `only`: documents by source id and name, None for all. `force`: parse and embed
    unchanged ones, too, and try again what was set aside before `begun_at`, by the clock of Postgres; None: whenever
    it was. `dry_run`: report what would be done, and write nothing.
    """

    only: frozenset[tuple[int, str]] | None = None
    force: bool = False
    dry_run: bool = False
    begun_at: datetime | None = None

    @property
    def attempts_since(self) -> datetime | None:
        """From when on attempts count; None: from ever on. A forced run that begins again minds its own."""
        return (self.begun_at or NEVER) if self.force else None

    def holds(self, source: int, name: str) -> bool:
        """Whether the run is about this document."""
        return self.only is None or (source, name) in self.only


EVERYTHING = Extent()
"""All documents, as far as they changed."""


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What a run did. A renamed file counts as one new and one removed document.

    `documents`: new, changed, unchanged, removed, failed. `chunks`: those embedded in this run, those that
    stand in the index without having been embedded in it (together: all chunks of these sources), and those
    removed. `failures`: which failed, what of others could not be read, and how many files are of kinds
    that none are.
    """

    documents: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("new", "changed", "unchanged", "removed", "failed"), 0)
    )
    chunks: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("embedded", "reused", "removed"), 0))
    failures: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0


class Tally:
    """Counts what a run does and tells how far it is."""

    def __init__(self, extent: Extent, progress: Tell) -> None:
        self._extent, self._progress = extent, progress
        self._report = IndexReport()
        self._done = self._total = 0

    def expect(self, documents: int) -> None:
        """So many more documents are to be looked at."""
        self._total += documents

    def count(self, outcome: str, reused: int) -> None:
        """A document came to this outcome, with chunks that needed no embedding."""
        self._report.documents[outcome] += 1
        self._report.chunks["reused"] += reused

    def embedded(self, chunks: int) -> None:
        """So many chunks were embedded, or would be."""
        self._report.chunks["embedded"] += chunks

    def removed(self, chunks: int, documents: int = 0) -> None:
        """So many chunks left the index, or would, and with them whole documents."""
        self._report.chunks["removed"] += chunks
        self._report.documents["removed"] += documents

    def note(self, document: str, what: str) -> None:
        """Something of a document could not be read."""
        self._report.failures.append({"document": document, "error": what})

    def fail(self, document: str, error: str) -> None:
        """A document, or a place in a source, failed."""
        self._report.documents["failed"] += 1
        self.note(document, error)

    def fail_to_load(self, document: str, error: LoadError, *, known: bool) -> None:
        """A document cannot be read; one that is known stays as it was indexed."""
        self.fail(document, f"{error}; the version indexed before stays" if known else str(error))

    def finish(self, document: str) -> None:
        """A document has come to its end."""
        self._done += 1
        self.tell(document)

    def tell(self, document: str) -> None:
        """How far the run is, with this document at hand. `failed` counts documents, the others chunks; what a run
        embeds or removes stays done, but for one that does all again and one that writes nothing.
        """
        counts = {**self._report.chunks, "failed": self._report.documents["failed"]}
        again = self._extent.force or self._extent.dry_run
        lasting = not again and counts["embedded"] + counts["removed"] > 0
        self._progress(Progress(document, self._done, self._total, counts, lasting))

    def report(self, seconds: float) -> IndexReport:
        """What the run did until now, in so many seconds."""
        return IndexReport(self._report.documents, self._report.chunks, self._report.failures, round(seconds, 3))


def silent(_: Progress) -> None:
    """Takes the progress of a run that nobody watches."""
