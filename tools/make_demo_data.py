"""Cut the flights that `penstock demo` replays: `python tools/make_demo_data.py flights_as_published.parquet`.

The argument is the table `flights` of nycflights13 (CC0; by way of the Bureau of Transportation Statistics) as Parquet,
in the order in which it is published: by month as text, then by day, within a day by the time of departure on the
clock, cancelled flights last. That order is the disorder of the demo: a flight that left after midnight is the
first of its day, and event time (`time_hour`, the scheduled hour) jumps to the evening with it.

Kept are the first four weeks, which are whole and in the order of days, and the columns that the demo shows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

TARGET = Path(__file__).resolve().parent.parent / "src" / "penstock" / "demo_data" / "flights_as_published.parquet"
DAYS = 28
COLUMNS = ["year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "carrier", "flight", "origin", "dest"]


def cut(flights: pl.DataFrame) -> pl.DataFrame:
    """The first weeks of a year's flights, with the columns of the demo."""
    month = flights.get_column("month")
    beginning = flights.head(int((month != month[0]).arg_true().first() or flights.height))
    return beginning.filter(pl.col("day") <= DAYS).select(*COLUMNS, "time_hour")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} flights_as_published.parquet")
    rows = cut(pl.read_parquet(sys.argv[1]))
    rows.write_parquet(TARGET, compression="zstd", compression_level=19)
    print(f"{rows.height:,} rows, {TARGET.stat().st_size:,} bytes: {TARGET}")
