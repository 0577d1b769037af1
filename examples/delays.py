"""The first pipeline: flights and mean delay per airport and New York day, from Parquet to JSON lines."""

from __future__ import annotations

import penstock as ps
from penstock import col
from penstock.connectors.files import FileSink, FileSource

flights = ps.read(FileSource("data/flights.parquet"), event_time="time_hour", watermark="1 hour")

delays = (
    flights.filter(col("dep_delay").is_not_null())
    .group_by("origin")
    .window(ps.tumbling("1 day", zone="America/New_York"))
    .agg(flights=ps.count(), avg_delay=col("dep_delay").mean())
)

pipeline = ps.Pipeline("delays", delays.write(FileSink("out/delays", format="json")))

if __name__ == "__main__":
    ps.run(pipeline)
