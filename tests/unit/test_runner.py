"""Running pipelines: what is opened is closed, whatever fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

import penstock as ps
from penstock.connectors.base import Content, Sealed, Sink, Writer, WriteRequest
from penstock.connectors.files import FileSink
from penstock.core.errors import RefusedRowsWarning


class Watched(Writer):
    """A writer that notes when it is closed."""

    def __init__(self, closed: list[bool]) -> None:
        self.closed = closed

    def write(self, frame: pl.DataFrame, diff: object) -> None:
        """Take nothing."""

    def prepare(self, epoch: int) -> Callable[[], Content]:
        return lambda: Content({})

    def commit(self, epochs: Sequence[Sealed]) -> None:
        """Publish nothing."""

    def close(self) -> None:
        self.closed.append(True)


@dataclass(frozen=True, kw_only=True)
class WatchedSink(Sink):
    """A sink of watched writers."""

    connector = "watched"
    delivery = "at-least-once"
    closed: list[bool] = field(default_factory=list)

    def writer(self, request: WriteRequest) -> Writer:
        return Watched(self.closed)


def test_a_pipeline_that_cannot_start_closes_those_before_it(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "part-00000000-0.json").write_text("{}\n")
    rows, sink = ps.read([{"a": 1}]), WatchedSink()
    fine = ps.Pipeline("fine", rows.write(sink))
    blocked = ps.Pipeline("blocked", rows.write(FileSink(str(tmp_path / "taken"))))
    with pytest.raises(ps.StartError, match="must not be mixed"):
        ps.run(fine, blocked, state=tmp_path / "state")
    assert sink.closed == [True]


def test_collect_warns_of_rows_that_nobody_took(recwarn):
    rows = ps.read([{"v": 2**63 - 1}, {"v": 1}], name="rows")
    with pytest.warns(
        RefusedRowsWarning, match=r"1 in errors; the most frequent reason: no value for \(v \+ 1\)"
    ) as told:
        assert rows.select(w=ps.col("v") + 1).collect().height == 1
    assert told[0].filename == __file__
    recwarn.clear()
    assert rows.select(w=ps.col("v") + 1).errors().collect().height == 1
    assert rows.collect().height == 2
    assert not recwarn
