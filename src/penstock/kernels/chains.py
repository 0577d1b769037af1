"""Rows of a key as a chain, linked both ways through the words of their slots: the oldest first.

Two tables of words (see `penstock.state.arrangement`): one of keys, which know their newest and oldest row and how many
there are, and one of rows, which know the row before and the row after. A link is a slot, or -1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.kernels._jit import kernel

if TYPE_CHECKING:
    from penstock.kernels.arrays import Number, Rows, Words

NEWEST, OLDEST, ROWS = 0, 1, 2
"""Words of a key, from its first accumulator on."""

COUNT, OLDER, NEWER = 0, 1, 2
"""Words of a row, from its first accumulator on."""

PROBE, ENTRY = 0, 1
"""Where `walk_chains` goes on: the place of the key, and the row (-1 = its oldest)."""


@kernel
def link_rows(keys: Words, key: Number, rows: Words, row: Number, entries: Rows, changed: Rows) -> Number:
    """Put new rows at the new ends of the chains of their owners, in order.

    Args:
        keys: The table of keys.
        key: The column of their first accumulator.
        rows: The table of rows; column 0 is the slot of the owner.
        row: The column of their first accumulator.
        entries: The slots of the new rows.
        changed: Filled with rows whose links have changed besides; as long as `entries`.

    Returns:
        How many have.
    """
    moved = 0
    for place in range(entries.shape[0]):
        entry = entries[place]
        owner = rows[entry, 0]
        above = keys[owner, key + NEWEST]
        rows[entry, row + OLDER] = above
        rows[entry, row + NEWER] = -1
        if above >= 0:
            rows[above, row + NEWER] = entry
            changed[moved] = above
            moved += 1
        else:
            keys[owner, key + OLDEST] = entry
        keys[owner, key + NEWEST] = entry
        keys[owner, key + ROWS] += 1
    return moved


@kernel
def unlink_rows(keys: Words, key: Number, rows: Words, row: Number, entries: Rows, changed: Rows) -> Number:
    """Take rows out of the chains of their owners; arguments as for `link_rows`, `changed` twice as long."""
    moved = 0
    for place in range(entries.shape[0]):
        entry = entries[place]
        owner = rows[entry, 0]
        older, newer = rows[entry, row + OLDER], rows[entry, row + NEWER]
        if older >= 0:
            rows[older, row + NEWER] = newer
            changed[moved] = older
            moved += 1
        else:
            keys[owner, key + OLDEST] = newer
        if newer >= 0:
            rows[newer, row + OLDER] = older
            changed[moved] = newer
            moved += 1
        else:
            keys[owner, key + NEWEST] = older
        keys[owner, key + ROWS] -= 1
    return moved


@kernel
def walk_chains(
    keys: Words, key: Number, rows: Words, row: Number, slots: Rows, state: Words, probes: Rows, entries: Rows
) -> Number:
    """Write (place of the key, row) pairs until the arrays are full, and remember where to go on.

    Args:
        keys: The table of keys.
        key: The column of their first accumulator.
        rows: The table of rows.
        row: The column of their first accumulator.
        slots: The keys to walk, -1 for one that has no rows.
        state: Where to begin, and after the call where to go on: (place, row).
        probes: Filled with places in `slots`.
        entries: Filled with rows, of each key the oldest first; rows whose count is zero are left out.

    Returns:
        How many pairs were written; the walk is over once `state[0]` is the number of slots.
    """
    place, entry, made = state[PROBE], state[ENTRY], 0
    while place < slots.shape[0]:
        if entry < 0 and slots[place] >= 0:
            entry = keys[slots[place], key + OLDEST]
        while entry >= 0 and made < entries.shape[0]:
            if rows[entry, row + COUNT] != 0:
                probes[made] = place
                entries[made] = entry
                made += 1
            entry = rows[entry, row + NEWER]
        if entry >= 0:
            break
        place += 1
        if made >= entries.shape[0]:
            break
    state[PROBE], state[ENTRY] = place, entry
    return made


@kernel
def check_chains(
    keys: Words, key: Number, rows: Words, row: Number, mark: Number, owners: Rows, used: Number
) -> Number:
    """How many rows the chains of some keys have; -1 if links do not fit each other.

    Args:
        keys: The table of keys.
        key: The column of their first accumulator.
        rows: The table of rows.
        row: The column of their first accumulator.
        mark: The column of the rows' marks: negative if the slot is dead.
        owners: The slots of the keys.
        used: How many slots the rows have.
    """
    reached = 0
    for place in range(owners.shape[0]):
        owner = owners[place]
        older, entry, count = -1, keys[owner, key + OLDEST], 0
        while entry >= 0:
            if entry >= used or rows[entry, mark] < 0 or rows[entry, 0] != owner or rows[entry, row + OLDER] != older:
                return -1
            older = entry
            entry = rows[entry, row + NEWER]
            count += 1
            if count > keys[owner, key + ROWS]:
                return -1
        if count != keys[owner, key + ROWS] or keys[owner, key + NEWEST] != older:
            return -1
        reached += count
    return reached
