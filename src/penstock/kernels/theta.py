"""The hashes of theta sketches: MurmurHash3 (x64, 128 bits) of words and of texts, as Apache DataSketches takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel, scalar

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Bytes, Number, Words

SEED = 9001
ONE, TWO = 0x87C37B91114253D5, 0x4CF5AD432745937F


@scalar
def turn(value: Number, bits: Number) -> Number:
    """The bits of a word turned to the left."""
    return (value << np.uint64(bits)) | (value >> np.uint64(64 - bits))


@scalar
def stir_low(word: Number) -> Number:
    """What the first of two words adds."""
    return turn(word * np.uint64(ONE), 31) * np.uint64(TWO)


@scalar
def stir_high(word: Number) -> Number:
    """What the second of two words adds."""
    return turn(word * np.uint64(TWO), 33) * np.uint64(ONE)


@scalar
def last(value: Number) -> Number:
    """The final mix."""
    value = (value ^ (value >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    value = (value ^ (value >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))


@scalar
def closed(one: Number, two: Number, length: Number) -> Number:
    """The hash that two states of so many bytes come to, without its lowest bit."""
    one, two = one ^ np.uint64(length), two ^ np.uint64(length)
    one = one + two
    two = two + one
    return np.int64((last(one) + last(two)) >> np.uint64(1))


@kernel
def hash_numbers(words: Array, hashes: Words) -> None:
    """The hash of each word of eight bytes."""
    for row in range(words.shape[0]):
        one = np.uint64(SEED) ^ stir_low(np.uint64(words[row]))
        hashes[row] = closed(one, np.uint64(SEED), 8)


@kernel
def hash_texts(data: Bytes, starts: Words, hashes: Words) -> None:
    """The hash of each text; `starts` has one more than there are texts: where the last one ends."""
    for row in range(hashes.shape[0]):
        start, end = starts[row], starts[row + 1]
        one, two = np.uint64(SEED), np.uint64(SEED)
        place = start
        while place < end:
            low, high = np.uint64(0), np.uint64(0)
            for i in range(16):
                if place + i < end:
                    byte = np.uint64(data[place + i])
                    if i < 8:
                        low |= byte << np.uint64(8 * i)
                    else:
                        high |= byte << np.uint64(8 * (i - 8))
            if place + 16 <= end:
                one = turn(one ^ stir_low(low), 27)
                one = (one + two) * np.uint64(5) + np.uint64(0x52DCE729)
                two = turn(two ^ stir_high(high), 31)
                two = (two + one) * np.uint64(5) + np.uint64(0x38495AB5)
            else:
                two = two ^ stir_high(high)
                one = one ^ stir_low(low)
            place += 16
        hashes[row] = closed(one, two, end - start)
