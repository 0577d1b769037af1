"""`penstock demo`: run it, show it, and say what came of it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from penstock.cli import terminal, wording
from penstock.cli.board import BoardLines, BoardScreen
from penstock.cli.failure import Guard
from penstock.cli.progress import Progress, Silence
from penstock.cli.run import watch
from penstock.core.clock import SystemClock
from penstock.demo import (
    FLIGHTS,
    PROGRAM,
    Board,
    LateFlights,
    ReplaySource,
    flights,
    late_flights,
    pipeline_of,
    prepare_folder,
    warm_up,
    whole_hours,
)
from penstock.engine.job import Job
from penstock.runner import Embedded

_CHECKPOINT = "5 s"


def run_demo(guard: Guard, *, speed: float, rows: int | None, folder: str, watermark: str, quiet: bool) -> None:
    """Run the demo; see `penstock demo --help`.

    Raises:
        PenstockError: If an option makes no sense, or the folder cannot be used.
    """
    place = Path(folder)
    clock, board = SystemClock(), Board()
    source = ReplaySource(frame=flights(rows), speed=speed, clock=clock)
    pipeline = pipeline_of(source, place, board, watermark)
    prepare_folder(place)
    guard.state = place / "state"
    if not quiet:
        _introduce(source, watermark)
    with terminal.busy("" if quiet else "starting; the first time, kernels are compiled: ten seconds or so"):
        warm_up()
    job = Job(pipeline, Embedded(shards=1).options(guard.state, _CHECKPOINT))
    watch(job, _progress(board, clock, watermark, quiet))
    for line in _end(job, place, watermark):
        terminal.tell(line)


def _introduce(source: ReplaySource, watermark: str) -> None:
    days = source.frame.select("year", "month", "day").n_unique()
    pace = f"{source.speed:g} day{'' if source.speed == 1 else 's'} per second"
    count = wording.rows(source.frame.height, "flight")
    terminal.tell(
        f"{count} from New York on {days} days of January 2013, in the order in which they were published, at\n"
        f"{pace}. Event time is the scheduled hour. A window of 6 hours closes when the watermark,\n"
        f"{watermark} behind the latest hour seen, passes its end; what comes for it later is late. Ctrl-C stops.\n"
    )


def _progress(board: Board, clock: SystemClock, watermark: str, quiet: bool) -> Progress:
    if quiet:
        return Silence()
    return BoardScreen(board, clock, watermark) if sys.stderr.isatty() else BoardLines(clock, watermark)


def _end(job: Job, folder: Path, watermark: str) -> list[str]:
    """What was written, why flights were late, and what to do next."""
    statistics = job.status()
    out, late = statistics.rows_out["delays"], statistics.rows_out["late"]
    taken = f"{wording.rows(statistics.rows_in, 'flight')} in, {wording.rows(out, 'result')} out, {late:,} late"
    written = {
        str(folder / "delays"): f"{wording.rows(out)}: flights and mean delay by airport and 6 hours, JSON lines",
        str(folder / "late"): f"{wording.rows(late)}: the late flights, each with the reason in _why",
        str(folder / PROGRAM): f"the same pipeline, over the flights in {FLIGHTS} beside it",
    }
    lines = ["", f"{statistics.state} after {wording.span(statistics.elapsed_us)}: {taken}", ""]
    lines += ["Written", *_columns(written), ""]
    found = late_flights(folder / "late") if late else None
    return [*lines, *_why(found, watermark), "", *_next(found, folder)]


def _why(found: LateFlights | None, watermark: str) -> list[str]:
    if found is None:
        return ["No flight was late", f"  None came more than {watermark} behind, after its window had closed."]
    were = "flight was" if found.count == 1 else "flights were"
    return [
        f"Why {found.count:,} {were} late",
        "  Late is what comes after its window has closed. A day is published by the time on the clock at departure: a",
        "  flight that left after midnight, hours behind its schedule, comes first, and moves the watermark far ahead.",
        *(f"  {line}" for line in found.example),
        f'  (watermark="{whole_hours(found.needed)}" would have saved it, and all others).',
    ]


def _next(found: LateFlights | None, folder: Path) -> list[str]:
    bound = whole_hours(found.needed) if found is not None else "1 hour"
    effect = "nothing is late" if found is not None else "half of them are late"
    place = "" if str(folder) == "penstock-demo" else f" --dir {shlex.quote(str(folder))}"
    program = shlex.quote(str(folder / PROGRAM))
    commands = {
        f'penstock demo --speed 10 --watermark "{bound}"{place}': f"the same again, and {effect}",
        f"penstock check {program}": "the pipeline: types, guarantees, state",
        f'penstock run {program} --set watermark="6 hours"': "the pipeline over the file, at full speed",
    }
    return ["Next", *_columns(commands)]


def _columns(lines: dict[str, str]) -> list[str]:
    width = max(map(len, lines))
    return [f"  {left:<{width}}  {right}" for left, right in lines.items()]
