"""Values of user code as text: what comes back is what went, of the same types; what cannot is named."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import uuid
import zoneinfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.expr.stored_values import NotStorableError, from_text, to_text

PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.binary(), st.decimals(allow_nan=False),
    st.dates(), st.times(), st.timedeltas(), st.datetimes(), st.uuids(),
    st.datetimes(timezones=st.sampled_from([dt.UTC, zoneinfo.ZoneInfo("Europe/Berlin")])),
)  # fmt: skip
HASHABLE = st.one_of(st.booleans(), st.integers(), st.text(), st.binary(), st.tuples(st.integers(), st.text()))
VALUES = st.recursive(
    PLAIN,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(st.text(), st.just("$")), inner, max_size=4),
        st.dictionaries(HASHABLE, inner, max_size=4),
        st.sets(HASHABLE, max_size=4),
        st.frozensets(HASHABLE, max_size=4),
        st.lists(inner, max_size=4).map(lambda items: collections.deque(items, maxlen=5)),
        st.lists(HASHABLE, max_size=4).map(collections.Counter),
    ),
    max_leaves=12,
)


def same(one, other):
    if type(one) is not type(other):
        return False
    if isinstance(one, (list, tuple, collections.deque)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    return one == other and repr(one) == repr(other) if isinstance(one, float) else one == other


@given(VALUES)
def test_what_comes_back_is_what_went(value):
    assert same(from_text(to_text(value)), value)


def test_what_is_not_equal_to_itself_and_what_is_of_a_library():
    assert from_text(to_text(float("nan"))) != 0
    assert from_text(to_text([float("inf"), -float("inf")])) == [float("inf"), -float("inf")]
    assert from_text(to_text({"a": np.int64(3), "b": np.float32(0.5)})) == {"a": 3, "b": 0.5}
    assert from_text(to_text(decimal.Decimal("1.10"))).as_tuple() == decimal.Decimal("1.10").as_tuple()
    assert type(from_text(to_text(uuid.UUID(int=7)))) is uuid.UUID


def test_sets_have_one_text():
    assert to_text({"a", "b", "c"}) == to_text({"c", "b", "a"})


class Own:
    pass


@pytest.mark.parametrize(
    "value", [Own(), [Own()], {"a": {1: Own()}}, len, dt.datetime(2026, 1, 1, tzinfo=None).tzinfo.__class__]
)
def test_what_cannot_be_stored_is_named(value):
    with pytest.raises(NotStorableError, match="cannot be stored"):
        to_text(value)


def test_what_contains_itself_cannot_be_stored():
    value = []
    value.append(value)
    with pytest.raises(NotStorableError, match="contains itself"):
        to_text(value)
