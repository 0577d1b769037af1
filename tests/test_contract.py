"""What users were promised: the flights example, on real data, against a batch engine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import polars as pl
import pytest

import penstock as ps
from penstock import col
from penstock.connectors.files import FileSource
from penstock.connectors.memory import MemorySink
from penstock.core.timespan import duration
from penstock.engine.job import Job
from penstock.engine.options import JobOptions, LoopOptions

DATA = Path(__file__).parent / "data"

EXAMPLE = """
import penstock as ps
from penstock import col
from penstock.connectors.files import FileSink, FileSource

flights = ps.read(FileSource("data/flights.parquet"), event_time="time_hour", watermark="1 hour")

delays = (
    flights
    .filter(col("dep_delay").is_not_null())
    .group_by("origin")
    .window(ps.tumbling("1 day", zone="America/New_York"))
    .agg(flights=ps.count(), avg_delay=col("dep_delay").mean())
)

pipeline = ps.Pipeline("delays", delays.write(FileSink("out/delays", format="json")))

if __name__ == "__main__":
    ps.run(pipeline)  # or: penstock run delays.py
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A fresh folder with the example and its data."""
    (tmp_path / "data").mkdir()
    shutil.copy(DATA / "flights.parquet", tmp_path / "data")
    (tmp_path / "delays.py").write_text(EXAMPLE)
    return tmp_path


def batch_days() -> pl.DataFrame:
    """Flights and mean delay per airport and New York day, as DuckDB has them."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'America/New_York'")
    return connection.sql(
        f"""
        SELECT origin, date_trunc('day', time_hour) AS day, count(*) AS flights, avg(dep_delay) AS avg_delay
        FROM '{DATA / "flights.parquet"}' WHERE dep_delay IS NOT NULL GROUP BY ALL ORDER BY day, origin
        """
    ).pl()


def assert_days(found: pl.DataFrame) -> None:
    """Row for row what the batch engine has."""
    expected = batch_days()
    found = found.sort("day", "origin")
    assert found["origin"].to_list() == expected["origin"].to_list()
    assert found["day"].dt.epoch("us").to_list() == expected["day"].dt.epoch("us").to_list()
    assert found["flights"].to_list() == expected["flights"].to_list()
    for ours, theirs in zip(found["avg_delay"], expected["avg_delay"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("command", [["delays.py"], ["-m", "penstock", "run", "delays.py"]])
def test_the_first_example_runs_as_written(folder: Path, command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr
    written = pl.read_ndjson(folder / "out" / "delays" / "*.json")
    start = pl.col("window_start").str.to_datetime(time_unit="us", time_zone="UTC")
    assert_days(written.with_columns(day=start))


def as_published() -> tuple[ps.Stream, ps.Stream]:
    """The windows of the example over the rows in order of publication, and their late rows."""
    path = str(DATA / "flights_as_published.parquet")
    flights = ps.read(FileSource(path), event_time="time_hour", watermark="1 hour")
    departed = flights.filter(col("dep_delay").is_not_null())
    windows = departed.group_by("origin").window(ps.tumbling("1 day", zone="America/New_York"))
    delays = windows.agg(flights=ps.count())
    return delays, delays.late()


@pytest.mark.parametrize(("step_rows", "shards"), [(1_000, 1), (4_096, 3), (65_536, 2), (1 << 20, 1)])
def test_two_thirds_are_late_whatever_the_steps(step_rows: int, shards: int) -> None:
    delays, late = as_published()
    rows, refused = MemorySink(), MemorySink()
    pipeline = ps.Pipeline("published", delays.write(rows, name="rows"), late.write(refused, name="late"))
    Job(pipeline, JobOptions(shards=shards, loop=LoopOptions(step_rows=step_rows))).run()
    assert refused.frame().height == 219_240
    assert rows.frame()["flights"].sum() == 328_521 - 219_240


def test_the_bound_that_is_named_would_have_saved_the_row() -> None:
    _, late = as_published()
    why = late.collect().get_column("_why").struct.unnest()
    needed = max(why["needed"].unique(), key=duration)
    path = str(DATA / "flights_as_published.parquet")
    flights = ps.read(FileSource(path), event_time="time_hour", watermark=needed)
    windows = flights.filter(col("dep_delay").is_not_null()).group_by("origin")
    saved = windows.window(ps.tumbling("1 day", zone="America/New_York")).agg(flights=ps.count())
    assert saved.late().collect().height == 0


def test_errors_name_the_line_and_the_nearest_column(folder: Path) -> None:
    wrong = EXAMPLE.replace('col("dep_delay").mean()', 'col("dep_dela").mean()')
    (folder / "delays.py").write_text(wrong)
    line = 1 + next(i for i, text in enumerate(wrong.splitlines()) if "delays = (" in text)
    done = subprocess.run(
        [sys.executable, "-m", "penstock", "run", "delays.py"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert 'no column "dep_dela" in "flights"; did you mean "dep_delay"?' in done.stderr
    found = int(done.stderr.split("delays.py:")[1].split(":")[0])
    assert line <= found <= line + 6
    assert "Traceback" not in done.stderr
