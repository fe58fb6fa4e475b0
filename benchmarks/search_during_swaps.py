"""Does a search ever see half of a document that is being swapped? 10,000 searches while two writers swap all the time.

    python benchmarks/search_during_swaps.py
    python benchmarks/search_during_swaps.py --searches 100000 --json swaps.json

Runs on an embedded PostgreSQL of its own. Exits with 1 if any search saw chunks of two versions, or not all of one.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.server import benchmark_database
from tests.retrieval.indexing.swaps import search_during_swaps


def main() -> int:
    """Run it, and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with benchmark_database() as url:
        started = time.monotonic()
        result = search_during_swaps(url, searches=options.searches)
        seconds = time.monotonic() - started
    print(f"{result.searches:,} searches during {result.swaps:,} swaps in {seconds:.0f} s; seen: {result.versions}")
    print(f"Half-visible documents: {result.half}")
    if options.json:
        options.json.write_text(json.dumps({**asdict(result), "seconds": seconds}, indent=2))
    return 1 if result.half else 0


if __name__ == "__main__":
    sys.exit(main())
