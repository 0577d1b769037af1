from __future__ import annotations

import json
import shlex

import polars as pl
import pytest

from penstock.connectors.base import ReadRequest, Split
from penstock.core.errors import PlanError
from penstock.core.failpoint import ACTIONS
from penstock.core.timespan import SECOND
from penstock.demo import DATA, FLIGHTS, Board, ReplaySource, flights, whole_hours
from penstock.testing.driver import ManualClock
from tests.unit.cli.command import Command
from tools.make_demo_data import COLUMNS, cut


@pytest.fixture
def penstock(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Command(tmp_path, capsys, monkeypatch)


def rows_of(folder):
    return [json.loads(line) for file in sorted(folder.glob("*.json")) for line in file.read_text().splitlines()]


def expected():
    """Results and late flights by another way: one loop over the rows."""
    frame = pl.read_parquet(DATA / FLIGHTS).filter(pl.col("dep_delay").is_not_null())
    local = pl.col("time_hour").dt.convert_time_zone("America/New_York")
    frame = frame.with_columns(start=local.dt.truncate("6h"), end=local.dt.truncate("6h").dt.offset_by("6h"))
    latest, windows, late = None, {}, 0
    for row in frame.iter_rows(named=True):
        # The watermark is 12 hours behind the latest before this row; a window closes a millisecond before its end.
        if latest is not None and (latest - row["end"]).total_seconds() >= 12 * 3600 - 0.001:
            late += 1
        else:
            windows.setdefault((row["origin"], row["start"].isoformat()), []).append(row["dep_delay"])
        latest = max(latest or row["time_hour"], row["time_hour"])
    return {key: (len(delays), sum(delays) / len(delays)) for key, delays in windows.items()}, late


# -- the demo ------------------------------------------------------------------


@pytest.mark.slow
def test_results_are_those_of_a_loop_over_the_rows(penstock):
    ended = penstock("demo", "--speed", "10000")
    assert (ended.code, ended.out) == (0, "")
    windows, late = expected()
    found = rows_of(penstock.folder / "penstock-demo" / "delays")
    assert len(found) == len(windows)
    for row in found:
        count, mean = windows[row["origin"], row["window_start"]]
        assert row["flights"] == count
        assert row["mean_delay"] == pytest.approx(mean, abs=1e-9)
    assert late > 0
    assert len(rows_of(penstock.folder / "penstock-demo" / "late")) == late
    assert f"24,286 flights in, {len(windows)} results out, {late} late" in ended.err
    assert f"Why {late} flights were late" in ended.err


@pytest.mark.slow
def test_the_commands_that_it_proposes_work(penstock):
    told = penstock("demo", "--speed", "10000", "--dir", "my demo").err
    commands = [shlex.split(line.rpartition("  ")[0])[1:] for line in told[told.index("Next\n") :].splitlines()[1:]]
    assert [command[0] for command in commands] == ["demo", "check", "run"]
    for command in commands:
        ended = penstock(*["10000" if word == "10" else word for word in command])
        assert ended.code == 0, ended.err
        if command[0] == "demo":
            assert "No flight was late" in ended.err
            assert rows_of(penstock.folder / "my demo" / "late") == []


@pytest.mark.slow
def test_the_program_over_the_file_gives_the_same(penstock):
    penstock("demo", "--speed", "10000")
    assert penstock("run", "penstock-demo/delays.py").code == 0
    folder = penstock.folder / "penstock-demo"
    key = ("origin", "window_start")
    live, again = (
        sorted(rows_of(folder / name), key=lambda row: [row[k] for k in key]) for name in ("delays", "delays-from-file")
    )
    assert live == again
    assert len(rows_of(folder / "late")) == len(rows_of(folder / "late-from-file"))


@pytest.mark.slow
def test_few_rows_and_no_late_ones(penstock):
    ended = penstock("demo", "--speed", "10000", "--rows", "500")
    assert ended.code == 0
    assert "500 flights in" in ended.err
    assert "No flight was late" in ended.err
    assert '--watermark "1 hour"' in ended.err


# -- bad input -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--speed", "0"], "days per second"),
        (["--speed", "-1"], "days per second"),
        (["--rows", "0"], "rows is how many flights"),
        (["--watermark", "soon"], '"soon" is not a duration'),
    ],
)
def test_wrong_options_are_refused(penstock, options, message):
    assert message in penstock("demo", *options).refused()
    assert not (penstock.folder / "penstock-demo").exists()


def test_a_folder_of_somebody_else_is_left_alone(penstock):
    penstock.write("penstock-demo/mine.txt", "mine")
    refused = penstock("demo").refused()
    assert '"penstock-demo" was not made by the demo: it has mine.txt' in refused
    assert [path.name for path in (penstock.folder / "penstock-demo").iterdir()] == ["mine.txt"]


def test_a_folder_that_is_a_file(penstock):
    penstock.write("penstock-demo", "")
    assert 'cannot write to "penstock-demo"' in penstock("demo").refused()


def test_a_full_disk(penstock, monkeypatch):
    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(ACTIONS, "files.write", full)
    assert "No space left on device" in penstock("demo").refused()


def test_a_program_that_was_changed_stays(penstock):
    penstock("demo", "--speed", "10000", "--rows", "10")
    penstock.write("penstock-demo/delays.py", "mine = 1\n")
    assert penstock("demo", "--speed", "10000", "--rows", "10").code == 0
    assert (penstock.folder / "penstock-demo" / "delays.py").read_text() == "mine = 1\n"


# -- parts ---------------------------------------------------------------------


def test_the_shipped_flights():
    frame = flights()
    assert frame.height == 24_286
    assert frame.select("year", "month", "day").n_unique() == 28
    assert frame.get_column("day").is_sorted()
    assert not frame.get_column("time_hour").is_sorted()
    assert (DATA / FLIGHTS).stat().st_size < 1_500_000
    assert flights(7).equals(frame.head(7))


def test_the_tool_cuts_the_first_weeks():
    days = [1, 28, 29, 1, 1]
    year = pl.DataFrame({"month": [1, 1, 1, 10, 1], "day": days, **{name: days for name in COLUMNS if name != "day"}})
    year = year.with_columns(month=pl.Series([1, 1, 1, 10, 1]), time_hour=pl.int_range(5), tailnum=pl.lit("N1"))
    kept = cut(year)
    assert kept.columns == flights().columns
    assert kept.get_column("time_hour").to_list() == [0, 1]


def replay(rows, speed, clock, position=None):
    source = ReplaySource(frame=rows, speed=speed, clock=clock)
    request = ReadRequest(source.schema(), source.schema().names)
    return source.reader(Split("as published"), position, request)


ROWS = pl.DataFrame({"year": [1] * 6, "month": [1] * 6, "day": [1, 1, 1, 1, 3, 3], "v": range(6)})


def test_rows_come_when_they_are_due():
    clock = ManualClock()
    reader = replay(ROWS, 0.5, clock)
    assert reader.poll(100) is None
    assert reader.retry_after_us == SECOND // 2
    clock.advance("1 s")
    polled = reader.poll(100)
    assert polled is not None
    assert polled.frame.get_column("v").to_list() == [0, 1]
    clock.advance("1 s")
    polled = reader.poll(1)
    assert polled is not None
    assert (polled.frame.get_column("v").to_list(), polled.position) == ([2], 3)
    clock.advance("2 s")
    polled = reader.poll(100)
    assert polled is not None
    assert polled.frame.get_column("v").to_list() == [3, 4, 5]
    assert reader.ended
    assert reader.poll(100) is None


def test_a_replay_goes_on_where_it_was():
    clock = ManualClock()
    reader = replay(ROWS, 0.5, clock, position=3)
    assert reader.poll(100) is None
    assert reader.retry_after_us == SECOND // 2
    clock.advance("500 ms")
    polled = reader.poll(100)
    assert polled is not None
    assert polled.frame.get_column("v").to_list() == [3]


def test_a_speed_is_positive():
    with pytest.raises(PlanError, match="days per second"):
        ReplaySource(frame=ROWS, speed=0)


def test_the_board_shows_the_latest_windows():
    board = Board()
    start = flights(1).get_column("time_hour")[0]
    frame = pl.DataFrame({"window_start": [start], "origin": ["EWR"], "flights": [2], "mean_delay": [1.5]})
    later = frame.with_columns(pl.col("window_start").dt.offset_by("1d"))
    for part in (later, frame, frame.with_columns(origin=pl.lit("JFK"))):
        board.add(part)
    assert [results for _, results in board.latest(5)] == [{"EWR": (2, 1.5), "JFK": (2, 1.5)}, {"EWR": (2, 1.5)}]
    assert [moment for moment, _ in board.latest(1)] == [later.get_column("window_start")[0]]


@pytest.mark.parametrize(("length", "text"), [(1, "1 hour"), (3_600 * SECOND, "1 hour"), (3_601 * SECOND, "2 hours")])
def test_bounds_are_rounded_up(length, text):
    assert whole_hours(length) == text
