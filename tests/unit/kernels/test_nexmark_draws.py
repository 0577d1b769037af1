"""Single draws against what `java.util.Random` gives."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.kernels.nexmark_draws import (
    MARGIN_BYTES,
    advanced,
    bounded,
    bounded_long,
    extra_size,
    pair_table,
    price,
    seeded,
    signed_32,
    write_exact,
    write_words,
)


def test_ints_of_seed_42() -> None:
    state = seeded(42)
    drawn = []
    for _ in range(3):
        state = advanced(state)
        drawn.append(signed_32(state))
    assert drawn == [-1170105035, 234785527, -1360544799]


def test_bounded_of_seed_42() -> None:
    state = seeded(42)
    drawn = []
    for _ in range(3):
        state, value = bounded(state, 100)
        drawn.append(value)
    assert drawn == [30, 63, 48]
    # A power of two takes the high bits instead of a remainder.
    assert bounded(seeded(42), 128)[1] == (((-1170105035) % (1 << 32)) >> 1) >> 24


@pytest.mark.parametrize("bound", [(1 << 30) + 1, 3, 1_000_003])
def test_bounded_draws_again_where_the_range_does_not_divide(bound: int) -> None:
    state = seeded(7)
    redrawn = 0
    for _ in range(200):
        before = state
        state, value = bounded(state, bound)
        before = advanced(before)
        while (before >> 17) // bound * bound + bound > 1 << 31:
            before = advanced(before)
            redrawn += 1
        assert (state, value) == (before, (before >> 17) % bound)
    assert (redrawn > 50) == (bound > 1 << 30)


def test_bounded_long_changes_its_draw_at_the_largest_int() -> None:
    largest = (1 << 31) - 1
    assert bounded_long(seeded(42), largest - 1) == bounded(seeded(42), largest - 1)
    state, value = bounded_long(seeded(42), largest)
    assert state == advanced(advanced(seeded(42)))
    assert value == abs((-1170105035 << 32) + 234785527) % largest


def test_price() -> None:
    # Two draws of 26 and 27 bits make 0.7275636800328681 of seed 42.
    state, cents = price(seeded(42), True)
    assert cents == round(100 * 10 ** (6 * 0.7275636800328681))
    assert price(seeded(42), False) == (state, 0)


def test_extra_size() -> None:
    state = seeded(42)
    assert extra_size(state, 101, 100) == (state, 0)
    assert extra_size(state, 100, 100) == (state, 0)
    assert extra_size(state, 98, 100) == (state, 2)
    # 68 bytes are missing, of which 14 are a fifth.
    after, drawn = bounded(state, 28)
    assert extra_size(state, 32, 100) == (after, 54 + drawn)


def test_exact_strings_keep_the_sign_of_the_remainder() -> None:
    data = np.zeros(12 + MARGIN_BYTES, dtype=np.uint8)
    state = write_exact(seeded(42), data, 1, 8, pair_table())
    wanted = []
    for number in (-1170105035, 234785527):
        size, sign = abs(number), -1 if number < 0 else 1
        wanted += [97 + sign * (size // 26**place % 26) for place in range(6)]
    assert data[1:9].tolist() == wanted[:8]
    assert data[0] == 0
    assert state == advanced(advanced(seeded(42)))


def test_words_have_no_blanks_at_their_ends() -> None:
    trimmed = 0
    for seed in range(300):
        data = np.full(40, 255, dtype=np.uint8)
        _, end = write_words(seeded(seed), data, 10, 7, 32)
        _, underscored_end = write_words(seeded(seed), data, 20, 7, 95)
        text, underscored = (bytes(data[a:b]).decode() for a, b in ((10, end), (20, underscored_end)))
        assert 3 <= len(underscored) <= 6
        assert text == underscored.replace("_", " ").strip()
        assert data[9] == data[19] == 255
        trimmed += text != underscored.replace("_", " ")
    assert trimmed > 10
