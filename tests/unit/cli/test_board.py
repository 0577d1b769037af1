from __future__ import annotations

import datetime as dt
import io
import zoneinfo

import polars as pl
from rich.console import Console

from penstock.cli import board as boards
from penstock.cli.board import BoardLines, BoardScreen, table
from penstock.core.timespan import END, NEVER, from_datetime
from penstock.demo import ZONE, Board
from penstock.engine.metrics import Statistics
from penstock.testing.driver import ManualClock

SIX = dt.datetime(2013, 1, 5, 6, tzinfo=zoneinfo.ZoneInfo(ZONE))


def statistics(**more):
    known = {
        "pipeline": "demo",
        "state": "running",
        "rows_in": 1_200,
        "rows_out": {"delays": 7},
        "late": 3,
        "errors": 0,
    }
    return Statistics(**{**known, "watermark": from_datetime(SIX), **more})


def filled():
    board = Board()
    rows = {"window_start": [SIX, SIX], "origin": ["EWR", "LGA"], "flights": [121, 4], "mean_delay": [34.2, -1.5]}
    board.add(pl.DataFrame(rows))
    return board


def text_of(shown):
    console = Console(file=io.StringIO(), width=80, color_system=None, legacy_windows=False)
    console.print(shown)
    return console.file.getvalue()


def test_the_table_fits_into_a_small_terminal():
    text = text_of(table(filled(), statistics(), "850 rows/s", "12 hours"))
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    row = next(line for line in text.splitlines() if "Sat 05 Jan 06:00" in line)
    assert [cell.split() for cell in row.strip("│").split("│")][1:] == [["121", "+34.2", "▪▪▪▪▪"], [], ["4", "-1.5"]]
    assert "watermark Sat 05 Jan 06:00, 12 hours behind the latest flight" in text
    assert "1,200 flights in, 850 rows/s, 3 late, 7 results" in text


def test_the_watermark_has_a_beginning_and_an_end():
    assert "watermark none yet" in text_of(table(Board(), statistics(watermark=NEVER), "", "1 h"))
    assert "watermark past the end" in text_of(table(Board(), statistics(watermark=END), "", "1 h"))


def test_the_screen_draws_and_leaves_the_last_table(monkeypatch):
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, color_system=None, legacy_windows=False)
    monkeypatch.setattr(boards.terminal, "console", lambda: console)
    screen = BoardScreen(filled(), ManualClock(), "12 hours")
    screen.show(statistics())
    screen.close()
    assert "Sat 05 Jan 06:00" in file.getvalue()


def test_lines_come_every_few_seconds(capsys):
    clock = ManualClock()
    lines = BoardLines(clock, "12 hours")
    for _ in range(35):
        clock.advance("200 ms")
        lines.show(statistics())
    lines.close()
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert told[0].startswith("1,200 flights in, ")
    assert told[0].endswith(
        "3 late, 7 results, state 0 B; watermark Sat 05 Jan 06:00, 12 hours behind the latest flight"
    )
