"""Parts of texts that the codec's tests do not reach."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.kernels.texts import long_bytes, put_short_texts, same_bytes


@settings(deadline=None, max_examples=60)
@given(st.binary(min_size=8, max_size=30), st.integers(0, 29), st.integers(0, 4), st.integers(0, 4))
def test_same_bytes_sees_every_byte(kernels: str, text: bytes, place: int, one: int, other: int) -> None:
    changed = bytearray(text)
    changed[place % len(text)] ^= 1
    left = np.frombuffer(b"-" * one + text + b"<", np.uint8)
    right = np.frombuffer(b"+" * other + text + b">", np.uint8)
    assert same_bytes(left, one, right, other, len(text))
    right = np.frombuffer(b"+" * other + bytes(changed) + b">", np.uint8)
    assert not same_bytes(left, one, right, other, len(text))


def test_long_bytes_counts_what_is_valid_and_long(kernels: str) -> None:
    views = np.array([[12, 0], [13, 5], [40, 7], [99, 3]], np.int64)
    found = np.zeros(3, np.int64)
    long_bytes(views, np.array([True, True, True, False]), found)
    assert found.tolist() == [53, 5, 7]
    long_bytes(views[:1], np.empty(0, np.bool_), found)
    assert found[0] == 0


def test_null_texts_are_zeros_whatever_lies_under_them(kernels: str) -> None:
    views = np.array([[3, 7], [4, 8]], np.int64)
    words = np.full((2, 4), -1, np.int64)
    put_short_texts(views, np.array([False, True]), words, 1)
    assert words.tolist() == [[-1, 0, 0, -1], [-1, 4, 8, -1]]
