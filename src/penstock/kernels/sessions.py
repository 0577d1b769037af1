"""Join rows to sessions: each key has a chain of its sessions, the one that ends last first.

Sessions are known by numbers: those below `base` are slots of a table, those from it on are made by a row of this
call, which is `number - base`. What is known of a session stands in arrays by its number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.lazy import np
from penstock.kernels._jit import kernel, scalar

if TYPE_CHECKING:
    from penstock.kernels.arrays import Bytes, Number, Rows, Words

NONE = -1
LATE = -1
MILLISECOND = 1000
NEVER = -(2**63) + 1
END = 2**63 - 1


@scalar
def limit_of(watermark: Number, allowed: Number) -> Number:
    """A session that ends by this instant is over for a row that came behind a watermark."""
    if watermark >= END - MILLISECOND:
        return END
    if watermark <= NEVER + allowed:
        return NEVER
    return watermark + MILLISECOND - allowed


@kernel
def _unlink(number: Number, owner: Number, heads: Rows, after: Rows, before: Rows) -> None:
    """Take a session out of the chain of its key."""
    following, preceding = after[number], before[number]
    if preceding >= 0:
        after[preceding] = following
    else:
        heads[owner] = following
    if following >= 0:
        before[following] = preceding


@kernel
def _link(
    number: Number, owner: Number, place: Number, end: Number, heads: Rows, after: Rows, before: Rows, ends: Words
) -> None:
    """Put a session into the chain of its key, behind a place in it at which it does not belong before."""
    following = heads[owner] if place < 0 else after[place]
    while following >= 0 and ends[following] > end:
        place = following
        following = after[place]
    after[number] = following
    before[number] = place
    if place >= 0:
        after[place] = number
    else:
        heads[owner] = number
    if following >= 0:
        before[following] = number


@kernel
def _leads(one: Number, other: Number, base: Number, sent: Bytes, begins: Words, ends: Words) -> bool:
    """Whether two sessions become this one and not the other: what was sent, what is stored, what begins first."""
    if sent[one] != sent[other]:
        return bool(sent[one] > sent[other])
    if (one < base) != (other < base):
        return bool(one < base)
    if begins[one] != begins[other]:
        return bool(begins[one] < begins[other])
    return bool(ends[one] <= ends[other])


@kernel
def _meet(
    row: Number, owner: Number, place: Number, skipping: bool, span: Words, limit: Number, splits: Bytes, base: Number,
    heads: Rows, after: Rows, before: Rows, begins: Words, ends: Words, sent: Bytes, sealed: Bytes, into: Rows,
    gone: Rows, shut: Rows, counts: Words,
) -> tuple[Number, Number]:  # fmt: skip
    """Take the sessions that a row touches out of the chain of its key, and make them one.

    Gives that session, or `NONE` if there is none, and the place behind which later rows begin to look. `span` is start
    and end of the row's own session, and then of what it has become.
    """
    begin, end = span[0], span[1]
    root = np.int64(NONE)
    at = np.int64(heads[owner]) if place < 0 else np.int64(after[place])
    while at >= 0 and ends[at] >= begin and ends[at] > limit:
        following = np.int64(after[at])
        if begins[at] > end:
            if skipping:
                place = at
        else:
            skipping = False
            _unlink(at, owner, heads, after, before)
            if splits.shape[0] > 0 and splits[row]:
                sealed[at] = 1
                if at < base:
                    shut[counts[1]] = at
                    counts[1] += 1
            else:
                span[0] = min(span[0], begins[at])
                span[1] = max(span[1], ends[at])
                if root < 0:
                    root = at
                else:
                    other = at
                    if _leads(at, root, base, sent, begins, ends):
                        other, root = root, at
                    into[other] = root
                    if other < base:
                        gone[counts[0]] = other
                        counts[0] += 1
        at = following
    return root, place


@kernel
def join_sessions(
    order: Rows, descending: bool, owners: Rows, times: Words, row_ends: Words, watermarks: Words, splits: Bytes,
    allowed: Number, base: Number, heads: Rows, after: Rows, before: Rows, begins: Words, ends: Words, sent: Bytes,
    sealed: Bytes, into: Rows, joined: Rows, gone: Rows, shut: Rows,
) -> tuple[Number, Number]:  # fmt: skip
    """Join rows to the sessions of their keys, one row after the other.

    Args:
        order: The rows, in the order in which they are taken.
        descending: Whether the rows of a key follow each other in it, by descending ends.
        owners: By row, the key.
        times: By row, the event time.
        row_ends: By row, the end of the session that it makes.
        watermarks: By row, the watermark before it; empty: nothing is late.
        splits: By row, whether it begins a session of its own; empty: none does.
        allowed: The allowed lateness.
        base: The number of the session that row 0 makes.
        heads: By key, the first session of its chain.
        after: By session, the one behind it in the chain.
        before: By session, the one before it.
        begins: By session, its start.
        ends: By session, its end.
        sent: By session, whether a result of it was sent.
        sealed: By session, whether no row joins it any more; it is in no chain.
        into: By session, the one that it has become part of; none of them at the beginning.
        joined: By row, the session it belongs to; `LATE` if that is over.
        gone: The stored sessions that have become part of others.
        shut: The stored sessions that were sealed.

    Returns:
        How many sessions are in `gone`, and how many in `shut`.
    """
    counts = np.zeros(2, np.int64)
    span = np.zeros(2, np.int64)
    current, place = np.int64(NONE), np.int64(NONE)
    tested = watermarks.shape[0] > 0
    for turn in range(order.shape[0]):
        row, owner = np.int64(order[turn]), np.int64(owners[order[turn]])
        limit = limit_of(watermarks[row], allowed) if tested else np.int64(NEVER)
        if not descending or owner != current:
            current, place = owner, np.int64(NONE)
        span[0], span[1] = times[row], row_ends[row]
        root, place = _meet(
            row, owner, place, descending, span, limit, splits, base, heads, after, before, begins, ends, sent, sealed,
            into, gone, shut, counts,
        )  # fmt: skip
        if root < 0:
            if span[1] <= limit:
                joined[row] = LATE
                continue
            root = base + row
            into[root] = NONE
            sent[root] = 0
            sealed[root] = 0
        begins[root], ends[root] = span[0], span[1]
        _link(root, owner, place, span[1], heads, after, before, ends)
        joined[row] = root
    return counts[0], counts[1]


@kernel
def resolve(numbers: Rows, into: Rows) -> None:
    """Replace sessions by those that they have become part of."""
    for place in range(numbers.shape[0]):
        found = np.int64(numbers[place])
        while found >= 0 and into[found] >= 0:
            found = np.int64(into[found])
        numbers[place] = found


@kernel
def settle(
    numbers: Rows, slots: Rows, owners: Rows, heads: Rows, after: Rows, before: Rows, begins: Words, ends: Words,
    sent: Bytes, sealed: Bytes,
) -> None:  # fmt: skip
    """Let sessions that rows have made be known by their slots from here on.

    Args:
        numbers: Their numbers.
        slots: For each, its slot.
        owners: For each, its key.
        heads: As for `join_sessions`, and so are the others.
        after: See there.
        before: See there.
        begins: See there.
        ends: See there.
        sent: See there.
        sealed: See there.
    """
    for place in range(numbers.shape[0]):
        number, slot = numbers[place], slots[place]
        begins[slot] = begins[number]
        ends[slot] = ends[number]
        sent[slot] = sent[number]
        sealed[slot] = sealed[number]
        if sealed[number]:
            continue
        following, preceding = after[number], before[number]
        after[slot] = following
        before[slot] = preceding
        if preceding >= 0:
            after[preceding] = slot
        else:
            heads[owners[place]] = slot
        if following >= 0:
            before[following] = slot


@kernel
def drop_sessions(
    slots: Rows, owners: Rows, heads: Rows, after: Rows, before: Rows, sealed: Bytes, empty: Rows
) -> Number:
    """Take sessions out of the chains of their keys; how many keys have none left, which `empty` then holds.

    A sealed session is in no chain: the one that sealed it was, and its key may be gone since.
    """
    found = 0
    for place in range(slots.shape[0]):
        slot = slots[place]
        owner = owners[slot]
        owners[slot] = NONE
        if sealed[slot]:
            sealed[slot] = 0
            continue
        _unlink(slot, owner, heads, after, before)
        if heads[owner] < 0:
            empty[found] = owner
            found += 1
    return found
