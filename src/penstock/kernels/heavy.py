"""Heavy hitters by Space-Saving (Metwally, Agrawal, El Abbadi 2005): counters of a key that take each other's place.

An entry is a value of a key. Its words, from `first` on: whether it has a counter, the entry before it in the chain of
its key, weight and error as floats, the exponent of both, the latest time of the key, when it got the counter, and its
place among the counters while a kernel runs. Weights are of the instant `exponent` half-lives after 1970: by powers of
two they come to a later one without rounding, so cuts into steps do not show.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel, scalar

if TYPE_CHECKING:
    from penstock.kernels.arrays import Array, Floats, Number, Rows, Words

ACTIVE, PREVIOUS, WEIGHT, ERROR, EXPONENT, LATEST, SINCE, PLACE = range(8)
WORDS = 8
NEVER = -(2**63)


@scalar
def power(exponent: Number) -> Number:
    """Two to a whole number that is not positive."""
    return 2.0 ** np.float64(exponent)


@kernel
def load_counters(
    table: Words, floats: Floats, first: Number, head: Number, top: Number, held: Words, weights: Floats,
    errors: Floats,
) -> tuple[Number, Number, Number]:  # fmt: skip
    """The counters of a key at one exponent, `top` or later: how many there are, that exponent, the latest time."""
    count, latest, entry = 0, np.int64(NEVER), head
    while entry >= 0:
        if table[entry, first + ACTIVE] == 1:
            held[count] = entry
            count += 1
            top = max(top, table[entry, first + EXPONENT])
            latest = max(latest, table[entry, first + LATEST])
        entry = table[entry, first + PREVIOUS]
    for place in range(count):
        entry = held[place]
        scale = power(table[entry, first + EXPONENT] - top)
        weights[place] = floats[entry, first + WEIGHT] * scale
        errors[place] = floats[entry, first + ERROR] * scale
        table[entry, first + PLACE] = place
    return np.int64(count), top, latest


@kernel
def least_counter(table: Words, first: Number, count: Number, held: Words, weights: Floats) -> Number:
    """The place of the least of some counters, of several that which was given first."""
    least = np.int64(0)
    for other in range(1, count):
        same = weights[other] == weights[least]
        older = table[held[other], first + SINCE] < table[held[least], first + SINCE]
        if weights[other] < weights[least] or (same and older):
            least = np.int64(other)
    return least


@kernel
def count_values(
    table: Words, floats: Floats, first: Number, heads: Words, slots: Rows, edges: Words, rows: Words, entries: Rows,
    shares: Array, exponents: Array, times: Array, positions: Array, size: Number, held: Words, weights: Floats,
    errors: Floats,
) -> None:  # fmt: skip
    """Count the rows of some keys, one after the other.

    Args:
        table: The entries; `floats` is the same memory.
        floats: See there.
        first: The first word of an entry.
        heads: By key, the head of its chain.
        slots: The keys.
        edges: Where the rows of each key begin in `rows`, and the end.
        rows: The rows, by key, and in order of position within one.
        entries: By row, the entry of its value.
        shares: By row, its weight, from 1 to below 2.
        exponents: By row, the power of two that it is multiplied by.
        times: By row, its time.
        positions: By row, its position.
        size: How many counters a key has.
        held: Room for the entries of `size` counters; `weights` and `errors` likewise.
        weights: See there.
        errors: See there.
    """
    for key in range(slots.shape[0]):
        count, top, latest = load_counters(
            table, floats, first, np.int64(heads[slots[key]]), np.int64(NEVER), held, weights, errors
        )
        for at in range(edges[key], edges[key + 1]):
            row = rows[at]
            entry, exponent = np.int64(entries[row]), np.int64(exponents[row])
            latest = max(latest, np.int64(times[row]))
            if exponent > top:
                if count > 0:
                    scale = power(top - exponent)
                    for place in range(count):
                        weights[place] *= scale
                        errors[place] *= scale
                top = exponent
            weight = shares[row] * power(exponent - top)
            if table[entry, first + ACTIVE] == 1:
                weights[table[entry, first + PLACE]] += weight
                continue
            place = count
            if count < size:
                count += 1
                weights[place], errors[place] = 0.0, 0.0
            else:
                place = least_counter(table, first, count, held, weights)
                table[held[place], first + ACTIVE] = 0
                errors[place] = weights[place]
            weights[place] += weight
            held[place] = entry
            table[entry, first + ACTIVE] = 1
            table[entry, first + PLACE] = place
            table[entry, first + SINCE] = positions[row]
        for place in range(count):
            entry = held[place]
            floats[entry, first + WEIGHT] = weights[place]
            floats[entry, first + ERROR] = errors[place]
            table[entry, first + EXPONENT] = top
            table[entry, first + LATEST] = latest


@kernel
def join_counters(
    table: Words, floats: Floats, first: Number, heads: Words, slots: Rows, edges: Words, entries: Rows, given: Words,
    given_floats: Floats, size: Number,
) -> None:  # fmt: skip
    """Join counters of others to those of some keys, pair by pair (Agarwal and others, Mergeable Summaries, 2012).

    A value that one side has no counter for may have come there as often as the least that it has one for, if it has
    all its counters in use: so much is added, as an error. Of all, the `size` greatest stay.

    Args:
        table: The entries; `floats` is the same memory.
        floats: See there.
        first: The first word of an entry.
        heads: By key, the head of its chain.
        slots: By pair, the key.
        edges: Where the counters that each pair is given begin, and the end.
        entries: By counter given, the entry here of its value.
        given: Their words; `given_floats` is the same memory.
        given_floats: See there.
        size: How many counters a key has.
    """
    held = np.empty(2 * size, np.int64)
    weights, errors = np.empty(2 * size, np.float64), np.empty(2 * size, np.float64)
    since = np.empty(2 * size, np.int64)
    for pair in range(slots.shape[0]):
        start, end = edges[pair], edges[pair + 1]
        highest, last = np.int64(NEVER), np.int64(NEVER)
        for at in range(start, end):
            highest = max(highest, given[at, EXPONENT])
            last = max(last, given[at, LATEST])
        count, top, latest = load_counters(
            table, floats, first, np.int64(heads[slots[pair]]), highest, held, weights, errors
        )
        latest = max(latest, last)
        least_mine, least_theirs = np.inf, np.inf
        for place in range(count):
            since[place] = table[held[place], first + SINCE]
            least_mine = min(least_mine, weights[place])
        for at in range(start, end):
            least_theirs = min(least_theirs, given_floats[at, WEIGHT] * power(given[at, EXPONENT] - top))
        least_mine = least_mine if count == size else 0.0
        least_theirs = least_theirs if end - start == size else 0.0
        weights[:count] += least_theirs
        errors[:count] += least_theirs
        for at in range(start, end):
            entry, scale = np.int64(entries[at]), power(given[at, EXPONENT] - top)
            weight, error = given_floats[at, WEIGHT] * scale, given_floats[at, ERROR] * scale
            if table[entry, first + ACTIVE] == 1:
                place = table[entry, first + PLACE]
                weights[place] += weight - least_theirs
                errors[place] += error - least_theirs
                continue
            held[count], since[count] = entry, given[at, SINCE]
            weights[count], errors[count] = weight + least_mine, error + least_mine
            count += 1
        order = np.argsort(since[:count], kind="mergesort")
        order = order[np.argsort(-weights[:count][order], kind="mergesort")]
        for number in range(count):
            place = order[number]
            entry = held[place]
            table[entry, first + ACTIVE] = 1 if number < size else 0
            floats[entry, first + WEIGHT] = weights[place]
            floats[entry, first + ERROR] = errors[place]
            table[entry, first + EXPONENT] = top
            table[entry, first + LATEST] = latest
            table[entry, first + SINCE] = since[place]
