"""Rows of an arrangement in order: one balanced tree per group, over the key words of the rows themselves.

The tree is a treap whose priorities are made of the rows' numbers, so its shape says nothing of the order in
which rows came: it is built again, not stored. A node is a slot; `left`, `right` and `size` are by slot.

Columns are described by rows of seven numbers: kind, place, place of the text's offset, bit of null (or -1), place of
the null mask, whether descending, whether null comes first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel
from penstock.kernels.hashing import mix_word

if TYPE_CHECKING:
    from penstock.kernels.arrays import Bytes, Number, Rows, Words

SIGNED, UNSIGNED, FLOAT, TEXT, WIDE, NOTHING = 0, 1, 2, 3, 4, 5
KIND, PLACE, START, NULL_BIT, MASK, DESCENDING, NULLS_FIRST = 0, 1, 2, 3, 4, 5, 6
SHORT = 12
LENGTH = 0xFFFFFFFF
NONE = -1
MAGNITUDE = 0x7FFFFFFFFFFFFFFF
DEEPEST = 4096
"""More than any path of a treap will ever be long."""


@kernel
def text_byte(table: Words, heap: Bytes, slot: Number, place: Number, start: Number, at: Number) -> Number:
    """A byte of a text of a row."""
    if table[slot, place] & LENGTH > SHORT:
        return np.int64(heap[table[slot, start] + at])
    if at < 4:
        return (table[slot, place] >> (32 + 8 * at)) & 0xFF
    return (table[slot, place + 1] >> (8 * (at - 4))) & 0xFF


@kernel
def compare_texts(table: Words, heap: Bytes, a: Number, b: Number, place: Number, start: Number) -> Number:
    """Texts of two rows by their bytes: -1, 0 or 1."""
    one, other = table[a, place] & LENGTH, table[b, place] & LENGTH
    for at in range(min(one, other)):
        x = text_byte(table, heap, a, place, start, at)
        y = text_byte(table, heap, b, place, start, at)
        if x != y:
            return np.int64(-1) if x < y else np.int64(1)
    if one == other:
        return np.int64(0)
    return np.int64(-1) if one < other else np.int64(1)


@kernel
def compare_values(table: Words, heap: Bytes, columns: Words, number: Number, a: Number, b: Number) -> Number:
    """Values of a column of two rows, none of them null: -1, 0 or 1; NaN is the greatest."""
    place, kind = columns[number, PLACE], columns[number, KIND]
    if kind == TEXT:
        return compare_texts(table, heap, a, b, place, columns[number, START])
    x, y = table[a, place], table[b, place]
    if kind == FLOAT:
        # As whole numbers the bits of floats are in order, if those of negative ones are turned round.
        x ^= (x >> 63) & MAGNITUDE
        y ^= (y >> 63) & MAGNITUDE
    if kind == WIDE:
        high, other = table[a, place + 1], table[b, place + 1]
        if high != other:
            return np.int64(-1) if high < other else np.int64(1)
    if kind in (WIDE, UNSIGNED):
        return np.int64(np.uint64(x) > np.uint64(y)) - np.int64(np.uint64(x) < np.uint64(y))
    return np.int64(x > y) - np.int64(x < y)


@kernel
def compare_rows(table: Words, heap: Bytes, columns: Words, a: Number, b: Number) -> Number:
    """Two rows by some columns: -1, 0 or 1."""
    for number in range(columns.shape[0]):
        no_a, no_b = False, False
        bit = columns[number, NULL_BIT]
        if bit >= 0:
            no_a = (table[a, columns[number, MASK]] >> bit) & 1 == 1
            no_b = (table[b, columns[number, MASK]] >> bit) & 1 == 1
        if no_a or no_b or columns[number, KIND] == NOTHING:
            if no_a == no_b:
                continue
            first = no_a == (columns[number, NULLS_FIRST] == 1)
            return np.int64(-1) if first else np.int64(1)
        found = compare_values(table, heap, columns, number, a, b)
        if found != 0:
            return -found if columns[number, DESCENDING] == 1 else found
    return np.int64(0)


@kernel
def is_before(table: Words, heap: Bytes, columns: Words, a: Number, b: Number) -> bool:
    """Whether a row comes before another; equal ones in the order in which they were added."""
    found = compare_rows(table, heap, columns, a, b)
    before: bool = found < 0 or (found == 0 and table[a, 0] < table[b, 0])
    return before


@kernel
def priority(table: Words, slot: Number) -> Number:
    """How near to the root a row is."""
    return np.int64(mix_word(np.uint64(0x9E3779B97F4A7C15), np.uint64(table[slot, 0])) >> np.uint64(1))


@kernel
def count_below(size: Rows, root: Number) -> Number:
    """How many rows a subtree has."""
    return np.int64(0) if root < 0 else np.int64(size[root])


@kernel
def split(
    table: Words, heap: Bytes, columns: Words, left: Rows, right: Rows, size: Rows, tree: Number, new: Number,
    path: Rows,
) -> None:  # fmt: skip
    """Cut a subtree in two: the rows before `new` become its left, those behind it its right."""
    low, high, depth = new, new, 0
    while tree >= 0:
        path[depth] = tree
        depth += 1
        if is_before(table, heap, columns, tree, new):
            if low == new:
                left[new] = tree
            else:
                right[low] = tree
            low = tree
            tree = np.int64(right[tree])
        else:
            if high == new:
                right[new] = tree
            else:
                left[high] = tree
            high = tree
            tree = np.int64(left[tree])
    if low == new:
        left[new] = NONE
    else:
        right[low] = NONE
    if high == new:
        right[new] = NONE
    else:
        left[high] = NONE
    for place in range(depth - 1, -1, -1):
        node = path[place]
        size[node] = 1 + count_below(size, left[node]) + count_below(size, right[node])
    size[new] = 1 + count_below(size, left[new]) + count_below(size, right[new])


@kernel
def insert(
    table: Words, heap: Bytes, columns: Words, left: Rows, right: Rows, size: Rows, root: Number, new: Number,
    path: Rows,
) -> Number:  # fmt: skip
    """Add a row to a tree; its root."""
    rank = priority(table, new)
    parent, tree, to_left = np.int64(NONE), root, False
    while tree >= 0 and priority(table, tree) >= rank:
        size[tree] += 1
        parent = tree
        to_left = is_before(table, heap, columns, new, tree)
        tree = np.int64(left[tree]) if to_left else np.int64(right[tree])
    split(table, heap, columns, left, right, size, tree, new, path)
    if parent < 0:
        return new
    if to_left:
        left[parent] = new
    else:
        right[parent] = new
    return root


@kernel
def join(table: Words, left: Rows, right: Rows, size: Rows, a: Number, b: Number) -> Number:
    """One tree of two, of which all rows of the first are before those of the second; its root."""
    root, parent, to_left = np.int64(NONE), np.int64(NONE), False
    while a >= 0 or b >= 0:
        take_a = b < 0 or (a >= 0 and priority(table, a) >= priority(table, b))
        node = a if take_a else b
        if parent < 0:
            root = node
        elif to_left:
            left[parent] = node
        else:
            right[parent] = node
        if a < 0 or b < 0:
            break
        size[node] += size[b] if take_a else size[a]
        parent, to_left = node, not take_a
        if take_a:
            a = np.int64(right[a])
        else:
            b = np.int64(left[b])
    return root


@kernel
def remove(
    table: Words, heap: Bytes, columns: Words, left: Rows, right: Rows, size: Rows, root: Number, old: Number
) -> Number:
    """Take a row out of the tree that it is in; the new root."""
    parent, tree, to_left = np.int64(NONE), root, False
    while tree != old:
        size[tree] -= 1
        parent = tree
        to_left = is_before(table, heap, columns, old, tree)
        tree = np.int64(left[tree]) if to_left else np.int64(right[tree])
    made = join(table, left, right, size, np.int64(left[old]), np.int64(right[old]))
    if parent < 0:
        return made
    if to_left:
        left[parent] = made
    else:
        right[parent] = made
    return root


@kernel
def row_at(left: Rows, right: Rows, size: Rows, root: Number, rank: Number) -> Number:
    """The row of a rank, from 0."""
    tree = root
    while True:
        before = count_below(size, left[tree])
        if rank < before:
            tree = np.int64(left[tree])
        elif rank == before:
            return tree
        else:
            rank -= before + 1
            tree = np.int64(right[tree])


@kernel
def equal_row(
    table: Words, heap: Bytes, columns: Words, left: Rows, right: Rows, root: Number, probe: Number
) -> Number:
    """A row of a tree that equals a row outside of it in all columns of the order; -1 if there is none."""
    tree = root
    while tree >= 0:
        found = compare_rows(table, heap, columns, probe, tree)
        if found == 0:
            return tree
        tree = np.int64(left[tree]) if found < 0 else np.int64(right[tree])
    return np.int64(NONE)


@kernel
def apply_changes(
    table: Words, heap: Bytes, columns: Words, left: Rows, right: Rows, size: Rows, groups: Rows, slots: Rows,
    signs: Words, most: Number, roots: Words, column: Number, path: Rows, dropped: Rows, missing: Rows,
) -> tuple[Number, Number]:  # fmt: skip
    """Let rows come and go, one after the other.

    Args:
        table: The rows.
        heap: Their long texts.
        columns: The order.
        left: Of the trees.
        right: Of the trees.
        size: Of the trees.
        groups: By row, the slot of its group in `roots`.
        slots: By row, its slot; a row that goes has one of its own, and equals the one that it takes away.
        signs: By row, +1 or -1.
        most: How many rows a group keeps; those behind them are dropped. -1 = all.
        roots: By group; column `column` has the root of its tree.
        column: See `roots`.
        path: Room for `DEEPEST` slots.
        dropped: Out, twice as long as rows: slots that are in no tree any more.
        missing: Out: the places of rows that go and are not there.

    Returns:
        How many slots were dropped, and how many rows were missing.
    """
    gone, lost = 0, 0
    for row in range(slots.shape[0]):
        group, slot = groups[row], np.int64(slots[row])
        root = roots[group, column]
        if signs[row] > 0:
            root = insert(table, heap, columns, left, right, size, root, slot, path)
            if most >= 0 and size[root] > most:
                last = row_at(left, right, size, root, np.int64(size[root]) - 1)
                root = remove(table, heap, columns, left, right, size, root, last)
                dropped[gone] = last
                gone += 1
        else:
            old = equal_row(table, heap, columns, left, right, root, slot)
            dropped[gone] = slot
            gone += 1
            if old < 0:
                missing[lost] = row
                lost += 1
            else:
                root = remove(table, heap, columns, left, right, size, root, old)
                dropped[gone] = old
                gone += 1
        roots[group, column] = root
    return np.int64(gone), np.int64(lost)


@kernel
def ranked(
    left: Rows, right: Rows, size: Rows, roots: Words, column: Number, groups: Rows, first: Number, last: Number,
    starts: Words, slots: Rows,
) -> None:  # fmt: skip
    """The rows of some ranks of groups.

    Args:
        left: Of the trees.
        right: Of the trees.
        size: Of the trees.
        roots: By group; column `column` has the root of its tree.
        column: See `roots`.
        groups: Which groups.
        first: The first rank, from 0.
        last: The rank behind the last.
        starts: Out, one longer than `groups`: where the rows of each begin in `slots`.
        slots: Out; if it is empty, only `starts` is made.
    """
    total = 0
    for place in range(groups.shape[0]):
        starts[place] = total
        root = roots[groups[place], column]
        end = min(last, count_below(size, root))
        for rank in range(first, end):
            if slots.shape[0] > 0:
                slots[total] = row_at(left, right, size, root, rank)
            total += 1
    starts[groups.shape[0]] = total
