"""Values of messages to rows."""

from __future__ import annotations

import json

import numpy as np
import pytest

import penstock as ps
from penstock.connectors._kafka_values import NO_VALUE, decode_json
from penstock.connectors.base import ReadRequest
from penstock.connectors.formats._blocks import LONGEST_RECORD
from penstock.core.schema import Schema

SCHEMA = Schema.of({"id": ps.Int64, "word": ps.String})


def decode(values, offsets=None, columns=("id", "word"), **more):
    places = np.array(range(len(values)) if offsets is None else offsets, np.int64)
    return decode_json("t-0", places, values, ReadRequest(SCHEMA, tuple(columns), **more), {"offset": 9})


def test_values_become_rows_at_their_offsets():
    polled = decode([b'{"id":1,"word":"a"}', b'{"word":"\xc3\xbc\\n"}', b'{"id":\n3}'], [4, 5, 9])
    assert polled.frame.rows() == [(1, "a"), (None, "ü\n"), (3, None)]
    assert dict(polled.frame.schema) == SCHEMA.to_polars()
    assert polled.offsets == ((4, 2), (9, 1))
    assert (polled.bad, polled.position) == ((), {"offset": 9})


def test_bad_values_say_where_they_are_and_what_is_wrong():
    values = [b'{"id":1}', b'{"id":', b'{"id":"x"}', None, b"\xff", b"", b"[1]", b'{"id":2}{"id":3}', b'{"id":4}']
    polled = decode(values, range(10, 19))
    assert polled.frame["id"].to_list() == [1, 4]
    assert polled.offsets == ((10, 1), (18, 1))
    assert [row.offset for row in polled.bad] == list(range(11, 18))
    reasons = {row.offset: row.reason for row in polled.bad}
    assert all(reason.startswith(f"t-0:{offset}: ") for offset, reason in reasons.items())
    assert reasons[13] == f"t-0:13: {NO_VALUE}"
    assert reasons[14].endswith("not UTF-8")
    assert '"x" is not an Int64' in reasons[12]
    assert [row.raw for row in polled.bad][:4] == ['{"id":', '{"id":"x"}', None, "\\xff"]


def test_a_value_does_not_reach_into_the_next():
    polled = decode([b'{"id":1', b',"word":"a"}', b'{"id":12', b"3}", b'"', b'"'])
    assert (polled.frame.height, len(polled.bad)) == (0, 6)


def test_raw_text_is_kept_only_if_wanted():
    assert decode([b"{"], keep_raw=False).bad[0].raw is None


def test_nothing_but_tombstones():
    polled = decode([None, None], [3, 7])
    assert polled.frame.height == 0
    assert list(polled.frame.columns) == ["id", "word"]
    assert [row.offset for row in polled.bad] == [3, 7]


def test_columns_can_be_left_out():
    polled = decode([b'{"id":"x","word":"a"}'], columns=("word",))
    assert polled.frame.rows() == [("a",)]


def test_fields_that_are_not_declared_can_be_forbidden():
    assert "is not declared" in decode([b'{"id":1,"more":2}'], extra="forbid").bad[0].reason


@pytest.mark.slow
def test_a_value_that_is_too_long_is_bad():
    polled = decode([b'{"id":1,"word":"' + b"x" * LONGEST_RECORD + b'"}', b'{"id":2}'])
    assert polled.frame["id"].to_list() == [2]
    assert "longer than" in polled.bad[0].reason


def test_many_values():
    rows = [{"id": number, "word": f"w{number}"} for number in range(5_000)]
    polled = decode([json.dumps(row).encode() for row in rows], np.arange(5_000) * 2)
    assert polled.frame.to_dicts() == rows
    assert polled.offsets == tuple((2 * number, 1) for number in range(5_000))
