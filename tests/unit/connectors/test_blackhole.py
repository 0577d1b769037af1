"""A sink that counts."""

from __future__ import annotations

import polars as pl

from penstock.connectors.blackhole import BlackholeSink
from penstock.core.schema import Schema
from penstock.testing.conform import sealed
from tests.unit.connectors.samples import write_request

FRAME = pl.DataFrame({"n": [1, 2, 3]})


def test_it_counts_committed_rows_once_and_anew_in_every_run():
    sink = BlackholeSink()
    request = write_request(Schema.of(dict(FRAME.schema)))
    for _ in range(2):
        writer = sink.writer(request)
        writer.write(FRAME, None)
        prepared = sealed(writer, 0)
        assert sink.counts.rows == 0
        writer.commit([prepared])
        writer.commit([prepared])
        writer.write(FRAME, None)
        assert (sink.counts.rows, sink.counts.epochs) == (3, 1)
        assert writer.report() == "3 rows forgotten"
    assert sink.default_name() == "blackhole"
