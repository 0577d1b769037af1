"""The command line in this process: what it prints and how it ends."""

from __future__ import annotations

import datetime as dt
import sys
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from penstock.cli import main, terminal

DELAYS = """
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
""".lstrip()
"""The first example of the documents."""

MEMORY = """
import penstock as ps
from penstock.connectors.memory import MemorySink

rows = ps.read([{"k": "a", "v": 1}, {"k": "b", "v": 2}], name="rows")
sink = MemorySink()
pipeline = ps.Pipeline("copy", rows.write(sink))
""".lstrip()
"""A pipeline that touches no files."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def refused(self, code: int = 2) -> str:
        """Its error, after a look that it failed as it should and without a traceback."""
        assert self.code == code, self.err
        assert "Traceback" not in self.err + self.out
        assert "error: " in self.err
        return self.err[self.err.index("error: ") + len("error: ") :]


class Command:
    """Runs commands in a folder of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["penstock", *arguments])
        self._monkeypatch.setattr(terminal, "redaction", terminal.Redaction())
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = self._capsys.readouterr()
        return Ended(int(ended.value.code or 0), printed.out, printed.err)

    def write(self, name: str, text: str) -> str:
        """Make a file in the folder; its name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return name

    def flights(self) -> None:
        """Make the file that the first example reads: two airports, two days, one row that is late."""
        start = dt.datetime(2013, 1, 1, 12, tzinfo=dt.UTC)
        hours = [0, 1, 30, 31, 2, 32]
        frame = pl.DataFrame(
            {
                "origin": ["EWR", "JFK", "EWR", "JFK", "EWR", "EWR"],
                "dep_delay": [10, 20, 30, None, 50, 60],
                "time_hour": [start + dt.timedelta(hours=hour) for hour in hours],
            }
        )
        (self.folder / "data").mkdir()
        frame.write_parquet(self.folder / "data" / "flights.parquet")
