from __future__ import annotations

import polars as pl
import pytest

from penstock.connectors.base import BadRow, seal
from penstock.connectors.memory import MemoryReader, MemorySink, MemorySource, MemoryWriter
from penstock.testing import CheckFailed, ManualClock
from penstock.testing.conform import check_sink, check_source

FRAME = pl.DataFrame({"id": list(range(20)), "word": ["x"] * 20})


def source(monkeypatch=None, change=None):
    """A source that holds, or one whose polls are changed."""
    if change is not None:
        poll = MemoryReader.poll

        def changed(self, max_rows):
            polled = poll(self, max_rows)
            return polled if polled is None else change(self, polled)

        monkeypatch.setattr(MemoryReader, "poll", changed)
    return MemorySource(FRAME)


def test_a_source_that_holds():
    check_source(source(), expected=FRAME.to_dicts())


def test_a_source_that_lacks_rows():
    with pytest.raises(CheckFailed, match="only in what was expected: 1 row"):
        check_source(source(), expected=[*FRAME.to_dicts(), {"id": 20, "word": "x"}])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda self, p: p._replace(frame=p.frame.with_columns(id=pl.col("id").cast(pl.Int32))), "instead of"),
        (lambda self, p: p._replace(offsets=((0, p.frame.height),)), "offsets"),
        (lambda self, p: p._replace(offsets=()), "0 offsets for"),
        (lambda self, p: p._replace(position=0), "going on at 0"),
        (lambda self, p: p._replace(bad=(BadRow(0, "broken", None),)), "two rows have one offset"),
        (lambda self, p: p._replace(bad=(BadRow(p.offsets[0][0] + 100, "", None),)), "no reason"),
        (lambda self, p: p._replace(frame=p.frame.select(sorted(p.frame.columns, reverse=True))), "another order"),
    ],
)
def test_a_source_that_breaks_its_contract(monkeypatch, change, message):
    with pytest.raises(CheckFailed, match=message):
        check_source(source(monkeypatch, change))


def test_a_source_that_gives_too_much(monkeypatch):
    poll = MemoryReader.poll
    big = MemorySource(pl.concat([FRAME] * 20))
    monkeypatch.setattr(MemoryReader, "poll", lambda self, max_rows: poll(self, 400))
    with pytest.raises(CheckFailed, match=r"a poll of 1 row\(s\) gave 400"):
        check_source(big)


def test_a_source_that_is_stuck(monkeypatch):
    monkeypatch.setattr(MemoryReader, "poll", lambda self, max_rows: None)
    with pytest.raises(CheckFailed, match="has not ended"):
        check_source(source(), clock=ManualClock())


# -- sinks ---------------------------------------------------------------------


FRAMES = [FRAME[:3], FRAME[3:5]]


def read(sink):
    return sink.table().to_dicts() if sink.box and sink.box[0].request.updating else sink.frame().to_dicts()


def test_a_sink_that_holds():
    check_sink(MemorySink, read, frames=FRAMES, key=("id",))


def test_a_sink_that_commits_twice(monkeypatch):
    commit = MemoryWriter.commit

    def twice(self, epochs):
        kept = {one.token.epoch: list(self._sealed.get(one.token.epoch, [])) for one in epochs}
        commit(self, epochs)
        self._sealed |= kept

    monkeypatch.setattr(MemoryWriter, "commit", twice)
    with pytest.raises(CheckFailed):
        check_sink(MemorySink, read, frames=FRAMES)


def test_a_sink_that_shows_too_early(monkeypatch):
    prepare = MemoryWriter.prepare

    def eager(self, epoch):
        found = prepare(self, epoch)
        self.commit([seal("conformance", epoch, found())])
        return found

    monkeypatch.setattr(MemoryWriter, "prepare", eager)
    with pytest.raises(CheckFailed, match="visible before their epoch is committed"):
        check_sink(MemorySink, read, frames=FRAMES)


def test_a_sink_that_forgets(monkeypatch):
    monkeypatch.setattr(MemoryWriter, "commit", lambda self, epochs: None)
    with pytest.raises(CheckFailed, match="only in what was written"):
        check_sink(MemorySink, read, frames=FRAMES)
