"""Blocks: what goes in comes out, and what is damaged is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from penstock.checkpoint.block import ALIGNMENT, MAGIC, decode, digest, encode
from penstock.core.errors import StateError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
TYPES = st.sampled_from(["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">i8", ">f4"])
ARRAYS = hnp.arrays(TYPES.map(np.dtype), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6))
BLOCKS = st.tuples(
    st.dictionaries(st.text(), JSON, max_size=3),
    st.dictionaries(st.text(), ARRAYS | st.binary(max_size=40), max_size=4),
)


def joined(header, arrays):
    return b"".join(encode(header, arrays))


@given(BLOCKS)
def test_what_goes_in_comes_out(block):
    header, arrays = block
    found, values = decode(joined(header, arrays))
    assert found == header
    assert list(values) == list(arrays)
    for name, value in arrays.items():
        if isinstance(value, bytes):
            assert values[name] == value
            continue
        assert values[name].dtype == value.dtype.newbyteorder("=")
        assert values[name].shape == value.shape
        assert not values[name].flags.writeable
        assert values[name].tobytes() == value.astype(value.dtype.newbyteorder("=")).tobytes()


def test_arrays_are_not_copied():
    array = np.arange(1000)
    parts = encode({}, {"a": array})
    assert np.shares_memory(np.frombuffer(parts[-1], dtype="i8"), array)
    data = b"".join(parts)
    assert np.shares_memory(decode(data)[1]["a"], np.frombuffer(data, dtype="u1"))


def test_arrays_that_are_not_aligned_are_copied():
    data = joined({}, {"a": np.arange(3)})
    for shift in range(9):
        _, arrays = decode(memoryview(bytes(shift) + data)[shift:])
        assert arrays["a"].flags.aligned
        assert not arrays["a"].flags.writeable
        assert arrays["a"].tolist() == [0, 1, 2]


def test_arrays_begin_where_any_type_may():
    parts = encode({"x": 1}, {"a": b"1", "b": np.arange(3)})
    assert len(b"".join(parts[:-1])) % ALIGNMENT == 0


def test_arrays_in_any_order_of_memory_are_taken():
    array = np.arange(24).reshape(2, 3, 4)
    for value in (array.T, array[:, ::2], np.asfortranarray(array), np.array(3), array[:0]):
        found = decode(joined({}, {"a": value}))[1]["a"]
        assert found.shape == value.shape
        assert found.tolist() == value.tolist()


@pytest.mark.parametrize(
    "array",
    [
        np.array(["x"]),
        np.array([object()]),
        np.zeros(2, "V4"),
        np.zeros(2, "M8[us]"),
        np.zeros(2, [("a", "i4")]),
        np.zeros(1, "c8"),
    ],
)
def test_other_types_are_refused(array):
    with pytest.raises(TypeError, match="which no block can hold"):
        encode({}, {"a": array})


def test_headers_are_json():
    with pytest.raises(TypeError):
        encode({"a": object()}, {})
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"a": float("nan")}, {})


SAMPLE = joined(
    {"epoch": 3, "x": [1, "ü"]}, {"keys": np.arange(5), "text": b"abc", "none": np.zeros(0), "f": np.ones((2, 2))}
)


def refused_or_whole(data):
    """What is left of a damaged block is refused, or has values that can be touched."""
    try:
        _, arrays = decode(data)
    except StateError:
        return
    for value in arrays.values():
        assert value is not None
        if not isinstance(value, bytes):
            value.tobytes()


def test_every_flip_fails_the_digest_and_is_survived():
    wanted = digest([SAMPLE])
    for position in range(len(SAMPLE)):
        for bit in range(8):
            data = bytearray(SAMPLE)
            data[position] ^= 1 << bit
            assert digest([data]) != wanted
            refused_or_whole(bytes(data))


def test_every_truncation_is_refused():
    for length in range(len(SAMPLE)):
        assert digest([SAMPLE[:length]]) != digest([SAMPLE])
        with pytest.raises(StateError):
            decode(SAMPLE[:length])
        with pytest.raises(StateError):
            decode(SAMPLE[:length] + bytes(len(SAMPLE) - length + 1))
    with pytest.raises(StateError):
        decode(SAMPLE + b"\0")


@given(st.lists(st.tuples(st.integers(0, len(SAMPLE) - 1), st.binary(min_size=1, max_size=9)), min_size=1, max_size=4))
@settings(max_examples=300)
def test_any_damage_is_survived(changes):
    data = bytearray(SAMPLE)
    for position, new in changes:
        data[position : position + len(new)] = new
    refused_or_whole(bytes(data))


@given(st.binary(max_size=200))
def test_anything_else_is_refused(data):
    with pytest.raises(StateError):
        decode(data)


def with_head(head, body=b""):
    size = 24 + len(head) + len(body)
    return MAGIC + size.to_bytes(8, "little") + len(head).to_bytes(8, "little") + head + body


HEADS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["bytes", "<i8", "|b1", "|O", "<f8", "<f9", ">i8", "|i8", "<i8,<i8", "<M8[us]", "<V8"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(
    st.tuples(st.just({}) | HEADS, HEADS | st.lists(st.tuples(HEADS, HEADS, HEADS), max_size=3)), st.binary(max_size=40)
)
@settings(max_examples=300)
def test_any_description_of_arrays_is_survived(head, body):
    refused_or_whole(with_head(json.dumps(head).encode(), body))


@pytest.mark.parametrize(
    "head",
    [
        b'[{},[["a","<i8",[1000000000000]]]]',
        b'[{},[["a","|i1",[281474976710655,281474976710655,0]]]]',
        b'[{},[["a","<i8",[0,-1]]]]',
        b'[{},[["a","<i8",[true]]]]',
        b'[{},[["a","|O",[0]]]]',
        b'[{},[["a","bytes",[0]],["a","bytes",[0]]]]',
        b"[" * 100_000,
        b'[{},[["a","<i8",[' + b"9" * 10_000 + b"]]]]",
        b'[{},[["a","<i8",' + b"[" * 5000 + b"]" * 5000 + b"]]]",
        b"\xff\xfe",
        b"null",
        b'[{},{"abc":1}]',
        b"[[],[]]",
        b"[{}]",
    ],
)
def test_hostile_headers_are_refused(head):
    with pytest.raises(StateError, match="a block is damaged"):
        decode(with_head(head))


def test_a_newer_block_says_so():
    data = SAMPLE[:6] + b"\x00\x02" + SAMPLE[8:]
    with pytest.raises(StateError, match="a block of version 2 cannot be read by this program"):
        decode(data)


@given(st.lists(st.binary(max_size=20)))
def test_the_digest_does_not_see_the_cuts(parts):
    assert digest(parts) == digest([b"".join(parts)])
    assert len(digest(parts)) == 32
