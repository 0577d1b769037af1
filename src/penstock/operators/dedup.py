"""The first row of each key: for ever, or within a span of event time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from penstock.core.delta import Delta
from penstock.core.dtypes import Int64
from penstock.core.errors import PlanError
from penstock.core.lazy import np, pl
from penstock.core.timespan import END, from_datetime
from penstock.expr.function import NotOnFlink
from penstock.kernels.distinct import NOTHING, mark_first
from penstock.operators.aggregation import key_fields, plain_key
from penstock.operators.base import (
    Emission,
    Environment,
    Executable,
    Executor,
    Loader,
    Meaning,
    Output,
    Row,
    Saver,
    StepContext,
)
from penstock.operators.lateness import delay_of, refuse_late
from penstock.operators.watermark import instants
from penstock.plan.node import UPDATING, Facts, Node
from penstock.state.arrangement import Arrangement
from penstock.state.keys import KeyCodec

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Dedup(Executable):
    """Of each key the first row to arrive; later ones end here.

    With `within`, a row is a duplicate if a row of its key that was sent lies less than that before or after it in
    event time, so that the state can be forgotten: a row that is `within` or more behind the watermark of its split
    leaves by `late`, since nobody could tell any more. Without, every key is remembered for ever. Null is a key.
    Rows keep their order.
    State: one entry per key, and per piece of event time `within` long; it goes when the watermark is three times
    `within` past the piece. Which row is the first depends on the order of arrival (Flink: deduplication by
    processing time, keep first, which forgets by the clock).

    Attributes:
        input: The rows.
        keys: The columns that make two rows duplicates.
        within: Microseconds of event time, or None.
        spelling: The verb that the user wrote: `dedup` or `distinct`.
    """

    verb: ClassVar[str] = "dedup"
    refuses: ClassVar[tuple[str, ...]] = ("late",)
    stateful: ClassVar[bool] = True

    input: Node
    keys: tuple[str, ...]
    within: int | None = None
    spelling: str = "dedup"

    def derive(self) -> Facts:
        """As the input."""
        below = self.input.facts
        if not self.keys:
            raise PlanError(f"{self.spelling} needs columns that make two rows equal", hint='such as .dedup("id")')
        if below.mode == UPDATING:
            raise PlanError(
                f"the rows of a Table change, and {self.spelling} sends the first for good",
                hint="put it before the verb that makes the Table",
            )
        key_fields(below.schema, self.keys)
        if self.within is not None:
            if self.within <= 0:
                raise PlanError("dedup needs a span of time: within is more than zero")
            if below.time is None or not below.watermarked:
                raise PlanError(
                    "within is a span of event time, and this stream has none",
                    hint="ps.read(..., event_time=...), or .with_event_time(...); a select that drops it loses it",
                )
        return replace(below, order_sensitive=set(self.keys) != set(below.schema.names))

    def describe(self) -> str:
        """The keys, and within what."""
        span = "" if self.within is None else f" within {self.within / 1e6:g} s"
        return f"by {', '.join(self.keys)}{span}"

    @property
    def unbounded_state(self) -> str | None:
        """What grows for ever, for people; None if nothing does."""
        return None if self.within is not None else f"one entry per {', '.join(self.keys)}, for ever"

    def needs(self, used: set[str]) -> list[set[str]]:
        """The keys, the time, and what is used."""
        return [used | set(self.keys) | ({str(self.input.facts.time)} if self.within is not None else set())]

    def meaning(self) -> Meaning:
        """See `DedupMeaning`."""
        return DedupMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `DedupExecutor`."""
        return DedupExecutor(self, environment)


# -- Meaning -------------------------------------------------------------------


class DedupMeaning(Meaning):
    """Remember the times of all rows that were sent, by key, and look through them."""

    def __init__(self, node: Dedup) -> None:
        self.keys, self.within = node.keys, node.within
        self.time, self.shift = node.input.facts.time, node.input.facts.time_shift
        self.sent: dict[tuple[Any, ...], list[int]] = {}

    def row(self, port: int, row: Row) -> Iterator[Emission] | Iterable[Emission]:
        """One row in, one or none out."""
        key, instant = plain_key(row.values, self.keys), 0
        if self.within is not None:
            instant = from_datetime(row.values[str(self.time)]) + self.shift
            if instant + self.within <= row.watermark:
                return [("late", row)]
        near = (self.within is None or abs(instant - other) < self.within for other in self.sent.get(key, ()))
        if any(near):
            return []
        self.sent.setdefault(key, []).append(instant)
        return [("out", row)]


# -- Execution -----------------------------------------------------------------


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
        self.seen = Arrangement(self.codec.layout, [] if self.within is None else [NOTHING], seed=environment.seed)
        self.pieces: dict[int, list[Any]] = {}
        self.delay = delay_of(node)
        self.turn = 0

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Send first rows, and forget what is past; see `Executor.step`."""
        (delta,) = inputs
        if delta is not None and delta.length:
            if self.within is None:
                first = self._ever(delta)
                yield from self._send(delta, first)
            else:
                yield from self._take(delta, self.within)
        if self.within is not None:
            self._forget(context.watermark, self.within)

    def _send(self, delta: Delta, first: Any) -> Iterator[Output]:
        if first.all():
            yield "out", delta
        elif first.any():
            yield "out", delta.filter(pl.Series(first))

    def _ever(self, delta: Delta) -> Any:
        encoded = self.codec.encode([delta.columns[name] for name in self.keys], delta.length)
        touched = self.seen.upsert(encoded, None, self._next_turn())
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
        """When the oldest piece of time can be forgotten."""
        if self.within is None or not self.pieces:
            return None
        return min(self._end(min(self.pieces), self.within), END)

    def _next_turn(self) -> int:
        self.turn += 1
        return self.turn - 1

    def state_layout(self) -> Any:
        """Keys, and the span."""
        keys = [{"name": f.name, "type": str(f.dtype), "nullable": f.nullable} for f in self.fields]
        return {"kind": "dedup", "keys": keys, "within": self.within}

    def snapshot(self, saver: Saver) -> Any:
        """The table of keys; pieces of time are part of them."""
        saver.table("seen", self.seen, self.turn)
        return {"turn": self.turn}

    def restore(self, state: Any, loader: Loader) -> None:
        """See `snapshot`."""
        self.turn = state["turn"]
        loader.table("seen", self.seen)
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


# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
