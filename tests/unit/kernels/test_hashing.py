from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.kernels.hashing import GROUPS, HASH_VERSION, groups_of, groups_of_slots, hash_bytes, hash_words

MASK = 2**64 - 1
WORD = st.integers(-(2**63), 2**63 - 1)


def mix(state: int, word: int) -> int:
    value = ((state + 0x9E3779B97F4A7C15) & MASK) ^ (word & MASK)
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def model(words: list[int]) -> int:
    state = 0
    for word in words:
        state = mix(state, word)
    return state


def test_values_never_change() -> None:
    assert HASH_VERSION == 1
    hashes = hash_words(np.array([[0], [1], [-1]], np.int64)).tolist()
    assert hashes == [0xE220A8397B1DCDAF, model([1]), model([-1])]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(WORD, WORD), min_size=1, max_size=8))
def test_words_as_in_the_model(kernels: str, rows: list[tuple[int, int]]) -> None:
    words = np.array(rows, np.int64)
    assert hash_words(words).tolist() == [model(list(row)) for row in rows]
    groups = groups_of(words)
    assert groups.tolist() == [model(list(row)) >> 56 for row in rows]
    slots = np.arange(len(rows), dtype=np.int32)[::-1].copy()
    assert groups_of_slots(words, 2, slots).tolist() == groups[::-1].tolist()


@settings(deadline=None, max_examples=40)
@given(st.binary(min_size=8, max_size=40), st.integers(0, 5))
def test_bytes_do_not_depend_on_where_they_are(kernels: str, text: bytes, start: int) -> None:
    heap = np.frombuffer(b"x" * start + text + b"y" * 3, np.uint8)
    alone = hash_bytes(np.frombuffer(text, np.uint8), 0, len(text))
    assert hash_bytes(heap, start, len(text)) == alone
    state = mix(0, len(text))
    for place in range(0, len(text) - 7, 8):
        value = ((state ^ int.from_bytes(text[place : place + 8], "little")) * 0xD6E8FEB86659FD93) & MASK
        state = ((value ^ (value >> 29)) * 0xC2B2AE3D27D4EB4F) & MASK
    assert alone == mix(state, int.from_bytes(text[-8:], "little"))


def test_consecutive_keys_spread_over_all_groups() -> None:
    groups = groups_of(np.arange(64 * GROUPS, dtype=np.int64).reshape(-1, 1))
    counts = np.bincount(groups, minlength=GROUPS)
    assert counts.min() > 32
    assert counts.max() < 104
