"""The demo's table in the terminal: results by airport as they come, with rates, watermark and late flights."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from penstock.cli import terminal, wording
from penstock.cli.progress import Rate
from penstock.core.clock import Clock
from penstock.core.timespan import END, NEVER, SECOND, to_datetime
from penstock.demo import ZONE, Board

if TYPE_CHECKING:
    from rich.table import Table

    from penstock.engine.metrics import Statistics

AIRPORTS = {"EWR": "Newark", "JFK": "Kennedy", "LGA": "LaGuardia"}
_ROWS = 12
_MINUTES_PER_BLOCK = 5
_BLOCKS = 5
_EVERY_US = 3 * SECOND


class BoardScreen:
    """A live table of the latest results; a `Progress`."""

    def __init__(self, board: Board, clock: Clock, watermark: str) -> None:
        from rich.live import Live

        self._board = board
        self._rate = Rate(clock)
        self._watermark = watermark
        self._live = Live(console=terminal.console(), refresh_per_second=8, auto_refresh=False)
        self._live.start()

    def show(self, statistics: Statistics) -> None:
        """Draw the table anew."""
        rate = self._rate.over(statistics.rows_in)
        self._live.update(table(self._board, statistics, rate, self._watermark), refresh=True)

    def close(self) -> None:
        """Leave the last table where it is."""
        self._live.stop()


class BoardLines:
    """A line every few seconds, where there is no terminal; a `Progress`."""

    def __init__(self, clock: Clock, watermark: str) -> None:
        self._clock = clock
        self._rate = Rate(clock)
        self._watermark = watermark
        self._told = clock.monotonic()

    def show(self, statistics: Statistics) -> None:
        """Tell, if the last line is old enough."""
        rate = self._rate.over(statistics.rows_in)
        if self._clock.monotonic() - self._told >= _EVERY_US and statistics.state == "running":
            self._told = self._clock.monotonic()
            counts = _counts(statistics, rate, f"{statistics.late:,} late")
            terminal.tell(f"{counts}; watermark {_local(statistics.watermark, self._watermark)}")

    def close(self) -> None:
        """Nothing is left behind."""


def table(board: Board, statistics: Statistics, rate: str, watermark: str) -> Table:
    """The latest results as a table.

    Args:
        board: The results.
        statistics: How the run stands.
        rate: Rows per second, for people.
        watermark: The bound of disorder, as the user said it.
    """
    from rich.table import Table

    late = f"[yellow]{statistics.late:,} late[/]" if statistics.late else "0 late"
    caption = f"watermark {_local(statistics.watermark, watermark)}\n{_counts(statistics, rate, late)}"
    shown = Table(title="Flights from New York: how many left, and their mean delay in minutes", caption=caption)
    shown.add_column("6 hours from", no_wrap=True, min_width=16)
    for airport, name in AIRPORTS.items():
        shown.add_column(f"{airport} {name}", no_wrap=True, min_width=17)
    windows = board.latest(_ROWS)
    for start, results in windows:
        name = f"{start:%a %d %b %H:%M}"
        shown.add_row(name, *(_cell(results.get(airport)) for airport in AIRPORTS))
    for _ in range(_ROWS - len(windows)):
        shown.add_row()
    return shown


def _cell(result: tuple[int, float] | None) -> str:
    if result is None:
        return ""
    count, delay = result
    blocks = "▪" * min(_BLOCKS, max(0, round(delay / _MINUTES_PER_BLOCK)))
    colour = "red" if delay >= 3 * _MINUTES_PER_BLOCK else "green" if delay < _MINUTES_PER_BLOCK else "yellow"
    return f"{count:>4} {delay:>+6.1f} [{colour}]{blocks}[/]"


def _local(instant: int, bound: str) -> str:
    if instant <= NEVER + 1:
        return "none yet"
    if instant >= END:
        return "past the end: all windows are closed"
    return f"{to_datetime(instant).astimezone(ZoneInfo(ZONE)):%a %d %b %H:%M}, {bound} behind the latest flight"


def _counts(statistics: Statistics, rate: str, late: str) -> str:
    held = sum(node.state_bytes for node in statistics.nodes)
    results = statistics.rows_out.get("delays", 0)
    return f"{statistics.rows_in:,} flights in, {rate}, {late}, {results:,} results, state {wording.size(held)}"
