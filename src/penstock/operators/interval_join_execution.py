"""How interval joins execute: rows kept by key and by the instant at which they go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta, concat
from penstock.core.lazy import np, pl
from penstock.core.timespan import MILLISECOND
from penstock.operators.base import Environment, Output, StepContext
from penstock.operators.join_ordered import OrderedJoin, Pairs, Work
from penstock.operators.join_parts import Batch, DeltaRows, Rows, StoredRows
from penstock.operators.joining import ANTI, SEMI, SIDES
from penstock.operators.lateness import stated_delay
from penstock.operators.watermark import instants
from penstock.operators.why import refuse
from penstock.state.row_layout import RowLayout

if TYPE_CHECKING:
    from penstock.operators.interval_join import IntervalJoin

MATCHED = 0
"""Word of a row: whether it has had a partner."""


class IntervalJoinExecutor(OrderedJoin):
    """Keeps the rows of the interval; see `IntervalJoin` for what it gives."""

    def __init__(self, node: IntervalJoin, environment: Environment) -> None:
        self.interval = node
        self.alone = node.padded if node.pairs else (node.how == ANTI, False)
        self.marks = any(self.alone) or node.how == SEMI
        self.reach = (node.upper, -node.lower)
        self.times = [(str(side.facts.time), side.facts.time_shift) for side in (node.left, node.right)]
        self.late = LateRows(node, environment)
        super().__init__(node, environment)

    def layout(self, side: int) -> RowLayout:
        """What comes out of a side, when it goes, and whether it has had a partner."""
        return self.layout_of(side, ordered=True, timed=True, words=[0] if self.marks else [])

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Pair the rows that are in time, then let go of those whose time is up; see `Executor.step`."""
        given: list[Delta | None] = []
        for side, delta in enumerate(inputs):
            if delta is None or not delta.length:
                given.append(None)
                continue
            delta, late = self.late.without(side, delta)
            if late is not None:
                yield "late", late
            partnerless = self._partnerless(side, delta, context)
            if partnerless is not None:
                yield "out", partnerless
            given.append(delta)
        for made in self.pair(given, context):
            yield "out", made
        for made in self._let_go(context.watermark):
            yield "out", made

    def _partnerless(self, side: int, delta: Delta, context: StepContext) -> Delta | None:
        """Rows whose key is null, if they come out."""
        if not self.alone[side] or not delta.length:
            return None
        columns = self.keys.of(side, delta, context)
        without = self.keys.without(columns)
        if without is None:
            return None
        rows = np.flatnonzero(without)
        batch = Batch(delta, columns, None)  # type: ignore[arg-type]
        return self._padded(side, DeltaRows(self.keys, side, batch, rows), len(rows))

    def _padded(self, side: int, rows: Rows, count: int) -> Delta:
        left, right = (rows, None) if side == 0 else (None, rows)
        return self.maker.delta(left, right, count)

    # -- what `OrderedJoin` asks

    def instants(self, side: int, batch: Batch) -> Any:
        """When rows go: after the last instant at which a partner of theirs may be."""
        name, shift = self.times[side]
        batch.times = instants(batch.delta.columns[name]) + shift
        return batch.times + self.reach[side]

    def bounds(self, work: Work, rows: Any) -> tuple[Any, Any]:
        """Times that differ by as much as they may, as the other side stores them."""
        times = work.batch.times[rows] + self.reach[1 - work.side]
        lower, upper = self.interval.lower, self.interval.upper
        return (times + lower, times + upper) if work.side == 0 else (times - upper, times - lower)

    def paired(self, pairs: Pairs) -> Pairs | None:
        """Pairs; of a semi join left rows with their first partner."""
        store, slots = pairs.lefts()
        first = None
        if self.interval.how == SEMI:
            _, first = np.unique(slots, return_index=True)
            first = np.sort(first[store.own(MATCHED)[slots[first]] == 0])
        if self.marks:
            work = pairs.work
            for one, rows in ((work.store, pairs.slots), (work.partner, pairs.found)):
                one.own(MATCHED)[rows] = 1
                one.rows.mark_touched(rows, self.turn)
        if self.interval.pairs:
            return pairs
        return None if first is None else pairs.some(first)

    def sides(self, left: Rows, right: Rows) -> tuple[Rows | None, Rows | None]:
        """What of pairs comes out."""
        return left, right if self.interval.pairs else None

    # -- rows out

    def due(self) -> int | None:
        """The first watermark at which a row goes."""
        return self._first((True, True))

    def sends(self) -> int | None:
        """The first at which one goes that comes out alone if it had no partner; pairs are sent as they are found."""
        return self._first(self.alone)

    def _first(self, asked: Sequence[bool]) -> int | None:
        first = [store.deadlines.first for sides in self.stores for i, store in enumerate(sides) if asked[i]]
        found = [instant for instant in first if instant is not None]
        return min(found) + 1 if found else None

    def _let_go(self, watermark: int) -> Iterator[Delta]:
        """Send rows that had no partner in order of (instant, place), and forget all whose time is up."""
        self.turn += 1
        gone = []
        for sides in self.stores:
            for side, store in enumerate(sides):
                slots = store.expired(watermark)
                if len(slots):
                    unmatched = slots[store.own(MATCHED)[slots] == 0] if self.alone[side] else slots[:0]
                    gone.append((side, store, slots, unmatched))
        sent = [(side, store, rows) for side, store, _, rows in gone if len(rows)]
        if sent:
            yield from self._sorted(sent)
        for _, store, slots, _ in gone:
            store.drop(slots, self.turn)

    def _sorted(self, sent: Sequence[tuple[int, Any, Any]]) -> Iterator[Delta]:
        parts = np.repeat(np.arange(len(sent)), [len(rows) for *_, rows in sent])
        rows = np.concatenate([rows for *_, rows in sent])
        instant = np.concatenate([store.moments(rows) for _, store, rows in sent])
        places = np.concatenate([store.places(rows) for _, store, rows in sent])
        order = np.lexsort((places, instant))
        for low in range(0, len(order), self.most):
            chosen = order[low : low + self.most]
            made, where = [], []
            for number, (side, store, _) in enumerate(sent):
                mine = np.flatnonzero(parts[chosen] == number)
                if len(mine):
                    made.append(self._padded(side, StoredRows(self.keys, side, store, rows[chosen[mine]]), len(mine)))
                    where.append(mine)
            yield concat(made).take(np.argsort(np.concatenate(where)))

    def state_layout(self) -> Any:
        """What is kept of either side; the interval may become another one only with new state."""
        sides = [layout.described() for layout in self.layouts]
        node = self.interval
        shape = {"how": node.how, "lower": node.lower, "upper": node.upper}
        return {"kind": "interval_join", **shape, "left": sides[0], "right": sides[1]}

    def watermark(self, incoming: Sequence[int]) -> int:
        """Held back by how far behind pairs may be."""
        return self.interval.held(min(incoming))


class LateRows:
    """Takes the late rows out of the deltas of either side: those behind the watermark of their own split."""

    def __init__(self, node: Any, environment: Environment) -> None:
        self.environment = environment
        self.times = [(str(side.facts.time), side.facts.time_shift) for side in (node.left, node.right)]
        self.names = [node.late_names(side) for side in (0, 1)]
        self.schema = node.late_schema().to_polars()
        self.delays = [stated_delay(node.left), stated_delay(node.right)]

    def without(self, side: int, delta: Delta) -> tuple[Delta, Delta | None]:
        """The rows that are in time, and the late ones as refused rows."""
        if delta.watermarks is None:
            return delta, None
        name, shift = self.times[side]
        watermarks, times = delta.watermarks.to_numpy(), instants(delta.columns[name]) + shift
        late = watermarks > times
        if not late.any():
            return delta, None
        refused = self.refused(side, delta.filter(pl.Series(late)), None, watermarks[late] - times[late], 0)
        return delta.filter(pl.Series(~late)), refused

    def refused(self, side: int, rows: Delta, reason: str | None, behind: Any = None, more: int = 0) -> Delta:
        """Rows of a side as refused rows.

        Args:
            side: Which side.
            rows: The rows.
            reason: Why; None = they are late.
            behind: By late row, by how many microseconds.
            more: By how much a bound must be greater than that to save a row.
        """
        columns = {self.names[side][source]: series for source, series in rows.columns.items()}
        made = {
            column: columns[column].alias(column)
            if column in columns
            else pl.Series(column, [None], dtype=dtype).new_from_index(0, rows.length)
            for column, dtype in self.schema.items()
        }
        rows = rows.with_columns(made)
        if reason is not None:
            return refuse(rows, f"{reason}, on the {SIDES[side]} side", self.environment)
        delay, needed = self.delays[side], None
        if delay is not None:
            needed = pl.Series(delay + -(-behind // MILLISECOND) * MILLISECOND + more)
        told = f"late on the {SIDES[side]} side"
        return refuse(rows, told, self.environment, behind=pl.Series(behind), needed=needed)
