from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys

import pytest

from penstock.core.failpoint import ACTIONS
from tests.house.sources import ROOT
from tests.unit.cli.command import DELAYS, MEMORY

PROGRAM = [sys.executable, "-c", "from penstock.cli import main; main()"]


def environment(**more):
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1", **more}


def rows_of(folder):
    return [json.loads(line) for file in sorted(folder.glob("*.json")) for line in file.read_text().splitlines()]


# -- what it does --------------------------------------------------------------


def test_the_first_example_runs(penstock):
    penstock.flights()
    ended = penstock("run", penstock.write("delays.py", DELAYS))
    assert ended.code == 0, ended.err
    assert ended.out == ""
    found = {(row["origin"], row["window_start"][:10]): row for row in rows_of(penstock.folder / "out" / "delays")}
    assert {key: (row["flights"], row["avg_delay"]) for key, row in found.items()} == {
        ("EWR", "2013-01-01"): (1, 10.0),
        ("JFK", "2013-01-01"): (1, 20.0),
        ("EWR", "2013-01-02"): (2, 45.0),
    }
    assert "running delays\n  exactly once: each epoch is there whole and once, whatever is killed when\n" in ended.err
    assert "delays: finished after" in ended.err
    assert "in      6 rows" in ended.err
    assert "out     delays: 3 rows" in ended.err
    assert "late    1 row: .penstock/delays/late" in ended.err
    assert rows_of(penstock.folder / ".penstock" / "delays" / "late")[0]["reason"] == "late"


REFERENCES = """
import penstock as ps
from penstock.connectors.files import FileSink, FileSource

rows = ps.read(FileSource("${folder:data}/${day}.csv"))
pipeline = ps.Pipeline("copy", rows.write(FileSink("${target}", mode="overwrite")))
""".lstrip()


def test_settings_stand_in_the_options_of_connectors(penstock):
    penstock.write("data/monday.csv", "n\n1\n2\n")
    penstock.write("penstock.toml", '[set]\ntarget = "out"\n[profile.prod.set]\ntarget = "prod"\n')
    file = penstock.write("copy.py", REFERENCES)
    for profile, target in (([], "out"), (["--profile", "prod"], "prod")):
        ended = penstock("run", file, "--set", "day=monday", *profile)
        assert ended.code == 0, ended.err
        assert [row["n"] for row in rows_of(penstock.folder / target)] == [1, 2]
    assert 'no setting "dya"' in penstock("run", file, "--set", "dya=x", "--set", "day=monday").refused()
    refused = penstock("run", file).refused()
    assert 'copy.py:4: the option "path" of files asks for ${day}, which is set nowhere' in refused


def test_settings_of_references_and_of_functions_go_together(penstock):
    penstock.write("data/monday.csv", "n\n1\n")
    text = REFERENCES.replace("rows =", "def pipeline(least: int):\n    rows =").replace("pipeline = ", "    return ")
    text = text.replace("rows.write", "rows.filter(ps.col('n') > least).write")
    file = penstock.write("copy.py", text)
    ended = penstock("run", file, "--set", "day=monday", "--set", "target=out", "--set", "least=0")
    assert ended.code == 0, ended.err
    assert [row["n"] for row in rows_of(penstock.folder / "out")] == [1]
    refused = penstock("run", file, "--set", "day=monday", "--set", "target=out", "--set", "least=0", "--set", "x=1")
    assert 'no setting "x" of pipeline()' in refused.refused()


def test_nothing_is_left_beside_the_file(penstock):
    penstock("run", penstock.write("copy.py", MEMORY), "--state", "kept")
    assert {path.name for path in penstock.folder.iterdir()} <= {"copy.py", "kept"}


def test_the_end_as_json(penstock):
    ended = penstock("run", penstock.write("copy.py", MEMORY), "--json", "--quiet", "--state", "kept")
    assert (ended.code, ended.err) == (0, "")
    found = json.loads(ended.out)
    assert found["state"] == "finished"
    assert (found["rows_in"], found["rows_out"], found["late"], found["errors"]) == (2, {"memory": 2}, 0, 0)
    assert found["state_directory"] == "kept"


def test_errors_are_counted_with_their_reasons(penstock):
    text = MEMORY.replace("rows.write", 'rows.expect(small=ps.col("v") < 2).write')
    ended = penstock("run", penstock.write("copy.py", text))
    assert ended.code == 0, ended.err
    assert "errors  1 row: .penstock/copy/errors" in ended.err
    assert "1 x " in ended.err
    assert "small" in ended.err


def test_a_function_is_fed_by_settings(penstock):
    text = MEMORY.replace("pipeline = ", "def pipeline(least: int, name: str = 'x') -> ps.Pipeline:\n    return ")
    text = text.replace("rows.write", 'rows.filter(ps.col("v") >= least).write')
    penstock.write("copy.py", text)
    penstock.write("penstock.toml", "[set]\nleast = 1\n[profile.prod.set]\nleast = 3\n")

    def out(*arguments):
        ended = penstock("run", "copy.py", "--json", "--quiet", *arguments)
        return json.loads(ended.out)["rows_out"]["memory"]

    assert out() == 2
    assert out("--set", "least=2") == 1
    assert out("--profile", "prod") == 0
    assert out("--profile", "prod", "--set", "least=2") == 1


def test_options_come_from_the_file_and_the_environment(penstock, monkeypatch):
    penstock.write("copy.py", MEMORY)
    penstock.write("penstock.toml", '[run]\nstate = "from-file"\n')
    monkeypatch.setenv("PENSTOCK_SHARDS", "many")
    refused = penstock("run", "copy.py").refused()
    assert "PENSTOCK_SHARDS" in refused
    assert "many" in refused
    monkeypatch.setenv("PENSTOCK_SHARDS", "2")
    assert json.loads(penstock("run", "copy.py", "--json").out)["state_directory"] == "from-file"
    assert json.loads(penstock("run", "copy.py", "--json", "--state", "x").out)["state_directory"] == "x"


# -- bad input -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "days=3"], 'no setting "days"'),
        (["--set", "days"], "--set takes name=value"),
        (["--shards", "900"], "1 to 256 shards"),
        (["--checkpoint", "soon"], '--checkpoint: "soon" is not a duration'),
        (["--latency", "5"], "--latency: "),
        (["--memory", "much"], '"much" is not a size'),
        (["--on", "flink:http://localhost:8081"], "do not run on Flink yet"),
        (["--on", "spark"], 'no engine "spark"'),
        (["--resume", "epoch-7"], 'there is no checkpoint "epoch-7"'),
        (["--profile", "prod"], 'no profile "prod"'),
    ],
)
def test_wrong_options_are_refused(penstock, options, message):
    assert message in penstock("run", penstock.write("copy.py", MEMORY), *options).refused()


@pytest.mark.parametrize("arguments", [["run"], ["walk"], ["run", "copy.py", "--shards", "x"], ["run", "--nope", "x"]])
def test_wrong_usage_is_code_2(penstock, arguments):
    assert penstock(*arguments).code == 2


def test_a_missing_source_file(penstock):
    refused = penstock("run", penstock.write("delays.py", DELAYS)).refused()
    assert refused.startswith("delays.py:5: ")
    assert "data/flights.parquet" in refused


def test_a_source_that_goes_before_the_start(penstock):
    text = DELAYS.replace("pipeline = ", 'import os\nos.remove("data/flights.parquet")\npipeline = ')
    penstock.flights()
    assert "data/flights.parquet" in penstock("run", penstock.write("delays.py", text)).refused()


def test_an_unreadable_directory(penstock, monkeypatch):
    def refuse():
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "data")

    penstock.flights()
    text = DELAYS.replace("data/flights.parquet", "data")
    penstock.write("delays.py", text)
    monkeypatch.setitem(ACTIONS, "files.entries", refuse)
    refused = penstock("run", "delays.py").refused()
    assert "data" in refused
    assert "ermission denied" in refused


def test_an_occupied_output(penstock):
    penstock.flights()
    penstock.write("delays.py", DELAYS)
    assert penstock("run", "delays.py").code == 0
    before = rows_of(penstock.folder / "out" / "delays")
    refused = penstock("run", "delays.py").refused()
    assert "out/delays" in refused
    assert "overwrite" in refused
    assert rows_of(penstock.folder / "out" / "delays") == before


def full():
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_while_it_runs(penstock, monkeypatch):
    penstock.flights()
    penstock.write("delays.py", DELAYS)
    monkeypatch.setitem(ACTIONS, "sink.before_seal", full)
    ended = penstock("run", "delays.py")
    assert "No space left on device" in ended.refused(1)
    assert "delays: failed after" in ended.err
    assert rows_of(penstock.folder / "out" / "delays") == []


def test_a_disk_that_is_full_at_the_start(penstock, monkeypatch):
    penstock.flights()
    penstock.write("delays.py", DELAYS)
    monkeypatch.setitem(ACTIONS, "files.write", full)
    refused = penstock("run", "delays.py").refused()
    assert "cannot keep checkpoints" in refused
    assert "No space left on device" in refused


def test_a_refused_row_may_fail_the_pipeline(penstock):
    text = MEMORY.replace("rows.write(sink)", 'rows.expect(small=ps.col("v") < 2).write(sink), on_error="fail"')
    refused = penstock("run", penstock.write("copy.py", text)).refused(1)
    assert refused.startswith("copy.py:6: ")
    assert "small" in refused


# -- Ctrl-C and SIGTERM -------------------------------------------------------

ENDLESS = """
import sys
import threading
from dataclasses import dataclass

import penstock as ps
from penstock.connectors.base import Content, Polled, Reader, Sink, Source, Split, Writer
from penstock.connectors.memory import MemorySource
from penstock.core.schema import Schema

ROWS = MemorySource([{"v": 1}])

def say(text):
    sys.stderr.write(text + "\\n")

class EndlessReader(Reader):
    ended = False

    def __init__(self, request):
        self.inner = ROWS.reader(Split("0"), None, request)

    def poll(self, max_rows):
        return self.inner.poll(max_rows)

@dataclass(frozen=True, kw_only=True)
class Endless(Source):
    connector = "endless"
    bounded = False

    def schema(self):
        return ROWS.schema()

    def splits(self):
        return [Split("0")]

    def reader(self, split, position, request):
        return EndlessReader(request)

class TellingWriter(Writer):
    def write(self, frame, diff):
        say(f"written {frame.height}")

    def prepare(self, epoch):
        say("preparing")
        if HANGS:
            threading.Event().wait(60)
        return lambda: Content({})

    def commit(self, epochs):
        say("committed")

@dataclass(frozen=True, kw_only=True)
class Telling(Sink):
    connector = "telling"
    delivery = "transactional"

    def writer(self, request):
        return TellingWriter()

pipeline = ps.Pipeline("endless", ps.read(Endless()).write(Telling()))
"""


def interrupted(folder, hangs, *signals_after, by=signal.SIGINT):
    """Run the endless pipeline, with a signal after each of some lines; its exit code and what it told."""
    (folder / "endless.py").write_text(f"HANGS = {hangs}\n{ENDLESS}", encoding="utf-8")
    ran = subprocess.Popen(
        [*PROGRAM, "run", "endless.py"], cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True
    )
    told, awaited = [], list(signals_after)
    assert ran.stderr is not None
    for line in ran.stderr:
        told.append(line.rstrip())
        if awaited and awaited[0] in line:
            awaited.pop(0)
            ran.send_signal(by)
    ran.stderr.close()
    return ran.wait(60), told


@pytest.mark.slow
@pytest.mark.parametrize(("by", "again"), [(signal.SIGINT, "Ctrl-C again"), (signal.SIGTERM, "a second SIGTERM")])
def test_an_interrupt_publishes_and_stops(tmp_path, by, again):
    code, told = interrupted(tmp_path, False, "written", by=by)
    assert code == 0, "\n".join(told)
    assert f"stopping: what is done is published; {again} stops at once" in told
    assert "committed" in told
    assert any(line.startswith("endless: stopped after") for line in told)
    assert not any("Traceback" in line for line in told)


@pytest.mark.slow
@pytest.mark.parametrize(("by", "ended"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_interrupt_stops_at_once(tmp_path, by, ended):
    code, told = interrupted(tmp_path, True, "written", "preparing", by=by)
    assert code == ended, "\n".join(told)
    assert "committed" not in told
    assert not any("Traceback" in line for line in told)


# -- the terminal --------------------------------------------------------------


@pytest.mark.slow
def test_help_is_quick():
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "from penstock.cli import main; main()", "--help"],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0
    assert "explain" in ran.stdout
    loaded = {line.rpartition("|")[2].strip() for line in ran.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"polars", "numpy", "pyarrow", "numba", "penstock.runner"}


def test_version(penstock):
    ended = penstock("version")
    assert ended.code == 0
    assert ended.out.startswith("penstock 0.1.0 (Python 3.")
    assert "polars 2" in ended.out
