"""The sessions of the keys of one shard: which session a row joins, and which sessions become one.

Chains are not stored: bounds are, in the words of the instances, and the chain of a key is its sessions by their ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.core.lazy import np
from penstock.kernels.arrays import frozen
from penstock.kernels.sessions import drop_sessions, join_sessions, resolve, settle
from penstock.state.arrangement import Arrangement
from penstock.state.keys import KeyLayout, Keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

NONE = -1


@dataclass
class Joined:
    """What the rows of a step have made of sessions.

    Attributes:
        rows: By row, the session: below `base` a slot, from there on one that a row has made; -1 = the row is late.
        base: The first number that is no slot.
        gone: Slots of sessions that have become part of others.
        roots: For each, of which: a slot.
        shut: Slots of sessions that were sealed.
    """

    rows: Any
    base: int
    gone: Any
    roots: Any
    shut: Any


class Chains:
    """Keys, and for each its sessions, the one that ends last first.

    Args:
        layout: The layout of the keys.
        seed: Seeds the index; results do not depend on it.
    """

    def __init__(self, layout: KeyLayout, seed: int) -> None:
        self.keys = Arrangement(layout, [], seed=seed)
        self.heads: NDArray[np.int32] = np.full(64, NONE, np.int32)
        self.after: NDArray[np.int32] = np.full(64, NONE, np.int32)
        self.before: NDArray[np.int32] = np.full(64, NONE, np.int32)
        self.owners: NDArray[np.int32] = np.full(64, NONE, np.int32)
        self.into: NDArray[np.int32] = np.full(64, NONE, np.int32)
        self.begins: NDArray[np.int64] = np.zeros(64, np.int64)
        self.ends: NDArray[np.int64] = np.zeros(64, np.int64)
        self.ids: NDArray[np.int64] = np.zeros(64, np.int64)
        self.sent: NDArray[np.uint8] = np.zeros(64, np.uint8)
        self.sealed: NDArray[np.uint8] = np.zeros(64, np.uint8)

    @property
    def nbytes(self) -> int:
        """Bytes of state."""
        arrays = (self.heads, self.after, self.before, self.owners, self.into, self.begins, self.ends, self.ids)
        return self.keys.nbytes + sum(a.nbytes for a in arrays) + self.sent.nbytes + self.sealed.nbytes

    def _make_room(self, sessions: int) -> None:
        if len(self.heads) < self.keys.used:
            self.heads = _longer(self.heads, 2 * self.keys.used, NONE)
        if len(self.after) < sessions:
            for name, value in (("after", NONE), ("before", NONE), ("owners", NONE), ("into", NONE)):
                setattr(self, name, _longer(getattr(self, name), 2 * sessions, value))
            for name in ("begins", "ends", "ids", "sent", "sealed"):
                setattr(self, name, _longer(getattr(self, name), 2 * sessions, 0))

    def join(
        self, keys: Keys, rows: Any, used: int, times: Any, ends: Any, watermarks: Any, splits: Any, allowed: int,
        step: int, *, safe: bool,
    ) -> Joined:  # fmt: skip
        """Join rows to sessions.

        Args:
            keys: The keys of a delta.
            rows: Which rows of it, in the order in which they came.
            used: How many slots the sessions use.
            times: Their event times.
            ends: The ends of the sessions that they would make.
            watermarks: The watermark before each; None: nothing is late.
            splits: Whether they begin sessions of their own; None: none does.
            allowed: The allowed lateness.
            step: The number of the step.
            safe: Whether no session is over for any of the rows, so that their order does not matter.
        """
        count = len(rows)
        owners = self.keys.upsert(keys, frozen(rows, np.int32), step).slots
        base = used + count
        self._make_room(base + count)
        descending = safe and splits is None and count > 1 and bool((np.diff(times) < 0).any())
        order = np.lexsort((-ends, owners)).astype(np.int32) if descending else np.arange(count, dtype=np.int32)
        joined, room = np.empty(count, np.int32), np.empty(used, np.int32)
        shut = np.empty(used, np.int32)
        lost, closed = join_sessions(
            order, descending, owners, frozen(times, np.int64), frozen(ends, np.int64),
            frozen(np.empty(0, np.int64) if watermarks is None else watermarks, np.int64),
            frozen(np.empty(0, np.uint8) if splits is None else splits, np.uint8), allowed, base, self.heads,
            self.after, self.before, self.begins, self.ends, self.sent, self.sealed, self.into, joined, room, shut,
        )  # fmt: skip
        gone = room[:lost].copy()
        roots = gone.copy()
        resolve(roots, self.into)
        resolve(joined, self.into)
        self.into[gone] = NONE
        self.owners[gone] = NONE
        late = joined < 0
        if late.any():
            empty = np.unique(owners[late])
            self.keys.delete(empty[self.heads[empty] < 0], step)
        self._owners_of_rows = owners
        return Joined(joined, base, gone, roots, shut[:closed].copy())

    def settle(self, joined: Joined, slots: Any) -> Any:
        """Learn the slots of the sessions that rows have made.

        Args:
            joined: What `join` gave.
            slots: By row, the slot of its session; anything for late rows.

        Returns:
            The slots of all sessions that rows have joined.
        """
        numbers, first = np.unique(joined.rows, return_index=True)
        first = first[numbers >= 0]
        numbers = numbers[numbers >= 0]
        found = slots[first].astype(np.int32)
        new = numbers >= joined.base
        owners = self._owners_of_rows[first[new]]
        made = found[new]
        self.owners[made] = owners
        self.ids[made] = self.ids[numbers[new]]
        settle(
            frozen(numbers[new], np.int32), frozen(made, np.int32), frozen(owners, np.int32), self.heads, self.after,
            self.before, self.begins, self.ends, self.sent, self.sealed,
        )  # fmt: skip
        self.into[joined.base : joined.base + len(joined.rows)] = NONE
        return found

    def drop(self, slots: Any, step: int) -> None:
        """Forget sessions, and keys that have none left."""
        slots = frozen(slots, np.int32)
        empty: NDArray[np.int32] = np.empty(len(slots), np.int32)
        count = drop_sessions(
            slots, self.owners, self.heads, self.after, self.before, self.sealed, empty
        )  # fmt: skip
        self.keys.delete(empty[:count], step)

    def rebuild(self, keys: Keys, slots: Any, ids: Any, begins: Any, ends: Any, sent: Any, sealed: Any) -> None:
        """Be the chains of stored sessions; only while it is empty.

        Args:
            keys: The key of each session.
            slots: Their slots.
            ids: Their ids.
            begins: Their starts.
            ends: Their ends.
            sent: Whether a result stands.
            sealed: Whether nothing joins them.
        """
        if not len(slots):
            return
        self._make_room(int(slots.max()) + 1)
        self.ids[slots], self.begins[slots], self.ends[slots] = ids, begins, ends
        self.sent[slots], self.sealed[slots] = sent, sealed
        open_ones = np.flatnonzero(~sealed).astype(np.int32)
        owners = self.keys.upsert(keys, open_ones, 0).slots
        self._make_room(0)
        slots = slots[open_ones]
        self.owners[slots] = owners
        order = np.lexsort((ids[open_ones], -ends[open_ones], owners))
        slots, owners = slots[order], owners[order]
        same = owners[1:] == owners[:-1]
        self.after[slots], self.before[slots] = NONE, NONE
        self.after[slots[:-1][same]] = slots[1:][same]
        self.before[slots[1:][same]] = slots[:-1][same]
        heads = np.concatenate([[True], ~same])
        self.heads[owners[heads]] = slots[heads]


def _longer(array: Any, length: int, value: int) -> Any:
    longer = np.full(length, value, array.dtype)
    longer[: len(array)] = array
    return longer
