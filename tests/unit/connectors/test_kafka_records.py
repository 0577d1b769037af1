"""Rows to records, and back from what a checkpoint carries."""

from __future__ import annotations

import json
import struct

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import penstock as ps
from penstock.connectors._kafka_records import MOST_BYTES, Encoder, Records, Texts, pack, unpack
from penstock.core.errors import SinkError
from penstock.core.schema import Schema

SCHEMA = Schema.of({"id": ps.Int64, "word": ps.String})
TEXT = st.one_of(st.none(), st.binary(max_size=20))


def encoder(**more) -> Encoder:
    usual = {"schema": SCHEMA, "key": (), "key_format": "json", "by_key": False, "partitions": 3, "limit": 1_000}
    return Encoder(**{**usual, **more})


def texts(values: list[bytes | None]) -> Texts:
    lengths = np.array([-1 if value is None else len(value) for value in values], np.int32)
    return Texts(b"".join(value or b"" for value in values), lengths)


def frame(rows: list[tuple[int, str | None]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA.to_polars(), orient="row")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 99), TEXT, TEXT), max_size=30))
def test_packed_records_are_what_they_were(rows):
    places, keys, values = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    records = Records(np.array(places, np.int32), texts(keys), texts(values))
    found = unpack(pack(records))
    assert list(found.each()) == rows
    assert found.counts() == records.counts() == {str(p): places.count(p) for p in sorted(set(places))}


def test_no_records_are_no_bytes():
    empty = encoder().encode([], changes=False, turn=0)
    assert pack(empty) == b""
    assert list(unpack(b"").each()) == []


def packed() -> bytes:
    return pack(encoder().encode([(frame([(1, "a" * 500), (2, None)]), None)], changes=False, turn=0))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda p: p[:10],
        lambda p: p[:-3],
        lambda p: b"XXXX" + p[4:],
        lambda p: p[:24] + b"\0" * (len(p) - 24),
        lambda p: p[:8] + struct.pack("<I", 10_000) + p[12:],
        lambda p: p[:12] + struct.pack("<Q", MOST_BYTES + 1) + p[20:],
        lambda p: p[:12] + struct.pack("<Q", MOST_BYTES) + p[20:],
        lambda p: p[:12] + struct.pack("<Q", 60) + p[20:],
    ],
)
def test_damaged_records_are_refused(spoil):
    with pytest.raises(SinkError, match="it is damaged"):
        unpack(spoil(packed()))


def test_records_of_later_versions_are_refused():
    with pytest.raises(SinkError, match="later version"):
        unpack(packed()[:4] + b"\x02" + packed()[5:])


def test_rows_become_json_in_turn():
    records = encoder().encode([(frame([(1, 'ü"\n'), (2, None)]), None), (frame([(3, "c")]), None)], False, 2)
    found = list(records.each())
    assert [(place, key) for place, key, _ in found] == [(2, None), (0, None), (1, None)]
    assert [json.loads(value) for _, _, value in found] == [
        {"id": 1, "word": 'ü"\n'}, {"id": 2, "word": None}, {"id": 3, "word": "c"},
    ]  # fmt: skip


def test_frames_may_be_slices():
    rows = frame([(number, f"w{number}") for number in range(10)])
    found = list(encoder().encode([(rows.slice(4, 3), None)], False, 0).each())
    assert [json.loads(value)["id"] for _, _, value in found] == [4, 5, 6]


def test_many_rows_are_encoded_in_slices(monkeypatch):
    monkeypatch.setattr("penstock.connectors._kafka_records.SLICE_ROWS", 3)
    rows = frame([(number, "x") for number in range(10)])
    found = encoder(key=("id",)).encode([(rows, None)], False, 0).each()
    assert [(key, json.loads(value)["id"]) for _, key, value in found] == [(b'{"id":%d}' % n, n) for n in range(10)]


def test_a_key_says_the_partition_whatever_came_before():
    keyed = encoder(key=("word",), by_key=True, partitions=7, key_format="text")
    first = list(keyed.encode([(frame([(1, "abc"), (2, "foobar"), (3, "abc")]), None)], False, 0).each())
    again = list(keyed.encode([(frame([(9, "foobar")]), None)], False, 5).each())
    assert [key for _, key, _ in first] == [b"abc", b"foobar", b"abc"]
    assert first[0][0] == first[2][0] == 479470107 % 7
    assert first[1][0] == again[0][0] == (-790332482 & 0x7FFFFFFF) % 7


def test_a_null_key_of_text_is_none_and_takes_its_turn():
    found = list(
        encoder(key=("word",), by_key=True, key_format="text").encode([(frame([(1, None)]), None)], False, 2).each()
    )
    assert found[0][:2] == (2, None)


def test_a_key_of_several_columns_is_an_object():
    (found,) = encoder(key=("word", "id"), by_key=True).encode([(frame([(1, None)]), None)], False, 0).each()
    assert found[1] == b'{"word":null,"id":1}'


def test_a_record_that_is_too_large_is_refused():
    edge = encoder(limit=len('{"id":1,"word":"aaaa"}'))
    edge.encode([(frame([(1, "aaaa")]), None)], False, 0)
    with pytest.raises(SinkError, match=r"record 1 of an epoch has 23 bytes, and the topic takes 22") as caught:
        edge.encode([(frame([(1, "aaaa"), (2, "aaaaa")]), None)], False, 0)
    assert "aaaaa" not in str(caught.value)


def upserts(frames: list[list[tuple[int, str, int]]]) -> list[tuple[int, str | None]]:
    """The key and the word of each record of changes."""
    given_frames = [(frame([row[:2] for row in rows]), np.array([row[2] for row in rows], np.int8)) for rows in frames]
    found = encoder(key=("id",), by_key=True).encode(given_frames, True, 0).each()
    return [(json.loads(key)["id"], None if value is None else json.loads(value)["word"]) for _, key, value in found]


def test_changes_become_the_last_row_of_each_key_or_a_tombstone():
    assert upserts([[(1, "a", 1), (2, "b", 1)], [(1, "a", -1), (1, "c", 1)]]) == [(2, "b"), (1, "c")]
    assert upserts([[(1, "a", -1)]]) == [(1, None)]
    assert upserts([[(1, "a", -1), (1, "b", 1), (1, "b", -1)]]) == [(1, None)]
    assert upserts([]) == []


def test_a_key_that_came_and_went_within_an_epoch_leaves_nothing():
    assert upserts([[(1, "a", 1)], [(1, "a", -1), (2, "b", 1)]]) == [(2, "b")]


def test_a_change_without_a_key_is_refused():
    with pytest.raises(SinkError, match="null key"):
        encoder(key=("word",), key_format="text").encode([(frame([(1, None)]), np.ones(1, np.int8))], True, 0)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.tuples(st.integers(0, 4), st.sampled_from("abc")), max_size=12), max_size=5))
def test_epochs_of_changes_add_up_to_the_table(epochs):
    table: dict[int, str] = {}
    topic: dict[int, str] = {}
    for epoch in epochs:
        rows = []
        for key, word in epoch:
            before = table.pop(key, None)
            if before is not None:
                rows.append((key, before, -1))
            if before != word:
                table[key] = word
                rows.append((key, word, 1))
        for key, word in upserts([rows]):
            if word is None:
                del topic[key]  # a key that was never sent is never deleted
            else:
                topic[key] = word
        assert topic == table
