"""The pipeline that looks up in a PostgreSQL that comes and goes, and is killed itself.

    python -m tests.services.lookup_worker FOLDER URL ROWS

Run again, it goes on where it was ended; once it has come to its end, it does nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import penstock as ps
from penstock.connectors.files import FileSink
from penstock.connectors.generate import GenerateSource
from penstock.connectors.postgres import PostgresSource
from tests.kill.scenario import has_finished

KEYS = 200
FIELDS = {"n": "sequence", "k": {"kind": "int", "least": 0, "most": KEYS}}
RATE = 4_000


def pipeline(folder: Path, url: str, rows: int) -> ps.Pipeline:
    """Numbers, each with the names that a slow view has for its key."""
    numbers = ps.read(GenerateSource(FIELDS, rows=rows, rate=RATE, seed=3))
    found = numbers.lookup(
        PostgresSource("slow_users", url=url, connect_timeout="2 s"), left_on="k", right_on="id", how="left",
        schema={"id": ps.Int64, "name": ps.String}, batch=20, parallelism=4,
        retry={"attempts": 1_000, "delay": "10 ms", "most": "100 ms"}, breaker={"failures": 3, "pause": "50 ms"},
    )  # fmt: skip
    return ps.Pipeline("looked-up", found.write(FileSink(folder / "out", format="json")))


def main(folder: str, url: str, rows: str) -> int:
    place = Path(folder)
    if not has_finished(place):
        ps.run(pipeline(place, url, int(rows)), state=place / "state", checkpoint="40 ms")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
