"""Logs as sources and sinks: positions are offsets, an epoch is whole in all partitions, exactly once."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import polars as pl
import pytest

import penstock as ps
from penstock.connectors.base import WriteRequest, seal
from penstock.connectors.log import LogSink, LogSource
from penstock.core import failpoint
from penstock.core.errors import (
    PlanError,
    SinkError,
    SinkLost,
    SourceError,
    StartError,
    SupersededError,
    UnknownNameError,
)
from penstock.core.schema import Schema
from penstock.log import Log
from penstock.testing.conform import check_sink, check_source, sealed
from tests.unit.connectors.samples import EVERY_TYPE, numbers, polls, schema_of, wanted

FRAME = pl.DataFrame({"k": [f"k{n % 7}" for n in range(60)], "n": range(60)})
SCHEMA = Schema.of(dict(FRAME.schema))


def request(schema=SCHEMA, pipeline="p", output="o", fresh=True):
    return WriteRequest(schema, (), False, pipeline, fresh, output)


def out(path, *epochs, fresh=True, incarnation=0, first=0, **options):
    writer = LogSink(path, **options).writer(request(Schema.of(dict(epochs[0].schema)), fresh=fresh))
    writer.last_token()
    for epoch, frame in enumerate(epochs, first):
        writer.write(frame, None)
        writer.commit([seal("p", epoch, writer.prepare(epoch)(), incarnation=incarnation)])
    writer.close()
    return writer


def rows_of(path, **options):
    """All rows that are there, by partition."""
    source = LogSource(path, bounded=True, **options)
    schema = options.pop("schema", None) or source.schema()
    found = []
    for split in source.splits():
        reader = source.reader(split, None, wanted(schema))
        found += [row for polled in polls(reader, 1000) for row in polled.frame.rows()]
        reader.close()
    return found


def read_back(sink):
    found = []
    with Log(sink.name) as log:
        for partition in range(log.partitions):
            cursor = log.cursor(partition)
            while (batch := cursor.poll(1000)) is not None:
                if sink.format == "json":
                    found += [json.loads(value) for value in batch.frame["value"]]
                else:
                    found += batch.frame.to_dicts()
            cursor.close()
    return sorted(found, key=lambda row: row["n"])


formats = pytest.mark.parametrize("format", ["arrow", "json"])
keys = pytest.mark.parametrize("options", [{}, {"partitions": 3, "key": "k"}, {"partitions": 2}])


@formats
@keys
def test_it_keeps_the_contract_of_sinks(tmp_path, format, options):
    names = iter(range(10))
    frames = [FRAME[:20], FRAME[20:21], FRAME[21:]]
    check_sink(lambda: LogSink(tmp_path / str(next(names)), format=format, **options), read_back, frames=frames)


@formats
@keys
def test_it_keeps_the_contract_of_sources(tmp_path, format, options):
    out(tmp_path / "x", FRAME[:20], FRAME[20:21], FRAME[21:], format=format, **options)
    read_as = "json" if format == "json" else "stored"
    check_source(LogSource(tmp_path / "x", bounded=True, format=read_as), schema=SCHEMA, expected=FRAME.to_dicts())


def test_it_keeps_the_contract_of_sources_after_compaction(tmp_path):
    with Log(tmp_path / "x", partitions=2, segment_bytes=4096) as log:
        for number in range(100):
            log.append_frame(pl.DataFrame({"k": [f"{number % 9}" * 200], "n": [number]}), key=["k"])
        assert log.compact().rows > 0
    check_source(LogSource(tmp_path / "x", bounded=True))


def test_every_type_comes_back(tmp_path):
    schema = schema_of(EVERY_TYPE)
    writer = LogSink(tmp_path / "x").writer(request(schema))
    writer.write(EVERY_TYPE, None)
    writer.commit([sealed(writer, 0)])
    writer.close()
    source = LogSource(tmp_path / "x", bounded=True)
    assert source.schema() == schema
    reader = source.reader(source.splits()[0], None, wanted(schema))
    polled = reader.poll(100)
    reader.close()
    assert polled.frame.equals(EVERY_TYPE.select(polled.frame.columns))


def test_records_are_read_as_they_are_or_as_json(tmp_path):
    with Log(tmp_path / "x", partitions=1) as log:
        texts = [b'{"n": 1,\n"k": "a"}', b"", None, b"[", b'{"k": "b\\n", "n": 2}', b'{"n": "x"}', b"\xff"]
        for text in texts:
            log.append(text, key=b"k")
    assert [row[1:] for row in rows_of(tmp_path / "x")] == [(b"k", text) for text in texts]
    source = LogSource(tmp_path / "x", format="json", bounded=True)
    reader = source.reader(source.splits()[0], None, wanted(SCHEMA))
    found = polls(reader, 100)
    reader.close()
    assert [row for polled in found for row in polled.frame.rows()] == [("a", 1), ("b\n", 2)]
    assert [number for polled in found for number in numbers(polled.offsets)] == [0, 4]
    bad = [row for polled in found for row in polled.bad]
    assert [row.offset for row in bad] == [1, 2, 3, 5, 6]
    assert bad[0].reason.endswith("offset 1: it has no value")
    assert bad[3].reason.endswith('partition 0, offset 5: column "n": "x" is not an Int64')
    check_source(source, schema=SCHEMA)


def test_what_a_source_cannot_know_must_be_said(tmp_path):
    with pytest.raises(PlanError, match="there is no log"):
        LogSource(tmp_path / "x").schema()
    Log(tmp_path / "x", partitions=2).close()
    with pytest.raises(PlanError, match="holds nothing yet"):
        LogSource(tmp_path / "x").schema()
    with pytest.raises(PlanError, match="JSON of any fields"):
        LogSource(tmp_path / "x", format="json").schema()
    with pytest.raises(UnknownNameError, match='no format "jsn"; did you mean "json"'):
        LogSource(tmp_path / "x", format="jsn")
    with pytest.raises(StartError, match="there is no log"):
        LogSource(tmp_path / "y").splits()
    assert len(LogSource(tmp_path / "y", partitions=3).splits()) == 3


def test_columns_are_those_that_were_declared(tmp_path):
    out(tmp_path / "x", FRAME)
    source = LogSource(tmp_path / "x", bounded=True)
    with pytest.raises(SourceError, match='a column "k" that is not declared'):
        source.reader(source.splits()[0], None, wanted({"n": ps.Int64}, extra="forbid"))
    reader = source.reader(source.splits()[0], None, wanted({"m": ps.Int64}))
    with pytest.raises(SourceError, match='no column "m"'):
        reader.poll(10)
    reader.close()


def test_a_bounded_source_ends_where_the_log_ended_at_its_start_also_when_it_goes_on(tmp_path):
    out(tmp_path / "x", FRAME[:10])
    source = LogSource(tmp_path / "x", bounded=True)
    reader = source.reader(source.splits()[0], None, wanted(SCHEMA))
    position = reader.poll(4).position
    assert position == {"offset": 4, "end": 10}
    out(tmp_path / "x", FRAME[10:])
    assert [polled.frame.height for polled in polls(reader, 4)] == [4, 2]
    assert reader.ended
    reader.close()
    reader = source.reader(source.splits()[0], position, wanted(SCHEMA))
    assert sum(polled.frame.height for polled in polls(reader, 100)) == 6
    reader.close()


def test_an_unbounded_source_waits_for_more(tmp_path):
    source = LogSource(tmp_path / "x", partitions=1)
    reader = source.reader(source.splits()[0], None, wanted(SCHEMA))
    assert reader.poll(10) is None
    assert not reader.ended
    out(tmp_path / "x", FRAME[:3])
    assert reader.poll(10).frame.height == 3
    reader.close()


def test_a_group_learns_what_all_sinks_have(tmp_path):
    out(tmp_path / "x", FRAME, partitions=2, key="k")
    source = LogSource(tmp_path / "x", group="g")
    for split in source.splits():
        reader = source.reader(split, None, wanted(SCHEMA))
        position = reader.poll(5).position
        reader.published(position)
        reader.published(position)
        reader.close()
    with Log(tmp_path / "x") as log:
        assert log.positions("g") == {0: 5, 1: 5}


def test_positions_that_retention_has_passed_are_errors(tmp_path):
    out(tmp_path / "x", FRAME)
    with Log(tmp_path / "x") as log:
        log.truncate({0: 30})
    source = LogSource(tmp_path / "x")
    with pytest.raises(SourceError, match="offset 10 to 29 are not there any more"):
        source.reader(source.splits()[0], {"offset": 10}, wanted(SCHEMA))


# -- sinks ---------------------------------------------------------------------


def test_rows_of_a_key_stay_in_order_in_one_partition(tmp_path):
    out(tmp_path / "x", *FRAME.iter_slices(7), partitions=4, key="k")
    rows = rows_of(tmp_path / "x")
    for key in {key for key, _ in rows}:
        of_key = [n for k, n in rows if k == key]
        assert of_key == sorted(of_key)


def test_what_does_not_fit_is_refused_at_the_start(tmp_path):
    out(tmp_path / "x", FRAME, partitions=2, key="k")
    for options, words in (
        ({"partitions": 3, "key": "k"}, r"has 2 partition\(s\), not 3"),
        ({"key": "n"}, r"has the key \['k'\], not \['n'\]"),
        ({"key": "k", "format": "json"}, "holds rows: records cannot"),
    ):
        with pytest.raises(StartError, match=words):
            LogSink(tmp_path / "x", **options).writer(request())
    with pytest.raises(StartError, match="holds rows of"):
        LogSink(tmp_path / "x").writer(request(Schema.of({"a": ps.Int64})))
    with pytest.raises(UnknownNameError, match='no column "kk" in "key"'):
        LogSink(tmp_path / "x", key="kk").writer(request())
    out(tmp_path / "y", FRAME, format="json")
    with pytest.raises(StartError, match="holds records: rows cannot"):
        LogSink(tmp_path / "y").writer(request())
    with pytest.raises(UnknownNameError):
        LogSink(tmp_path / "x", format="parquet")
    with pytest.raises(UnknownNameError):
        LogSink(tmp_path / "x", compression="gzip")


def test_a_row_that_is_too_long_for_a_record_is_refused(tmp_path):
    Log(tmp_path / "x", partitions=1, record_bytes=20).close()
    writer = LogSink(tmp_path / "x", format="json").writer(request())
    writer.write(pl.DataFrame({"k": ["x" * 30], "n": [1]}), None)
    work = writer.prepare(0)
    with pytest.raises(SinkError, match="as JSON, and a record at most 20"):
        work()
    writer.close()


def test_the_last_token_is_remembered_and_published_epochs_are_skipped(tmp_path):
    writer = LogSink(tmp_path / "x").writer(request())
    assert writer.last_token() is None
    epochs = []
    for epoch in range(4):
        writer.write(FRAME[epoch : epoch + 1], None)
        epochs.append(sealed(writer, epoch))
    writer.commit(epochs[:2])
    writer.commit(epochs[:3])
    writer.close()
    writer = LogSink(tmp_path / "x").writer(request(fresh=False))
    assert writer.last_token() == epochs[2].token
    writer.commit(epochs)
    assert writer.last_token() == epochs[3].token
    writer.commit(epochs)
    writer.close()
    assert rows_of(tmp_path / "x") == FRAME[:4].rows()


def test_a_token_survives_retention(tmp_path):
    out(tmp_path / "x", FRAME)
    with Log(tmp_path / "x") as log:
        log.truncate({0: 60})
    writer = LogSink(tmp_path / "x").writer(request(fresh=False))
    assert writer.last_token().epoch == 0
    writer.close()


def test_a_missing_epoch_is_an_error(tmp_path):
    writer = LogSink(tmp_path / "x").writer(request())
    writer.commit([sealed(writer, 1)])
    with pytest.raises(SinkError, match="epoch 3 does not follow epoch 1"):
        writer.commit([sealed(writer, 3)])
    writer.close()


def test_a_zombie_is_refused(tmp_path):
    zombie, successor = (LogSink(tmp_path / "x").writer(request(fresh=False)) for _ in range(2))
    zombie.last_token()
    zombie.write(FRAME[:1], None)
    zombie.commit([seal("p", 0, zombie.prepare(0)(), incarnation=0)])
    zombie.write(FRAME[1:2], None)
    late = seal("p", 1, zombie.prepare(1)(), incarnation=0)
    assert successor.last_token().epoch == 0
    with pytest.raises(SupersededError, match="another process has taken over"):
        zombie.commit([late])
    successor.commit([seal("p", 1, successor.prepare(1)(), incarnation=1)])
    # Even one that fences again has an incarnation that was replaced.
    zombie.last_token()
    with pytest.raises(SupersededError, match="another process has taken over"):
        zombie.commit([late._replace(token=late.token._replace(epoch=2))])
    zombie.close()
    successor.close()
    assert rows_of(tmp_path / "x") == FRAME[:1].rows()


def test_who_begins_anew_after_a_newer_run_has_published_ends(tmp_path):
    former = LogSink(tmp_path / "x").writer(request())
    former.write(FRAME[:1], None)
    former.commit([sealed(former, 60)])
    stale, successor = (LogSink(tmp_path / "x").writer(request()) for _ in range(2))
    successor.write(FRAME[1:2], None)
    successor.commit([seal("p", 0, successor.prepare(0)(), incarnation=1)])
    with pytest.raises(SupersededError, match="another process has taken over"):
        stale.last_token()
    # The token of the newer run is still there.
    assert successor.last_token().incarnation == 1
    for writer in (former, stale, successor):
        writer.close()
    assert rows_of(tmp_path / "x") == FRAME[:2].rows()


def test_outputs_do_not_fence_each_other(tmp_path):
    one, other = (LogSink(tmp_path / "x").writer(request(output=name)) for name in ("a", "b"))
    for epoch in range(3):
        for writer in (one, other):
            writer.write(FRAME[epoch : epoch + 1], None)
            writer.commit([sealed(writer, epoch)])
    one.close()
    other.close()
    assert len(rows_of(tmp_path / "x")) == 6


@pytest.mark.parametrize("step", ["log.before_write", "log.before_sync", "log.synced", "log.head_written"])
def test_an_unknown_outcome_is_found_out(tmp_path, monkeypatch, step):
    def fail():
        raise OSError(5, "broken")

    writer = LogSink(tmp_path / "x", partitions=3, key="k").writer(request())
    writer.last_token()
    writer.write(FRAME, None)
    epoch = sealed(writer, 0)
    monkeypatch.setitem(failpoint.ACTIONS, step, fail)
    with pytest.raises(SinkLost):
        writer.commit([epoch])
    with pytest.raises(SinkLost):
        writer.last_token()
    monkeypatch.delitem(failpoint.ACTIONS, step)
    assert writer.last_token() in (None, epoch.token)
    writer.commit([epoch])
    writer.commit([epoch])
    writer.close()
    assert sorted(rows_of(tmp_path / "x"), key=lambda row: row[1]) == FRAME.rows()


PUBLISHES = """
import sys
import polars as pl
from penstock.connectors.base import WriteRequest, seal
from penstock.core import failpoint
from penstock.core.schema import Schema
from penstock.log import Log, LogSink

frame = pl.DataFrame({"k": ["a", "b", "c", "d"], "n": [0, 1, 2, 3]})
Log(sys.argv[1], partitions=2, segment_bytes=4096).close()
sink = LogSink(sys.argv[1], key="k")
writer = sink.writer(WriteRequest(Schema.of(dict(frame.schema)), (), False, "p", False, "o"))
token = writer.last_token()
first = 0 if token is None else token.epoch + 1
print(first, flush=True)
for epoch in range(first, first + 8):
    if epoch == first + 3:
        failpoint.ACTIONS.update(failpoint.from_environment(sys.argv[2]))
    writer.write(frame.with_columns(pl.col("n") + 4 * epoch), None)
    writer.commit([seal("p", epoch, writer.prepare(epoch)(), incarnation=first)])
"""

STEPS = [
    "log.before_commit",
    "log.before_write",
    "log.between_bodies",
    "log.synced",
    "log.head_written",
    "log.committed",
]


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_a_sink_that_is_killed_again_and_again_has_every_epoch_once(tmp_path, step):
    begun = []
    for _ in range(3):
        ran = subprocess.run(
            [sys.executable, "-c", PUBLISHES, str(tmp_path / "x"), f"{step}=kill"],
            env=dict(os.environ), capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert ran.returncode == -9, ran.stderr
        begun.append(int(ran.stdout))
    assert begun == sorted(begun)
    assert begun[1] in (3, 4)
    found = sorted(row[1] for row in rows_of(tmp_path / "x"))
    assert found == list(range(len(found)))
    assert len(found) % 4 == 0


# -- pipelines -----------------------------------------------------------------


def test_a_pipeline_writes_what_another_reads(tmp_path):
    job = ps.Pipeline("fill", ps.read(FRAME).write(LogSink(tmp_path / "x", partitions=2, key="k")))
    ps.run(job)
    counts = ps.read(LogSource(tmp_path / "x", bounded=True)).group_by("k").agg(n=ps.count()).collect()
    assert dict(counts.rows()) == dict(FRAME.group_by("k").len().rows())


def test_reports_and_names():
    assert LogSink("orders").default_name() == LogSource("orders").default_name() == "orders"
    assert LogSink("a/b").place is None
