"""What the cluster says of a message, as columns."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

import penstock as ps
from penstock.connectors._kafka_metadata import check_columns, of_values, times_of, with_metadata
from penstock.connectors._kafka_values import decode_json
from penstock.connectors.base import ReadRequest
from penstock.connectors.kafka import KafkaSource
from penstock.core.errors import PlanError, StartError
from penstock.core.schema import Schema

ZONE = "Europe/Oslo"
SCHEMA = Schema.of(
    {"id": ps.Int64, "at": ps.Datetime("ms", ZONE), "place": ps.Int64, "part": ps.Int32, "topic": ps.String}
)
METADATA = {"at": "timestamp", "place": "offset", "part": "partition", "topic": "topic"}
VALUES = [b'{"id":1}', b"{", None, b'{"id":4}', b'{"id":5,"place":99}']


class Message:
    def __init__(self, kind, at):
        self._told = (kind, at)

    def timestamp(self):
        return self._told


def decode(columns, values=VALUES):
    offsets = np.array([4, 5, 7, 8, 12][: len(values)], np.int64)
    request = ReadRequest(SCHEMA, tuple(columns))
    asked = of_values(request, METADATA)
    polled = decode_json("orders-2", offsets, values, asked, {"offset": 13})
    times = times_of([Message(1, 1000 * i) if i != 3 else Message(0, 0) for i in range(len(values))])
    return with_metadata(polled, request, METADATA, ("orders", 2), (offsets, times))


def at(seconds):
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def test_every_row_has_what_was_said_of_its_own_message():
    polled = decode(SCHEMA.names)
    assert dict(polled.frame.schema) == SCHEMA.to_polars()
    assert polled.frame.rows() == [
        (1, at(0), 4, 2, "orders"), (4, None, 8, 2, "orders"), (5, at(4), 12, 2, "orders"),
    ]  # fmt: skip
    assert [row.offset for row in polled.bad] == [5, 7]
    assert polled.position == {"offset": 13}


@pytest.mark.parametrize("columns", [("place",), ("topic", "id"), ("at", "part"), ("id",)])
def test_only_what_is_wanted_in_its_order(columns):
    polled = decode(columns)
    assert tuple(polled.frame.columns) == columns
    assert polled.frame.rows() == decode(SCHEMA.names).frame.select(columns).rows()


def test_no_rows():
    assert decode(SCHEMA.names, [b"{", None]).frame.shape == (0, 5)


@pytest.mark.parametrize(
    ("columns", "metadata", "said"),
    [
        ({"id": ps.Int64}, {"at": "timestamp"}, 'a column "at"'),
        ({"id": ps.Int64, "at": ps.Datetime("ms")}, {"at": "timestamp"}, "Datetime with a zone"),
        ({"id": ps.Int64, "p": ps.String}, {"p": "partition"}, "Int32 or Int64"),
        ({"p": ps.Int32}, {"p": "partition"}, "not metadata"),
    ],
)
def test_columns_that_do_not_fit(columns, metadata, said):
    with pytest.raises(StartError, match=said):
        check_columns(metadata, Schema.of(columns))


def test_metadata_that_there_is_not():
    with pytest.raises(PlanError, match='"offset"'):
        KafkaSource("orders", servers="h:1", metadata={"a": "ofset"})
