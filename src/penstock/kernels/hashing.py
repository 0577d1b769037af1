"""Hashes of keys: a stable one that names the key group, a seeded one that places it in an index.

The stable hash is part of what is written to disk: a state is cut into `GROUPS` key groups by it, and
a shard owns a range of groups. Any change of its values needs a new `HASH_VERSION`. The seeded hash
never leaves the process; no result may depend on it, and tests permute its seed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel, scalar
from penstock.kernels.intrinsics import load_eight

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Bytes, Number, Rows, Words

HASH_VERSION = 1
GROUP_BITS = 8
GROUPS = 1 << GROUP_BITS

GOLDEN = 0x9E3779B97F4A7C15
MIX_ONE = 0xBF58476D1CE4E5B9
MIX_TWO = 0x94D049BB133111EB
ODD_ONE = 0xD6E8FEB86659FD93
ODD_TWO = 0xC2B2AE3D27D4EB4F


@scalar
def mix_word(state: Number, word: Number) -> Number:
    """One round of the stable hash: takes another 8-byte word into the state. The first state is 0."""
    value = (state + np.uint64(GOLDEN)) ^ word
    value = (value ^ (value >> np.uint64(30))) * np.uint64(MIX_ONE)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(MIX_TWO)
    return value ^ (value >> np.uint64(31))


@scalar
def group_of_hash(value: Number) -> Number:
    """The key group of a stable hash: its top 8 bits."""
    return np.int64(value >> np.uint64(64 - GROUP_BITS))


@scalar
def tag_word(state: Number, word: Number) -> Number:
    """One round of the seeded hash; the first state is the seed."""
    value = (state ^ word) * np.uint64(ODD_ONE)
    return value ^ (value >> np.uint64(32))


@scalar
def tag_of_hash(state: Number) -> Number:
    """The 32-bit tag of a seeded hash, which also says where in its region an index entry lives."""
    return (state * np.uint64(ODD_TWO)) >> np.uint64(32)


@scalar
def mix_eight(state: Number, word: Number) -> Number:
    """One round of the stable hash of bytes, for all but the last eight."""
    value = (state ^ word) * np.uint64(ODD_ONE)
    return (value ^ (value >> np.uint64(29))) * np.uint64(ODD_TWO)


@kernel
def hash_bytes(heap: Bytes, start: Number, length: Number) -> Number:
    """The stable hash of at least eight bytes from `start` on.

    Rounds: the length; eight bytes at a time as long as there are; the last eight, which may overlap.
    """
    state = mix_word(np.uint64(0), np.uint64(length))
    for place in range(0, length - 7, 8):
        state = mix_eight(state, load_eight(heap, start + place))
    return mix_word(state, load_eight(heap, start + length - 8))


@kernel
def hash_words(words: Words) -> Array:
    """The stable hash (uint64) of each row of an array of key words."""
    rows, width = words.shape
    hashes = np.empty(rows, np.uint64)
    for row in range(rows):
        state = np.uint64(0)
        for column in range(width):
            state = mix_word(state, np.uint64(words[row, column]))
        hashes[row] = state
    return hashes


@kernel
def groups_of(words: Words) -> Rows:
    """The key group (0 to 255, int32) of each row of an array of key words."""
    rows, width = words.shape
    groups = np.empty(rows, np.int32)
    for row in range(rows):
        state = np.uint64(0)
        for column in range(width):
            state = mix_word(state, np.uint64(words[row, column]))
        groups[row] = group_of_hash(state)
    return groups


@kernel
def groups_of_slots(table: Words, key_width: Number, slots: Rows) -> Rows:
    """The key group of each slot of a table whose first `key_width` words are the key."""
    groups = np.empty(slots.shape[0], np.int32)
    for place in range(slots.shape[0]):
        slot = slots[place]
        state = np.uint64(0)
        for column in range(key_width):
            state = mix_word(state, np.uint64(table[slot, column]))
        groups[place] = group_of_hash(state)
    return groups
