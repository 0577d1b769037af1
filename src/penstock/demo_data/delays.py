"""Delays of flights by airport and quarter of the day, from a file: the pipeline of `penstock demo`.

penstock check delays.py
penstock run delays.py
penstock run delays.py --set watermark="1 hour"
"""

from __future__ import annotations

from pathlib import Path

import penstock as ps
from penstock import col
from penstock.connectors.files import FileSink, FileSource

HERE = Path(__file__).parent


def by_airport(flights: ps.Stream) -> ps.Stream:
    """How many flights left each airport in each quarter of a New York day, and how late they were."""
    return (
        flights
        .filter(col("dep_delay").is_not_null())  # cancelled flights never left
        .group_by("origin")
        .window(ps.tumbling("6 hours", zone="America/New_York"))
        .agg(flights=ps.count(), mean_delay=col("dep_delay").mean())
    )  # fmt: skip


def pipeline(watermark: str = "12 hours") -> ps.Pipeline:
    """The same over the file beside this one.

    Args:
        watermark: How much out of order flights may be before they are late.
    """
    source = FileSource(str(HERE / "flights_as_published.parquet"))
    flights = ps.read(source, event_time="time_hour", watermark=watermark)
    delays = by_airport(flights)
    return ps.Pipeline(
        "delays",
        delays.write(FileSink(str(HERE / "delays-from-file"), mode="overwrite")),
        delays.late().write(FileSink(str(HERE / "late-from-file"), mode="overwrite")),
    )
