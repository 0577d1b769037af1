"""A table that is filled from its records is the table: it holds the same and goes on the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core import dtypes
from penstock.core.errors import InvariantError, StateError
from penstock.kernels import index
from penstock.state.arrangement import Arrangement
from penstock.state.keys import KeyCodec, Keys
from penstock.state.record import Record

LONG = "a text that is longer than twelve bytes"
NUMBERS = [*range(-3, 60), 2**40, -(2**63), 2**63 - 1]
TEXTS = [*("" if n == 0 else (LONG * (n % 3) + str(n)) for n in range(len(NUMBERS) - 1)), None]
LAYOUTS = {
    "numbers": KeyCodec(["n"], [dtypes.Int64], [False]),
    "texts": KeyCodec(["t"], [dtypes.String], [False]),
    "both": KeyCodec(["t", "n", "u"], [dtypes.String, dtypes.Int64, dtypes.String], [True, False, True]),
}
INITIAL = (7, -1)


def keys_of(domain: str, numbers: list[int]) -> Keys:
    chosen = [n % len(NUMBERS) for n in numbers]
    ints = pl.Series([NUMBERS[n] for n in chosen], dtype=pl.Int64)
    texts = pl.Series([TEXTS[n] for n in chosen], dtype=pl.String)
    if domain == "numbers":
        return LAYOUTS[domain].encode([ints])
    if domain == "texts":
        return LAYOUTS[domain].encode([texts.fill_null("null")])
    return LAYOUTS[domain].encode([texts, ints, texts.reverse() if len(texts) == 1 else texts])


def contents(domain: str, state: Arrangement) -> dict[Any, Any]:
    slots = state.live()
    columns = [column.to_list() for column in LAYOUTS[domain].decode(*state.key_rows(slots))]
    words = state.words[slots].tolist()
    found = dict(zip(zip(*columns, strict=True), map(tuple, words), strict=True))
    assert len(found) == len(slots) == len(state)
    return found


class Log:
    """What a checkpointer keeps of one table."""

    def __init__(self) -> None:
        self.serial = -1
        self.records: list[Record] = []

    def take(self, state: Arrangement, step: int) -> None:
        if state.serial == self.serial:
            self.records.append(state.capture(state.changed()))
        else:
            self.serial, self.records = state.serial, [state.capture(state.live())]
        state.begin_epoch(step)


def apply(domain: str, states: list[Arrangement], upserted: list[int], dying: list[int], step: int) -> None:
    """Do the same to all: count in word 0, keep the last step in word 1, delete."""
    found = []
    for state in states:
        slots = state.upsert(keys_of(domain, upserted), None, step).slots
        np.add.at(state.words[:, 0], slots, 1)
        state.words[slots, 1] = step
        dead = np.unique(state.find(keys_of(domain, dying)))
        dead = dead[dead >= 0]
        found.append(len(dead))
        state.delete(dead, step)
    assert len(set(found)) == 1


NUMBER = st.integers(0, len(NUMBERS) - 1)
ACTIONS = st.lists(
    st.tuples(
        st.lists(NUMBER, max_size=25), st.lists(NUMBER, max_size=20), st.sampled_from(["", "take", "take", "clear"])
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("domain", LAYOUTS)
@pytest.mark.parametrize("spread", [index.LOW_HALF, 0])
def test_a_filled_table_goes_on_as_the_first(kernels: str, domain: str, spread: int) -> None:
    layout = LAYOUTS[domain].layout

    @settings(deadline=None, max_examples=8 if kernels == "interpreted" else 30)
    @given(ACTIONS, ACTIONS, st.integers(0, 2**62))
    def check(before: Any, after: Any, seed: int) -> None:
        state, log = Arrangement(layout, INITIAL, seed=seed, spread=spread), Log()
        step = 0
        for upserted, dying, then in before:
            apply(domain, [state], upserted, dying, step)
            step += 1
            if then == "clear":
                state.clear()
            elif then == "take":
                log.take(state, step)
        log.take(state, step)
        other = Arrangement(layout, INITIAL, seed=~seed & 0xFFFF, spread=spread)
        other.fill(log.records)
        assert contents(domain, other) == contents(domain, state)
        assert other.live().tolist() == state.live().tolist()
        assert other.changed().tolist() == []
        # And once more, over a log that goes on with the filled table.
        log.serial = other.serial
        for upserted, dying, then in after:
            apply(domain, [state, other], upserted, dying, step)
            step += 1
            assert contents(domain, other) == contents(domain, state)
            if then == "take":
                log.take(other, step)
        log.take(other, step)
        last = Arrangement(layout, INITIAL, seed=seed, spread=spread)
        last.fill(iter(log.records))
        assert contents(domain, last) == contents(domain, state)
        everything = keys_of(domain, list(range(len(NUMBERS))))
        assert (last.find(everything) >= 0).tolist() == (state.find(everything) >= 0).tolist()

    check()


def test_a_filled_table_grows_and_gives_free_slots_again(kernels: str) -> None:
    count = 300 if kernels == "interpreted" else 30_000
    codec = LAYOUTS["numbers"]

    def keys(low: int, high: int) -> Keys:
        return codec.encode([pl.Series(range(low, high), dtype=pl.Int64)])

    state = Arrangement(codec.layout, INITIAL)
    slots = state.upsert(keys(0, count), None, 3).slots
    state.delete(slots[5:50], 4)
    other = Arrangement(codec.layout, INITIAL, seed=9)
    other.fill([state.capture(state.live())])
    assert (len(other), other.used) == (count - 45, count)
    assert other.upsert(keys(-45, 0), None, 5).slots.tolist() == slots[5:50].tolist()
    assert other.upsert(keys(count, 3 * count), None, 5).slots.tolist() == list(range(count, 3 * count))
    assert other.find(keys(50, count)).tolist() == list(range(50, count))
    assert len(other.changed()) == 45 + 2 * count


def test_an_empty_table_is_filled_from_nothing() -> None:
    for records in ([], [Arrangement(LAYOUTS["texts"].layout, INITIAL).capture([])]):
        state = Arrangement(LAYOUTS["texts"].layout, INITIAL)
        state.fill(records)
        assert (len(state), state.used) == (0, 0)
        assert state.upsert(keys_of("texts", [1, 2]), None, 0).slots.tolist() == [0, 1]


def test_a_record_stands_by_itself() -> None:
    state = Arrangement(LAYOUTS["texts"].layout, INITIAL)
    slots = state.upsert(keys_of("texts", [1, 2, 3]), None, 3).slots
    state.delete(slots[:1], 3)
    record = state.capture(slots)
    assert record.heap.tobytes() == (TEXTS[2]).encode()
    assert record.rows[0].tolist() == [0, 0, 0, ~3, 0, 0]
    assert record.rows[1, 2] == 0
    before = [part.copy() for part in record]
    state.clear()
    state.upsert(keys_of("texts", [4, 5, 8, 11]), None, 4)
    assert all((one == other).all() for one, other in zip(before, record, strict=True))
    assert record.nbytes == sum(part.nbytes for part in record)


def test_only_an_empty_table_is_filled() -> None:
    state = Arrangement(LAYOUTS["numbers"].layout, INITIAL)
    state.upsert(keys_of("numbers", [1]), None, 0)
    with pytest.raises(InvariantError, match="not empty"):
        state.fill([])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda r: r._replace(rows=r.rows[:, :-1]), "needed are 3 of 6 words"),
        (lambda r: r._replace(rows=r.rows[:-1]), "needed are 3"),
        (lambda r: r._replace(slots=r.slots - 1), "the slots -1 to 1"),
        (lambda r: r._replace(heap=r.heap[:-1]), "texts beyond the bytes"),
        (lambda r: r._replace(rows=r.rows - (np.arange(6) == 2)), "texts beyond the bytes"),
        (lambda r: r._replace(slots=r.slots.astype(np.int64)), "of the types int64"),
    ],
)
def test_records_that_are_damaged_are_refused(damage: Any, message: str) -> None:
    state = Arrangement(LAYOUTS["texts"].layout, INITIAL)
    slots = state.upsert(keys_of("texts", [1, 2, 4]), None, 3).slots
    record = damage(state.capture(slots))
    with pytest.raises(StateError, match=message):
        Arrangement(LAYOUTS["texts"].layout, INITIAL).fill([record])
