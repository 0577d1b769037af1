"""What an epoch adds up to, and how a checkpoint carries it."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.connectors._postgres_epoch import DELETES, MAGIC, ROWS, Limits, OpenEpoch, pack, unpack
from penstock.core.dtypes import Int64
from penstock.core.errors import InvariantError, SinkError, StateError
from penstock.core.schema import Schema
from tests.unit.connectors.test_postgres_text import fields_of

SCHEMA = Schema.of({"k": Int64, "v": Int64})
WIDE = Limits(1 << 20, 1 << 20)


def frame(*rows: tuple[int, int]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=SCHEMA.to_polars(), orient="row")


def epoch(key: tuple[str, ...] = (), limits: Limits = WIDE) -> OpenEpoch:
    return OpenEpoch(SCHEMA, key, frozenset(), limits)


def lines(payload: bytes, kind: str) -> list[tuple[int, ...]]:
    found = [row for text in unpack(payload).lines(kind) for row in fields_of(text)]
    return [tuple(int(one) for one in row) for row in found]


# A change of a key: its new value, or None if it goes. -1 comes before +1, as the engine sends them.
CHANGES = st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(0, 2)), max_size=30)


def as_deltas(changes, there):
    """Changes as rows with +1 and -1, from what is there; and what is there behind them."""
    rows, now = [], dict(there)
    for key, value in changes:
        if key in now:
            rows.append((key, now.pop(key), -1))
        if value is not None:
            rows.append((key, value, 1))
            now[key] = value
    return rows, now


@given(
    there=st.dictionaries(st.integers(0, 3), st.integers(0, 2)),
    changes=CHANGES,
    cuts=st.lists(st.integers(0, 60), max_size=4),
    batch=st.sampled_from([1, 64, 1 << 20]),
)
def test_the_net_effect_of_an_epoch_is_that_of_its_changes_one_by_one(there, changes, cuts, batch):
    rows, wanted = as_deltas(changes, there)
    taken, marks = epoch(("k",), Limits(batch, 1 << 20)), sorted({0, len(rows), *(c for c in cuts if c < len(rows))})
    for first, last in itertools.pairwise(marks):
        part = rows[first:last]
        taken.add(frame(*((k, v) for k, v, _ in part)), np.array([sign for _, _, sign in part], np.int8))
    content = taken.seal()
    found = dict(there)
    if content.payload:
        gone, come = lines(content.payload, DELETES), lines(content.payload, ROWS)
        assert len({k for k, *_ in (*gone, *come)}) == len(gone) + len(come) == content.rows
        for (key,) in gone:
            found.pop(key, None)
        found |= dict(come)
    assert found == wanted


def test_the_last_row_of_a_key_counts_where_rows_only_come():
    taken = epoch(("k",))
    taken.add(frame((1, 1), (2, 1), (1, 2)), None)
    taken.add(frame((1, 3)), None)
    content = taken.seal()
    assert sorted(lines(content.payload, ROWS)) == [(1, 3), (2, 1)]
    assert content.value == {"rows": 2, "deletes": 0}
    assert content.rows == 2


@pytest.mark.parametrize("batch", [1, 100, 1 << 20])
def test_appended_rows_keep_their_order_however_they_are_packed(batch):
    taken = epoch(limits=Limits(batch, 1 << 20))
    rows = [(n, n * n) for n in range(50)]
    for first in range(0, 50, 7):
        taken.add(frame(*rows[first : first + 7]), None)
    content = taken.seal()
    assert lines(content.payload, ROWS) == rows
    assert content.rows == 50


def test_an_epoch_without_rows_has_no_payload():
    taken = epoch(("k",))
    taken.add(frame(), None)
    assert taken.seal() == ({"rows": 0, "deletes": 0}, b"", 0)


def test_float_keys_that_are_one_in_postgresql_are_one_key():
    schema = Schema.of({"k": float, "v": int})
    taken = OpenEpoch(schema, ("k",), frozenset(), WIDE)
    taken.add(pl.DataFrame({"k": [0.0, -0.0, float("nan"), -float("nan")], "v": [1, 2, 3, 4]}), None)
    assert taken.seal().value == {"rows": 2, "deletes": 0}


def test_nulls_of_keys_are_refused_in_deletes_too():
    taken = epoch(("k",))
    taken.add(pl.DataFrame({"k": [None], "v": [1]}, schema=SCHEMA.to_polars()), np.array([-1], np.int8))
    with pytest.raises(SinkError, match="of the key is null"):
        taken.seal()


def test_an_epoch_is_bounded():
    rows = pl.DataFrame({"k": np.random.default_rng(1).integers(0, 2**60, 5_000), "v": np.zeros(5_000, np.int64)})
    for key in ((), ("k",)):
        taken = epoch(key, Limits(1_000, 10_000))
        with pytest.raises(SinkError, match="more than 10,000 bytes"):
            taken.add(rows, None)


def test_deletes_where_rows_are_appended_are_a_bug():
    with pytest.raises(InvariantError):
        epoch().add(frame((1, 1)), np.array([-1], np.int8))


# -- stored --------------------------------------------------------------------


def payload() -> bytes:
    taken = epoch(("k",))
    taken.add(frame((1, 1), (2, 2)), np.array([1, -1], np.int8))
    return taken.seal().payload


def test_a_payload_is_read_as_it_was_written():
    assert pack(unpack(payload())) == payload()
    assert unpack(payload())[:4] == (("k", "v"), ("k",), 1, 1)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "does not begin"),
        (b"x" * 100, "does not begin"),
        (MAGIC, "does not begin"),
        (payload()[:-1], "damaged"),
        (payload() + b"x", "damaged"),
        (payload().replace(b'"rows", ', b'"drop", '), "damaged"),
        (MAGIC + b"\x02\x00" + payload()[len(MAGIC) + 2 :], "format 2"),
        (MAGIC + b"\x01\x00\x02\x00\x00\x00[]", "damaged"),
    ],
)
def test_what_is_no_payload_is_refused(data, words):
    with pytest.raises(StateError, match=words):
        unpack(data)
