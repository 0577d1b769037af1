"""How a run is told while it goes on: one live line in a terminal, else a plain line every few seconds."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from penstock.cli import terminal, wording
from penstock.core.clock import Clock
from penstock.core.timespan import END, NEVER, SECOND

if TYPE_CHECKING:
    from penstock.engine.metrics import Statistics

PLAIN_EVERY = 5 * SECOND
_RATE_OVER = 2 * SECOND
_REASONS = 5
_LONG_START = 2 * SECOND
_SIGNS = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Progress(Protocol):
    """Tells of a run."""

    def show(self, statistics: Statistics) -> None:
        """Tell how it stands; called about five times a second."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


def progress(clock: Clock, *, quiet: bool, shared: bool) -> Progress:
    """The progress that suits where stderr goes.

    Args:
        clock: For the rate, and for the pace of plain lines.
        quiet: Whether to say nothing.
        shared: Whether rows are printed to the same terminal, which a live line would tear apart.
    """
    if quiet:
        return Silence()
    if sys.stderr.isatty() and not shared:
        return LiveLine(clock)
    return PlainLines(clock)


class Silence:
    """Tells nothing."""

    def show(self, statistics: Statistics) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Rate:
    """Rows per second over the last seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: list[tuple[int, int]] = []

    def over(self, rows: int) -> str:
        """Take note of the rows so far; the rate for people."""
        now = self._clock.monotonic()
        self._seen.append((now, rows))
        while len(self._seen) > 2 and now - self._seen[1][0] >= _RATE_OVER:
            self._seen.pop(0)
        begun, before = self._seen[0]
        return wording.rate(rows - before, now - begun) if now > begun else wording.rate(0, 1)


def facts(statistics: Statistics, rate: str) -> list[str]:
    """The parts of a line about a run."""
    parts = [f"{statistics.rows_in:,} rows in", rate, f"{sum(statistics.rows_out.values()):,} out"]
    if not statistics.steps and statistics.elapsed_us >= _LONG_START:
        parts.insert(0, "starting: kernels are compiled at the first run")
    parts += [f"late {statistics.late:,}", f"errors {statistics.errors:,}"]
    if NEVER + 1 < statistics.watermark < END:
        parts.append(f"watermark {wording.watermark(statistics.watermark)}")
        if statistics.lag_us is not None:
            parts.append(f"lag {wording.span(statistics.lag_us)}")
    held = sum(node.state_bytes for node in statistics.nodes)
    if held:
        parts.append(f"state {wording.size(held)}")
    return parts


class PlainLines:
    """A line every few seconds."""

    def __init__(self, clock: Clock, every: int = PLAIN_EVERY) -> None:
        self._clock = clock
        self._every = every
        self._rate = Rate(clock)
        self._told = clock.monotonic()

    def show(self, statistics: Statistics) -> None:
        """Tell, if the last line is old enough."""
        rate = self._rate.over(statistics.rows_in)
        if self._clock.monotonic() - self._told >= self._every and statistics.state == "running":
            self._told = self._clock.monotonic()
            terminal.tell(f"{statistics.pipeline}: {', '.join(facts(statistics, rate))}")

    def close(self) -> None:
        """Nothing is left behind."""


class LiveLine:
    """One line that changes, with a sign of life before it."""

    def __init__(self, clock: Clock) -> None:
        from rich.live import Live

        self._rate = Rate(clock)
        self._turn = 0
        self._live = Live(console=terminal.console(), auto_refresh=False, transient=True)
        self._live.start()

    def show(self, statistics: Statistics) -> None:
        """Change the line."""
        from rich.text import Text

        rate = self._rate.over(statistics.rows_in)
        self._turn += 1
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"{_SIGNS[self._turn % len(_SIGNS)]} {statistics.pipeline}", style="bold")
        for part in facts(statistics, rate):
            alarming = part.startswith(("late ", "errors ")) and not part.endswith(" 0")
            line.append("  ")
            line.append(part, style="yellow" if alarming else "")
        self._live.update(line, refresh=True)

    def close(self) -> None:
        """Take the line away."""
        self._live.stop()


# -- the end -------------------------------------------------------------------


def summary(statistics: Statistics, reports: Sequence[str], state: Any) -> list[str]:
    """What a run did, for people.

    Args:
        statistics: How it stands at its end.
        reports: What its sinks say of their output.
        state: The state directory, where refused rows are.
    """
    took = statistics.elapsed_us
    lines = [f"{statistics.pipeline}: {statistics.state} after {wording.span(took)}"]
    before, new = statistics.rows_before, max(0, statistics.rows_in - statistics.rows_before)
    here = f", {new:,} of them in this run" if before else ""
    lines.append(f"  in      {wording.rows(statistics.rows_in)}{here}, {wording.rate(new, took)}")
    count = len(statistics.rows_out)
    lines += [f"  out     {line}" for line in reports[:count]]
    tables = {line.partition(":")[0] for line in reports[count:]}
    for port, rows in (("late", statistics.late), ("errors", statistics.errors)):
        if rows:
            place = f": {Path(state) / port}" if port in tables else ""
            lines.append(f"  {port:<7} {wording.rows(rows)}{place}")
    reasons = [(reason, rows) for reason, rows in statistics.reasons if reason != "late"]
    lines += [f"          {rows:,} x {reason}" for reason, rows in reasons[:_REASONS]]
    if len(reasons) > _REASONS:
        lines.append(f"          and {len(reasons) - _REASONS} more reasons")
    return lines


def summary_json(statistics: Statistics, reports: Sequence[str], state: Any) -> dict[str, Any]:
    """The same for programs."""
    took = max(statistics.elapsed_us, 1)
    known = NEVER + 1 < statistics.watermark < END
    return {
        "pipeline": statistics.pipeline,
        "state": statistics.state,
        "rows_in": statistics.rows_in,
        "rows_before": statistics.rows_before,
        "rows_out": statistics.rows_out,
        "outputs": list(reports),
        "late": statistics.late,
        "errors": statistics.errors,
        "reasons": dict(statistics.reasons),
        "state_directory": str(state),
        "watermark": wording.watermark(statistics.watermark) if known else None,
        "steps": statistics.steps,
        "epochs": statistics.epochs,
        "elapsed_s": round(statistics.elapsed_us / 1e6, 3),
        "rows_per_s": round(max(0, statistics.rows_in - statistics.rows_before) * 1e6 / took),
    }
