"""Lookup joins: rows per second with and without a cache, ordered or not.

    python bench/lookups.py                        SQLite, in a folder of its own
    python bench/lookups.py --postgres URL         and a table that is made in this database
    python bench/lookups.py --rows 1000000 --keys 100000

Each line is a run of its own over rows in memory, whose keys are drawn evenly. What a cache saves depends on how
often a key comes again: here each comes rows / keys times.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import tempfile
import time
from pathlib import Path

import polars as pl

import penstock as ps
from penstock.connectors.blackhole import BlackholeSink
from penstock.connectors.lookups import LookupSource
from penstock.connectors.postgres import PostgresSource
from penstock.connectors.sqlite import SqliteSource

CASES: list[tuple[str, dict[str, object]]] = [
    ("no cache", {}),
    ("no cache, unordered", {"ordered": False}),
    ("no cache, one call at a time", {"parallelism": 1}),
    ("no cache, key by key", {"batch": 1}),
    ("cache of a tenth of the keys", {"cache": "tenth"}),
    ("cache of all keys", {"cache": "all"}),
    ("loaded whole", {"cache": "full"}),
]


def in_sqlite(folder: Path, keys: int) -> LookupSource:
    """A table of names in a file."""
    link = sqlite3.connect(folder / "users.db")
    link.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, score DOUBLE)")
    link.executemany("INSERT INTO users VALUES (?, ?, ?)", ((i, f"user {i}", i / 2) for i in range(keys)))
    link.commit()
    link.close()
    return SqliteSource("users", path=str(folder / "users.db"))


def in_postgres(url: str, keys: int) -> LookupSource:
    """The same in a database."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as link:
        link.execute("DROP TABLE IF EXISTS bench_users")
        link.execute("CREATE TABLE bench_users (id bigint PRIMARY KEY, name text, score double precision)")
        link.execute(
            "INSERT INTO bench_users SELECT i, 'user ' || i, i / 2.0 FROM generate_series(0, %s) i", [keys - 1]
        )
        link.execute("ANALYZE bench_users")
    return PostgresSource("bench_users", url=url)


def run(source: LookupSource, rows: pl.DataFrame, keys: int, given: dict[str, object]) -> tuple[float, float]:
    """Seconds that a lookup of all rows takes, and of CPU in this process."""
    caches: dict[object, object] = {"tenth": {"rows": max(1, keys // 10)}, "all": {"rows": keys}}
    options = {**given, "cache": caches.get(given.get("cache"), given.get("cache"))}
    found = ps.read(rows).lookup(source, left_on="user", right_on="id", how="left", **options)  # type: ignore[arg-type]
    pipeline = ps.Pipeline("lookups", found.write(BlackholeSink()))
    with tempfile.TemporaryDirectory() as folder:
        begun, busy = time.perf_counter(), time.process_time()
        ps.run(pipeline, state=folder)
        return time.perf_counter() - begun, time.process_time() - busy


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--keys", type=int, default=50_000)
    parser.add_argument("--postgres", help="the connection string of a database to make a table in")
    given = parser.parse_args()
    chance = random.Random(1)
    rows = pl.DataFrame({"user": [chance.randrange(given.keys) for _ in range(given.rows)]}).with_row_index("n")
    with tempfile.TemporaryDirectory() as folder:
        sources = {"SQLite": in_sqlite(Path(folder), given.keys)}
        if given.postgres:
            sources["PostgreSQL"] = in_postgres(given.postgres, given.keys)
        for name, source in sources.items():
            run(source, rows.head(1_000), given.keys, {})  # kernels are loaded
            for label, options in CASES:
                some = rows.head(given.rows // 20) if options.get("batch") == 1 else rows
                took, busy = run(source, some, given.keys, options)
                rates = f"{some.height / took:>11,.0f} rows/s  {some.height / busy:>11,.0f} per CPU second"
                print(f"{name:<11} {label:<30} {rates}")


if __name__ == "__main__":
    main()
