"""Rows that wait for an answer: each with its place, the watermark that it had met, and that of the input then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta, Positions, Run
from penstock.core.lazy import np, pl
from penstock.core.schema import Schema
from penstock.core.timespan import NEVER
from penstock.operators.base import Loader, Saver
from penstock.state.kept import KeptRows

if TYPE_CHECKING:
    import polars as pl

SOURCE, SPLIT, OFFSET, SEQUENCE, MET, HELD = range(6)


@dataclass
class Asked:
    """Rows that wait for one request.

    Attributes:
        keys: The keys that were asked for.
        slots: The slots of the rows, in order.
        ids: Their numbers, in order.
        numbers: By row, the number of its key; -1 if it has none.
        held: Where the watermark of the input was when the first of them came.
        tries: How often its keys were asked for without a row.
    """

    keys: pl.DataFrame
    slots: Any
    ids: Any
    numbers: Any
    held: int
    tries: int = 0


@dataclass
class Part:
    """What was answered and waits for its turn.

    Attributes:
        ids: The numbers of the rows that were answered, in order.
        slots: Their slots.
        made: By row that comes out, the number of its cause, in order.
        delta: The rows that come out.
    """

    ids: Any
    slots: Any
    made: Any
    delta: Delta

    def cut(self, until: int) -> tuple[Part, Part]:
        """It before a number, and from it on."""
        rows, made = int(np.searchsorted(self.ids, until)), int(np.searchsorted(self.made, until))
        nothing = Part(self.ids[:0], self.slots[:0], self.made[:0], self.delta)
        if rows == len(self.ids):
            return self, nothing
        if rows == 0:
            return nothing, self
        head = self.delta.take(np.arange(made, dtype=np.int64))
        rest = self.delta.take(np.arange(made, self.delta.length, dtype=np.int64))
        return (
            Part(self.ids[:rows], self.slots[:rows], self.made[:made], head),
            Part(self.ids[rows:], self.slots[rows:], self.made[made:], rest),
        )


class WaitingRows:
    """Rows of a schema with hidden columns, by slot; they are numbered in the order in which they came.

    Args:
        schema: The columns.
        seed: Seeds the index.
    """

    def __init__(self, schema: Schema, seed: int) -> None:
        self.schema = schema
        self.kept = KeptRows(schema, 6, seed)
        self.turn = 0

    def __len__(self) -> int:
        return len(self.kept)

    @property
    def nbytes(self) -> int:
        """Bytes of state."""
        return self.kept.nbytes

    def add(self, delta: Delta, held: int) -> tuple[Any, Any]:
        """Let rows wait; their slots and numbers.

        Args:
            delta: The rows.
            held: Where the watermark of the input is.
        """
        count, found = delta.length, delta.positions
        places = [np.full(count, -1, np.int64)] * 4
        if found is not None:
            places = [found.sources(), found.splits(), found.offsets(), found.sequences()]
        met = np.full(count, NEVER, np.int64) if delta.watermarks is None else delta.watermarks.to_numpy()
        first = self.kept.added
        columns = [delta.columns[name] for name in self.schema.names]
        slots = self.kept.add(columns, [*places, met, np.full(count, held, np.int64)], self.turn)
        self.turn += 1
        return slots, np.arange(first, first + count, dtype=np.int64)

    def take(self, slots: Any) -> Delta:
        """Rows as they came."""
        columns = {
            name: series.alias(name) for name, series in zip(self.schema.names, self.kept.take(slots), strict=True)
        }
        met = pl.Series(self.kept.word(MET, slots))
        return Delta(columns, len(slots), watermarks=met, positions=self._positions(slots))

    def _positions(self, slots: Any) -> Positions | None:
        """Their places, as runs of rows that followed each other."""
        words = [self.kept.word(place, slots) for place in (SOURCE, SPLIT, OFFSET, SEQUENCE)]
        source, split, offset, sequence = words
        if not len(slots) or (source < 0).any():
            return None
        same = (source[1:] == source[:-1]) & (split[1:] == split[:-1])
        same &= (offset[1:] == offset[:-1] + 1) & (sequence[1:] == sequence[:-1] + 1)
        starts = np.flatnonzero(np.concatenate([[True], ~same]))
        lengths = np.diff(np.concatenate([starts, [len(slots)]]))
        parts = np.column_stack([*(word[starts] for word in words), lengths]).tolist()
        return Positions(tuple(Run(*part) for part in parts))

    def drop(self, slots: Any) -> None:
        """Forget rows, each once."""
        self.kept.drop(slots, self.turn)
        self.turn += 1

    def layout(self) -> list[dict[str, Any]]:
        """The columns, as JSON."""
        return [{"name": f.name, "type": str(f.dtype), "nullable": f.nullable} for f in self.schema]

    def snapshot(self, saver: Saver) -> Any:
        """The rows."""
        saver.table("rows", self.kept.entries, self.turn)
        return {"turn": self.turn, "added": self.kept.added}

    def restore(self, state: Any, loader: Loader) -> tuple[Any, Any, Any]:
        """Go on from a snapshot: slots and numbers of the rows in order, and the watermarks of the input."""
        self.turn, self.kept.added = state["turn"], state["added"]
        loader.table("rows", self.kept.entries)
        slots = self.kept.live()
        return slots, self.kept.ids(slots).copy(), self.kept.word(HELD, slots).copy()

    def contents(self, limit: int) -> pl.DataFrame:
        """Some of the rows."""
        slots = self.kept.entries.live()[:limit]
        return pl.DataFrame(self.kept.take(slots), schema=list(self.schema.names))
