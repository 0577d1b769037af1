from __future__ import annotations

import datetime as dt
import io
from pathlib import Path

import pytest

from penstock.cli import progress, wording
from penstock.cli.progress import LiveLine, PlainLines, Rate, Silence, facts, summary, summary_json
from penstock.core.clock import SystemClock
from penstock.core.timespan import END, NEVER, SECOND, from_datetime
from penstock.engine.metrics import NodeStatistics, Statistics
from penstock.testing.driver import ManualClock

NOON = from_datetime(dt.datetime(2013, 1, 1, 12, tzinfo=dt.UTC))
NODE = NodeStatistics("a/window-1", "window", 5, 3, 1, 0, 10, 2, 2048)


def statistics(**more):
    known = {
        "pipeline": "p", "state": "running", "rows_in": 1_200_000, "rows_out": {"out": 10}, "late": 3, "errors": 0,
        "watermark": NOON, "lag_us": 90 * SECOND, "elapsed_us": 2 * SECOND, "steps": 9, "nodes": (NODE,),
    }  # fmt: skip
    return Statistics(**{**known, **more})


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (wording.number(0), "0"),
        (wording.number(4.94), "4.9"),
        (wording.number(950), "950"),
        (wording.number(1_200), "1.2 K"),
        (wording.number(34_000_000), "34 M"),
        (wording.number(2.5e9), "2.5 G"),
        (wording.rate(500, 250_000), "2.0 K rows/s"),
        (wording.rows(1), "1 row"),
        (wording.rows(1_095), "1,095 rows"),
        (wording.size(512), "512 B"),
        (wording.size(3 << 20), "3.0 MiB"),
        (wording.span(1_500), "2 ms"),
        (wording.span(1_200_000), "1.2 s"),
        (wording.span(60 * SECOND), "1 min"),
        (wording.span(86_400 * SECOND), "1 day"),
        (wording.span(-36 * 3_600 * SECOND), "-1.5 days"),
        (wording.watermark(NEVER), "none yet"),
        (wording.watermark(END), "end"),
        (wording.watermark(NOON), "2013-01-01 12:00:00"),
    ],
)
def test_words(made, expected):
    assert made == expected


def test_the_rate_is_that_of_the_last_seconds():
    clock = ManualClock()
    rate = Rate(clock)
    assert rate.over(0) == "0 rows/s"
    clock.advance("1 s")
    assert rate.over(100) == "100 rows/s"
    clock.advance("9 s")
    assert rate.over(1_000) == "100 rows/s"
    clock.advance("1 s")
    assert rate.over(3_000) == "290 rows/s"
    clock.advance("1 s")
    assert rate.over(5_000) == "2.0 K rows/s"


def test_facts():
    assert facts(statistics(), "1 rows/s") == [
        "1,200,000 rows in", "1 rows/s", "10 out", "late 3", "errors 0", "watermark 2013-01-01 12:00:00",
        "lag 1.5 min", "state 2.0 KiB",
    ]  # fmt: skip
    shown = facts(statistics(watermark=NEVER, lag_us=None, nodes=()), "1 rows/s")
    assert shown == ["1,200,000 rows in", "1 rows/s", "10 out", "late 3", "errors 0"]


def test_a_long_start_says_why():
    assert facts(statistics(steps=0), "1 rows/s")[0] == "starting: kernels are compiled at the first run"
    assert facts(statistics(steps=0, elapsed_us=SECOND), "1 rows/s")[0] == "1,200,000 rows in"


def test_plain_lines_come_every_few_seconds(capsys):
    clock = ManualClock()
    lines = PlainLines(clock)
    for _ in range(60):
        clock.advance("200 ms")
        lines.show(statistics())
    lines.show(statistics(state="finished"))
    lines.close()
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert told[0].startswith("p: 1,200,000 rows in, ")


def test_the_summary():
    reports = ["out: 10 rows (1 file in out)", "late: 3 rows (1 file)"]
    lines = summary(statistics(state="finished", errors=2, reasons=(("late", 3), ("v is negative", 2))), reports, "st")
    assert lines == [
        "p: finished after 2 s",
        "  in      1,200,000 rows, 600 K rows/s",
        "  out     out: 10 rows (1 file in out)",
        f"  late    3 rows: {Path('st') / 'late'}",
        "  errors  2 rows",
        "          2 x v is negative",
    ]


def test_a_run_that_went_on_tells_its_own_rate():
    lines = summary(statistics(state="finished", rows_before=1_000_000), ["out: 10 rows"], "st")
    assert lines[1] == "  in      1,200,000 rows, 200,000 of them in this run, 100 K rows/s"
    assert summary_json(statistics(rows_before=1_000_000), [], "st")["rows_per_s"] == 100_000


def test_an_output_may_be_called_late():
    lines = summary(statistics(rows_out={"late": 3}), ["late: 3 rows (1 file in x)"], "st")
    assert lines[2:] == ["  out     late: 3 rows (1 file in x)", "  late    3 rows"]


def test_many_reasons_are_cut():
    reasons = tuple((f"reason {i}", 9 - i) for i in range(8))
    lines = summary(statistics(reasons=reasons), ["out: 10 rows"], "st")
    assert lines[-1] == "          and 3 more reasons"


def test_the_summary_as_json():
    found = summary_json(statistics(state="finished"), ["out: 10 rows"], "st")
    assert found["rows_per_s"] == 600_000
    assert found["watermark"] == "2013-01-01 12:00:00"
    assert summary_json(statistics(watermark=END), [], "st")["watermark"] is None


# -- which one -----------------------------------------------------------------


class Terminal:
    def isatty(self):
        return True


def test_which_progress(monkeypatch):
    assert isinstance(progress.progress(SystemClock(), quiet=True, shared=False), Silence)
    assert isinstance(progress.progress(SystemClock(), quiet=False, shared=False), PlainLines)
    monkeypatch.setattr(progress.sys, "stderr", Terminal())
    assert isinstance(progress.progress(SystemClock(), quiet=False, shared=True), PlainLines)


def test_the_live_line_fits_into_one_line(monkeypatch):
    from rich.console import Console

    file = io.StringIO()
    shown = Console(file=file, force_terminal=True, width=40, color_system=None, legacy_windows=False)
    monkeypatch.setattr(progress.terminal, "console", lambda: shown)
    line = LiveLine(SystemClock())
    line.show(statistics())
    line.close()
    told = [text for text in file.getvalue().replace("\r", "\n").splitlines() if "rows in" in text]
    assert told
    assert "p  1,200,000 rows in" in told[0]
    assert "watermark" not in file.getvalue()
