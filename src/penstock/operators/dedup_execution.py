"""How first rows of keys are found: one table of the keys that were sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.dtypes import Int64
from penstock.core.lazy import np, pl
from penstock.core.timespan import END
from penstock.kernels.distinct import NOTHING, mark_first
from penstock.operators.base import Environment, Executor, Loader, Output, Saver, StepContext
from penstock.operators.lateness import delay_of, refuse_late
from penstock.operators.lives import instants_of
from penstock.operators.watermark import instants
from penstock.plan.ttl import EVENT
from penstock.state.arrangement import Arrangement
from penstock.state.expiry import INITIAL, Expiry
from penstock.state.keys import KeyCodec

if TYPE_CHECKING:
    from penstock.operators.dedup import Dedup


class DedupExecutor(Executor):
    """One table of keys, with the piece of time as the last part of the key."""

    def __init__(self, node: Dedup, environment: Environment) -> None:
        below = node.input.facts
        self.keys, self.within, self.environment = node.keys, node.within, environment
        self.time, self.shift = str(below.time), below.time_shift
        self.fields = [below.schema[name] for name in node.keys]
        types, nullable = [f.dtype for f in self.fields], [f.nullable for f in self.fields]
        if self.within is not None:
            types, nullable = [*types, Int64], [*nullable, False]
        self.codec = KeyCodec([f"k{i}" for i in range(len(types))], types, nullable)
        self.ttl, self.below = node.ttl, below
        words = [NOTHING] if self.within is not None else INITIAL if self.ttl is not None else ()
        self.seen = Arrangement(self.codec.layout, list(words), seed=environment.seed)
        self.expiry = Expiry(self.seen, self.seen.first, self.ttl.span) if self.ttl is not None else None
        self.pieces: dict[int, list[Any]] = {}
        self.delay = delay_of(node)
        self.turn = 0

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Send first rows, and forget what is past; see `Executor.step`."""
        (delta,) = inputs
        if delta is not None and delta.length:
            if self.within is None:
                yield from self._send(delta, self._ever(delta, context))
            else:
                yield from self._take(delta, self.within)
        if self.within is not None:
            self._forget(context.watermark, self.within)
        if self.expiry is not None and self.ttl is not None and context.last:
            gone = self.expiry.expire(context.watermark if self.ttl.clock == EVENT else context.now)
            self.seen.delete(gone, self._next_turn())

    def _send(self, delta: Delta, first: Any) -> Iterator[Output]:
        if first.all():
            yield "out", delta
        elif first.any():
            yield "out", delta.filter(pl.Series(first))

    def _ever(self, delta: Delta, context: StepContext) -> Any:
        encoded = self.codec.encode([delta.columns[name] for name in self.keys], delta.length)
        touched = self.seen.upsert(encoded, None, self._next_turn())
        if self.expiry is not None and self.ttl is not None:
            return self.expiry.first(touched.slots, instants_of(self.ttl, self.below, delta, context))
        first = np.zeros(delta.length, np.bool_)
        first[touched.first_row[touched.is_new]] = True
        return first

    def _take(self, delta: Delta, within: int) -> Iterator[Output]:
        times = instants(delta.columns[self.time]) + self.shift
        if delta.watermarks is not None:
            watermarks = delta.watermarks.to_numpy()
            late = times + within <= watermarks
            if late.any():
                behind = watermarks[late] - (times[late] + within)
                yield "late", refuse_late(delta.filter(pl.Series(late)), behind, self.delay, self.environment)
                delta, times = delta.filter(pl.Series(~late)), times[~late]
        if delta.length:
            yield from self._send(delta, self._within(delta, times, within))

    def _within(self, delta: Delta, times: Any, within: int) -> Any:
        pieces, turn = times // within, self._next_turn()
        columns = [delta.columns[name] for name in self.keys]
        touched = self.seen.upsert(self.codec.encode([*columns, pieces]), None, turn)
        below, above = (self.seen.find(self.codec.encode([*columns, pieces + way])) for way in (-1, 1))
        first = np.zeros(delta.length, np.bool_)
        mark_first(
            touched.slots, below, above, np.ascontiguousarray(times), within, self.seen.table, self.seen.first, first
        )
        new = touched.touched[touched.is_new]
        empty = self.seen.table[new, self.seen.first] == NOTHING
        if empty.any():
            self.seen.delete(new[empty], turn)
        kept, of = new[~empty], pieces[touched.first_row[touched.is_new][~empty]]
        self._note(kept, of)
        return first

    def _note(self, slots: Any, pieces: Any) -> None:
        """Remember which slots go with which piece of time."""
        for piece in np.unique(pieces).tolist():
            self.pieces.setdefault(piece, []).append(slots[pieces == piece])

    def _forget(self, watermark: int, within: int) -> None:
        """Drop the pieces of time from which no row that is not late can be a duplicate."""
        gone = [piece for piece in self.pieces if watermark == END or self._end(piece, within) <= watermark]
        if gone:
            slots = np.concatenate([part for piece in sorted(gone) for part in self.pieces.pop(piece)])
            self.seen.delete(slots, self._next_turn())

    def _end(self, piece: int, within: int) -> int:
        return (piece + 3) * within

    def due(self) -> int | None:
        """When the oldest piece of time can be forgotten, or keys expire by event time."""
        if self.expiry is not None and self.ttl is not None and self.ttl.clock == EVENT:
            return self.expiry.due()
        if self.within is None or not self.pieces:
            return None
        return min(self._end(min(self.pieces), self.within), END)

    def wakes(self) -> int | None:
        """When keys expire by processing time."""
        by_clock = self.expiry is not None and self.ttl is not None and self.ttl.clock != EVENT
        return self.expiry.due() if self.expiry is not None and by_clock else None

    def _next_turn(self) -> int:
        self.turn += 1
        return self.turn - 1

    def state_layout(self) -> Any:
        """Keys, and the span; with a time-to-live by which time, since instants of the one say nothing of the other."""
        keys = [{"name": f.name, "type": str(f.dtype), "nullable": f.nullable} for f in self.fields]
        lives = {"lives": self.ttl.clock} if self.ttl is not None else {}
        return {"kind": "dedup", "keys": keys, "within": self.within, **lives}

    def snapshot(self, saver: Saver) -> Any:
        """The table of keys; pieces of time are part of them."""
        saver.table("seen", self.seen, self.turn)
        return {"turn": self.turn}

    def restore(self, state: Any, loader: Loader) -> None:
        """See `snapshot`."""
        self.turn = state["turn"]
        loader.table("seen", self.seen)
        if self.expiry is not None:
            self.expiry.restored()
        if self.within is not None:
            slots = self.seen.live()
            self._note(slots, self.seen.table[slots, self.codec.columns[-1].place])

    def contents(self, limit: int) -> pl.DataFrame:
        """Keys, and the event time of the row that was sent."""
        slots = self.seen.live()[:limit]
        columns = self.codec.decode(*self.seen.key_rows(slots))[: len(self.keys)]
        made = [series.alias(name) for series, name in zip(columns, self.keys, strict=True)]
        if self.within is not None:
            sent = pl.Series("sent", self.seen.table[slots, self.seen.first]).cast(pl.Datetime("us", "UTC"))
            made.append(sent)
        return pl.DataFrame(made)

    def state_size(self) -> tuple[int, int]:
        """Keys and bytes."""
        return len(self.seen), self.seen.nbytes
