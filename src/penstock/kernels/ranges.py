"""Which of many ranges hold a value: rows sorted by where their range begins, above them a tree of where they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.kernels._jit import lean_kernel, lean_scalar

if TYPE_CHECKING:
    from penstock.kernels.arrays import Floats, Number, Rows, Words


@lean_scalar
def place_of(owners: Rows, lows: Floats, owner: Number, value: Number, after: bool) -> Number:
    """The first place whose (owner, low) is not before (owner, value); not before or equal, if `after`."""
    first, last = 0, owners.shape[0]
    while first < last:
        middle = (first + last) // 2
        before = owners[middle] < owner or (
            owners[middle] == owner and (lows[middle] < value or (after and lows[middle] == value))
        )
        if before:
            first = middle + 1
        else:
            last = middle
    return first


@lean_scalar
def next_reaching(tree: Floats, place: Number, value: Number) -> Number:
    """The first place from `place` on whose range ends at `value` or later; the width of the tree if there is none."""
    width = tree.shape[0] // 2
    if place >= width:
        return width
    node = width + place
    while tree[node] < value:
        # Up from every right child, then to the right: the next nodes hold what comes next.
        while node % 2 == 1:
            node //= 2
        if node == 0:
            return width
        node += 1
    while node < width:
        node *= 2
        if tree[node] < value:
            node += 1
    return node - width


@lean_kernel
def find_ranges(
    owners: Rows, lows: Floats, tree: Floats, entries: Rows, serials: Words, rows: Words, mark: Number, serial: Number,
    slots: Rows, begins: Floats, ends: Floats, least: Number, counts: Words, probes: Rows, found: Rows,
) -> Number:  # fmt: skip
    """Pairs (probe, row) of one owner whose range begins at `begins` or before and ends at `ends` or after.

    Args:
        owners: By place, the slot of the owner; ascending.
        lows: By place, where the range begins; of an owner, ascending.
        tree: Where ranges end, in its second half by place (-inf beyond the last); before that the greatest of two.
        entries: By place, the slot of the row.
        serials: By place, the serial number of the row: another one in the slot has another.
        rows: The table of rows.
        mark: The column of their mark: negative if the slot is dead.
        serial: The column of their serial number.
        slots: By probe, the slot of its owner, or -1.
        begins: By probe, up to where ranges may begin.
        ends: By probe, from where on they must end.
        least: What no range begins before.
        counts: By probe; how many pairs it has is added.
        probes: Out: of each pair the probe. If there are more pairs than places, those beyond are only counted.
        found: Out: of each pair the slot of the row.

    Returns:
        How many pairs there are.
    """
    made = 0
    for probe in range(slots.shape[0]):
        owner = slots[probe]
        if owner < 0:
            continue
        last = place_of(owners, lows, owner, begins[probe], True)
        place = place_of(owners, lows, owner, least, False)
        place = next_reaching(tree, place, ends[probe])
        while place < last:
            slot = entries[place]
            if rows[slot, mark] >= 0 and rows[slot, serial] == serials[place]:
                if made < probes.shape[0]:
                    probes[made] = probe
                    found[made] = slot
                made += 1
                counts[probe] += 1
            place = next_reaching(tree, place + 1, ends[probe])
    return made
