"""The demo: four weeks of real flights, replayed in the order in which they were published.

What is here needs no terminal: the flights, the source that replays them at a speed, the pipeline, and the reason why
flights were late. `penstock.cli.demo` shows it.
"""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import ZoneInfo

from penstock.api.read import read
from penstock.api.stream import Stream
from penstock.connectors.base import (
    AT_LEAST_ONCE,
    Content,
    Polled,
    Reader,
    ReadRequest,
    Sealed,
    Sink,
    Source,
    Split,
    Writer,
    WriteRequest,
)
from penstock.connectors.files import FileSink, FileSource
from penstock.connectors.memory import MemorySink, MemorySource
from penstock.core import files
from penstock.core.clock import Clock, SystemClock
from penstock.core.errors import PlanError, StartError
from penstock.core.lazy import np, pl
from penstock.core.schema import Schema
from penstock.core.spec import option
from penstock.core.threads import lock
from penstock.core.timespan import SECOND, duration
from penstock.engine.job import Job
from penstock.engine.options import JobOptions
from penstock.plan.pipeline import Pipeline

if TYPE_CHECKING:
    import numpy.typing as npt

DATA = Path(__file__).resolve().parent / "demo_data"
FLIGHTS = "flights_as_published.parquet"
PROGRAM = "delays.py"
MARK = ".penstock-demo"
ZONE = "America/New_York"
_PACE_US = 20_000
_WARM_ROWS = 2_000


# -- The source ----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class ReplaySource(Source):
    """Rows at hand, given out at a speed, as if they came in just now.

    The order is that of the rows. What happened on one day of the file is spread evenly over its day of the replay. The
    speed decides when rows come, and nothing else: results are the same at any speed.

    Attributes:
        frame: The rows, with the columns `year`, `month` and `day` by which they were published.
        speed: Days per second.
        clock: Paces the replay.
    """

    connector: ClassVar[str] = "replay"

    frame: pl.DataFrame = field(repr=False)
    speed: float = option(1.0, doc="Days of the rows per second.")
    clock: Clock = field(default_factory=SystemClock, repr=False)

    def __post_init__(self) -> None:
        if not self.speed > 0:
            raise PlanError(f"the speed is a number of days per second, found {self.speed:g}", hint="--speed 1")

    @property
    def bounded(self) -> bool:
        """Always: the rows end, however slowly they come."""
        return True

    def schema(self) -> Schema:
        """The columns of the frame."""
        return self._rows().schema()

    def splits(self) -> list[Split]:
        """One."""
        return [Split("as published")]

    def reader(self, split: Split, position: Any, request: ReadRequest) -> Reader:
        """A reader from a row number; the replay goes on where it was."""
        inner = self._rows().reader(Split("0"), position, request)
        return ReplayReader(inner, self._released(), int(position or 0), self.clock)

    def default_name(self) -> str:
        """What it is."""
        return "flights"

    def _rows(self) -> MemorySource:
        return MemorySource(self.frame, name="flights")

    def _released(self) -> npt.NDArray[np.int64]:
        """For each row, how many microseconds after the start it is given out."""
        days = self.frame.select(pl.struct("year", "month", "day").rle_id().alias("day"))
        place = days.select((pl.int_range(pl.len()).over("day") + 1) / pl.len().over("day") + pl.col("day")).to_series()
        return (place * (SECOND / self.speed)).cast(pl.Int64).to_numpy()


class ReplayReader(Reader):
    """Gives out the rows whose time has come."""

    def __init__(self, inner: Reader, released: npt.NDArray[np.int64], position: int, clock: Clock) -> None:
        self._inner = inner
        self._released = released
        self._at = position
        self._clock = clock
        self._begun: int | None = None

    def poll(self, max_rows: int) -> Polled | None:
        """The rows that are due, or None; see `Reader.poll`."""
        now = self._clock.monotonic()
        if self._begun is None:
            self._begun = now - (int(self._released[self._at - 1]) if self._at else 0)
        passed = now - self._begun
        due = int(np.searchsorted(self._released, passed, side="right")) - self._at
        if due <= 0:
            wait = int(self._released[self._at]) - passed if self._at < len(self._released) else 0
            self.retry_after_us = max(_PACE_US, wait)
            return None
        self._at += min(max_rows, due)
        return self._inner.poll(min(max_rows, due))

    @property
    def ended(self) -> bool:
        """Whether all rows were given out."""
        return self._inner.ended


# -- The sink ------------------------------------------------------------------


class Board:
    """The latest results, for whoever shows them."""

    def __init__(self) -> None:
        self._lock = lock()
        self._windows: dict[dt.datetime, dict[str, tuple[int, float]]] = {}

    def add(self, frame: pl.DataFrame) -> None:
        """Take results; called by the running pipeline."""
        with self._lock:
            for row in frame.iter_rows(named=True):
                self._windows.setdefault(row["window_start"], {})[row["origin"]] = (row["flights"], row["mean_delay"])

    def latest(self, count: int) -> list[tuple[dt.datetime, dict[str, tuple[int, float]]]]:
        """The latest windows, by time: flights and mean delay by airport."""
        with self._lock:
            return sorted(self._windows.items())[-count:]


@dataclass(frozen=True, kw_only=True, eq=False)
class BoardSink(Sink):
    """Puts results on a board at once.

    Attributes:
        board: The board.
    """

    connector: ClassVar[str] = "board"
    delivery: ClassVar[str] = AT_LEAST_ONCE

    board: Board = field(repr=False)

    def writer(self, request: WriteRequest) -> Writer:
        """Open it."""
        return BoardWriter(self.board)


class BoardWriter(Writer):
    """Writes to a board."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def write(self, frame: pl.DataFrame, diff: Any) -> None:
        """Show rows."""
        self._board.add(frame)

    def prepare(self, epoch: int) -> Callable[[], Content]:
        """Nothing is held back."""
        return lambda: Content({})

    def commit(self, epochs: Sequence[Sealed]) -> None:
        """Everything is shown already."""

    def report(self) -> str:
        """Where the rows are."""
        return "on the screen"


# -- The pipeline --------------------------------------------------------------


def flights(rows: int | None = None) -> pl.DataFrame:
    """The flights that ship with the package, as published.

    Args:
        rows: How many of them; all by default.

    Raises:
        PlanError: If the number makes no sense.
    """
    if rows is not None and rows < 1:
        raise PlanError(f"rows is how many flights to replay, found {rows}")
    found = read(FileSource(str(DATA / FLIGHTS))).collect()
    return found if rows is None else found.head(rows)


def pipeline_of(source: Source, folder: Path, board: Board, watermark: str) -> Pipeline:
    """What the demo runs: results and late flights to files, results to the screen.

    Args:
        source: Where the flights come from.
        folder: Below it the files are written.
        board: What shows results.
        watermark: How much out of order flights may be before they are late.

    Raises:
        PlanError: If the watermark is not understood.
    """
    delays = _program().by_airport(read(source, event_time="time_hour", watermark=watermark))
    assert isinstance(delays, Stream)
    return Pipeline(
        "demo",
        delays.write(FileSink(str(folder / "delays"), format="json", mode="overwrite"), name="delays"),
        delays.late().write(FileSink(str(folder / "late"), format="json", mode="overwrite"), name="late"),
        delays.write(BoardSink(board=board), name="screen"),
    )


def warm_up() -> None:
    """Run the pipeline over a few flights, so that kernels are compiled before the clock of the replay runs."""
    delays = _program().by_airport(read(flights(_WARM_ROWS), event_time="time_hour", watermark="1 hour"))
    kept = [delays.write(MemorySink("delays")), delays.late().write(MemorySink("late"))]
    Job(Pipeline("warm-up", *kept), JobOptions()).run()


def _program() -> Any:
    """The program that is given to the user, as a module: the demo runs what it shows."""
    spec = importlib.util.spec_from_file_location("penstock_demo_delays", DATA / PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- The folder ----------------------------------------------------------------


def prepare_folder(folder: Path) -> None:
    """Make the demo's folder, with the flights and the program in it; one that the demo did not make is left alone.

    Raises:
        StartError: If there is something else in the folder, or it cannot be written.
    """
    try:
        files.make_directory(folder)
        there = [entry.name for entry in files.entries(folder)]
        if there and MARK not in there:
            raise StartError(f'"{folder}" was not made by the demo: it has {", ".join(there[:3])}', hint="--dir DIR")
        for name, content in ((MARK, b""), (FLIGHTS, None), (PROGRAM, None)):
            if name not in there:  # a program that somebody has changed stays
                with files.create(folder / name) as file:
                    files.write(file, files.read_bytes(DATA / name) if content is None else content)
    except OSError as failure:
        raise StartError(f'cannot write to "{folder}": {failure.strerror}', hint="--dir DIR") from None


# -- Why flights were late -----------------------------------------------------


@dataclass(frozen=True)
class LateFlights:
    """What is to be said of late flights.

    Attributes:
        count: How many there were.
        example: The one that was behind most, in a sentence of two lines.
        needed: The bound that would have saved the example, in microseconds; then none would have been late.
    """

    count: int
    example: tuple[str, str]
    needed: int


def late_flights(folder: Path) -> LateFlights | None:
    """What the table of late flights says; None if there are none."""
    rows = [json.loads(line) for found in files.walk(folder) for line in files.read_text(found.path).splitlines()]
    if not rows:
        return None
    worst = max(rows, key=lambda row: duration(row["_why"]["needed"]))
    why = worst["_why"]
    day = f"{worst['year']}-{worst['month']:02d}-{worst['day']:02d}"
    closed = f"its window had closed {_length(why['behind'])} before"
    example = (
        f"{worst['carrier']} {worst['flight']} from {worst['origin']} to {worst['dest']}, scheduled for {day} "
        f"{_clock_face(worst['sched_dep_time'])} and off {_delay(worst['dep_delay'])},",
        f"came when the watermark was {_local(why['watermark'])}: {closed}",
    )
    return LateFlights(len(rows), example, duration(why["needed"]))


def whole_hours(microseconds: int) -> str:
    """A length of time, rounded up to hours, as it is written in a pipeline."""
    hours = -(-microseconds // (3_600 * SECOND))
    return f"{hours} hour{'' if hours == 1 else 's'}"


def _clock_face(value: int) -> str:
    return f"{value // 100:02d}:{value % 100:02d}"


def _local(text: str) -> str:
    moment = dt.datetime.fromisoformat(text).astimezone(ZoneInfo(ZONE))
    return moment.strftime("%Y-%m-%d %H:%M")


def _delay(minutes: int) -> str:
    if minutes == 0:
        return "on time"
    return f"{abs(minutes)} min {'late' if minutes > 0 else 'early'}"


def _length(text: str) -> str:
    hours = duration(text) / 3.6e9
    return f"{hours:.1f} h".replace(".0 ", " ") if hours >= 0.1 else text
