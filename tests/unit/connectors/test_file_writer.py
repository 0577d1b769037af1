"""Files as a sink: whole epochs, visible once they are committed, whatever fails."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from penstock.connectors.files import FileSink, FileSource
from penstock.connectors.formats import FORMATS
from penstock.core import failpoint
from penstock.core.errors import PlanError, SinkError, StartError, UnknownNameError
from penstock.core.schema import Schema
from penstock.testing.conform import check_sink, sealed
from tests.unit.connectors.samples import files_below, rows_of, shown, staged, wanted, write_request

FRAME = pl.DataFrame({"k": list("abcde"), "n": range(5)})
SCHEMA = Schema.of(dict(FRAME.schema))
formats = pytest.mark.parametrize("format", FORMATS)


def values(source, request=None):
    rows, bad = rows_of(source, request or wanted(source.schema()))
    assert bad == []
    return [row for _, row in rows]


def out(folder, *epochs, format="json", mode="error", first=0):
    writer = FileSink(folder, format=format, mode=mode).writer(write_request(SCHEMA))
    for epoch, frame in enumerate(epochs, first):
        writer.write(frame, None)
        writer.commit([sealed(writer, epoch)])
    writer.close()
    return writer


def read_back(sink):
    return [row for name in shown(sink.path) for row in values_of(Path(sink.path) / name)]


def values_of(path):
    source = FileSource(path)
    rows = values(source, wanted(SCHEMA))
    return [dict(zip(SCHEMA.names, row, strict=True)) for row in rows]


@formats
def test_it_keeps_the_contract_of_sinks(tmp_path, format):
    names = iter(range(10))
    check_sink(
        lambda: FileSink(tmp_path / str(next(names)), format=format), read_back, frames=[FRAME, FRAME[:2], FRAME[1:]]
    )


@formats
def test_there_is_one_file_per_epoch_with_rows(tmp_path, format):
    writer = out(tmp_path / "x", FRAME, FRAME.clear(), FRAME[:1], format=format)
    names = shown(tmp_path / "x")
    assert [name.split("-")[1] for name in names] == ["00000000", "00000001"]
    assert writer.report() == f"2 files in {tmp_path / 'x'}"


def test_the_same_content_has_the_same_name(tmp_path):
    out(tmp_path / "x", FRAME)
    out(tmp_path / "y", FRAME)
    assert shown(tmp_path / "x") == shown(tmp_path / "y")


def test_nothing_is_visible_before_the_commit_and_nothing_is_left_after_close(tmp_path):
    writer = FileSink(tmp_path).writer(write_request(SCHEMA))
    writer.write(FRAME, None)
    assert shown(tmp_path) == []
    assert len(staged(tmp_path)) == 1
    writer.close()
    assert files_below(tmp_path) == []


def test_an_epoch_may_be_published_by_another_process(tmp_path):
    writer = FileSink(tmp_path).writer(write_request(SCHEMA))
    writer.write(FRAME, None)
    prepared = sealed(writer, 0)
    writer.close()
    resumed = FileSink(tmp_path).writer(replace(write_request(SCHEMA), fresh=False))
    resumed.commit([prepared])
    resumed.commit([prepared])
    resumed.close()
    assert values(FileSource(tmp_path)) == FRAME.rows()
    assert len(shown(tmp_path)) == 1


def test_a_former_run_is_not_mixed_with_this_one(tmp_path):
    out(tmp_path, FRAME)
    with pytest.raises(
        StartError, match=r"holds part-00000000-\w+.json: output of two runs must not be mixed"
    ) as error:
        out(tmp_path, FRAME)
    assert 'mode="overwrite"' in error.value.hint
    assert 'mode="append"' in error.value.hint
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("x")
    with pytest.raises(StartError, match=r"holds notes.txt"):
        out(tmp_path / "other", FRAME)


def test_append_numbers_on(tmp_path):
    for _ in range(3):
        out(tmp_path, FRAME[:1], FRAME[1:2], mode="append")
    assert [name.split("-")[1] for name in shown(tmp_path)] == [f"{number:08d}" for number in range(6)]


def test_overwrite_leaves_the_former_output_until_the_new_one_is_there(tmp_path):
    out(tmp_path, FRAME[:1], FRAME[1:2])
    (tmp_path / "notes.txt").write_text("not ours")
    before = shown(tmp_path)
    writer = FileSink(tmp_path, mode="overwrite").writer(write_request(SCHEMA))
    writer.write(FRAME, None)
    prepared = sealed(writer, 0)
    assert shown(tmp_path) == before
    writer.commit([prepared])
    writer.write(FRAME[:1], None)
    writer.commit([sealed(writer, 1)])
    writer.commit([prepared])
    writer.close()
    assert [name.split("-")[0] for name in shown(tmp_path)] == ["notes.txt", "part", "part"]
    (tmp_path / "notes.txt").unlink()
    assert values(FileSource(tmp_path)) == [*FRAME.rows(), *FRAME[:1].rows()]


def test_overwrite_with_the_same_content_keeps_it(tmp_path):
    out(tmp_path, FRAME, FRAME[:1])
    out(tmp_path, FRAME, FRAME[:1], mode="overwrite")
    assert values(FileSource(tmp_path)) == [*FRAME.rows(), *FRAME[:1].rows()]


def test_overwrite_by_nothing_leaves_nothing(tmp_path):
    out(tmp_path, FRAME)
    out(tmp_path, FRAME.clear(), mode="overwrite")
    assert shown(tmp_path) == []


def test_what_a_killed_run_left_goes_with_the_next(tmp_path):
    killed = FileSink(tmp_path).writer(write_request(SCHEMA))
    killed.write(FRAME, None)
    out(tmp_path, FRAME)
    assert [name.split("-")[0] for name in shown(tmp_path)] == ["part"]


def publish(writer):
    writer.write(FRAME, None)
    writer.commit([sealed(writer, 0)])


STEPS = ["files.make_directory", "files.create", "files.write", "files.sync", "files.sync_directory", "files.publish"]


@formats
@pytest.mark.parametrize("kind", ["enospc", "eio"])
@pytest.mark.parametrize("step", [*STEPS, "sink.before_seal", "sink.before_publish"])
def test_a_step_that_fails_leaves_nothing_visible(tmp_path, monkeypatch, format, kind, step):
    writer = FileSink(tmp_path, format=format).writer(write_request(SCHEMA))
    monkeypatch.setitem(failpoint.ACTIONS, step, failpoint.KINDS[kind])
    reason = os.strerror(errno.ENOSPC if kind == "enospc" else errno.EIO)
    with pytest.raises(SinkError, match=f'cannot write to "{tmp_path}": {reason}'):
        publish(writer)
    failpoint.ACTIONS.clear()
    assert shown(tmp_path) == []
    writer.close()
    if "publish" not in step and step != "files.sync_directory":
        assert staged(tmp_path) == []


def test_an_epoch_that_could_not_be_published_is_published_by_another_try(tmp_path, monkeypatch):
    writer = FileSink(tmp_path).writer(write_request(SCHEMA))
    writer.write(FRAME, None)
    prepared = sealed(writer, 0)
    with monkeypatch.context() as patch:
        patch.setitem(failpoint.ACTIONS, "files.linked", failpoint.KINDS["eio"])
        with pytest.raises(SinkError):
            writer.commit([prepared])
    writer.commit([prepared])
    writer.close()
    assert len(shown(tmp_path)) == 1
    assert values(FileSource(tmp_path)) == FRAME.rows()


@pytest.mark.parametrize("step", [*STEPS, "files.entries"])
def test_a_directory_that_cannot_be_used_is_said_at_the_start(tmp_path, monkeypatch, step):
    monkeypatch.setitem(failpoint.ACTIONS, step, failpoint.KINDS["eio"])
    with pytest.raises(StartError, match=f'cannot write to "{tmp_path / "x"}": Input/output error'):
        FileSink(tmp_path / "x").writer(write_request(SCHEMA))


def test_a_sink_is_a_directory(tmp_path):
    (tmp_path / "x").write_text("a file")
    with pytest.raises(StartError, match="is a file; a sink of files is a directory"):
        FileSink(tmp_path / "x").writer(write_request(SCHEMA))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"format": "jsn"}, UnknownNameError, 'no format "jsn"; did you mean "json"'),
        ({"mode": "replace"}, UnknownNameError, 'no mode "replace"'),
        ({"partition_by": ["_k"]}, PlanError, "hidden directory"),
        ({"partition_by": "k, k"}, PlanError, "a column twice"),
        ({"roll_rows": 0}, PlanError, "roll_rows is a number from 1 on"),
        ({"open_files": 0}, PlanError, "open_files is a number from 1 on"),
        ({"roll_size": "big"}, PlanError, '"big" is not a size'),
        ({"keep": "0 MiB"}, PlanError, "keep is a size"),
        ({"keep_for": "0 s"}, PlanError, "keep_for is how long"),
        ({"format": "csv", "compression": "zstd"}, UnknownNameError, 'no csv option "compression"'),
    ],
)
def test_sink_options_that_make_no_sense_are_refused_at_once(options, error, message):
    with pytest.raises(error, match=message):
        FileSink("out", **options)
    assert FileSink("out/delays").default_name() == "delays"
