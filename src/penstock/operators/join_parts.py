"""The parts of joins that execute: keys of a delta, rows of a delta or a store as columns, pairs as deltas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta, Positions, concat, consolidate
from penstock.core.lazy import np, pa, pl
from penstock.expr.ast import Column
from penstock.expr.lower import lower
from penstock.operators.base import Environment, StepContext
from penstock.operators.joining import KEY, LEFT, SIDES, TwoInputs
from penstock.operators.sharding import project
from penstock.state.keys import KeyCodec, Keys
from penstock.state.rows import RowStore

if TYPE_CHECKING:
    import polars as pl


class JoinKeys:
    """The keys of both sides, under one codec.

    Args:
        node: The join.
        environment: What it runs in.
        nullable: Whether rows are kept whose key has no partner, since it is null.
    """

    def __init__(self, node: TwoInputs, environment: Environment, *, nullable: bool = False) -> None:
        self.types = node.key_types()
        count = range(len(self.types))
        typed = [[node.typed_key(side, i) for i in count] for side in (0, 1)]
        self.nulls_equal = node.nulls_equal
        may_be = [(nullable or node.nulls_equal[i]) and (typed[0][i].nullable or typed[1][i].nullable) for i in count]
        self.codec = KeyCodec([f"k{i}" for i in count], self.types, may_be)
        self.terms = [[one.term for one in side] for side in typed]
        self.plain = [[one.term.name if isinstance(one.term, Column) else None for one in side] for side in typed]
        self.projections = [
            None if all(self.plain[side]) else project(
                (node.left, node.right)[side].schema,
                [(f"__k{i}", term) for i, term in enumerate(self.terms[side]) if self.plain[side][i] is None],
                environment,
            )
            for side in (0, 1)
        ]  # fmt: skip

    def of(self, side: int, delta: Delta, context: StepContext) -> list[pl.Series]:
        """The key columns of a delta."""
        columns = dict(delta.columns)
        projection = self.projections[side]
        if projection is not None:
            for _, made in projection.step([delta], context):
                columns |= made.columns
        return [columns[name or f"__k{i}"] for i, name in enumerate(self.plain[side])]

    def without(self, keys: Sequence[pl.Series]) -> Any:
        """Which rows can have no partner, since their key is null; None if all can."""
        found = None
        for series, equal in zip(keys, self.nulls_equal, strict=True):
            if not equal and series.null_count():
                mask = series.is_null().to_numpy()
                found = mask if found is None else found | mask
        return found


class Rows:
    """Rows of one side as columns, made when they are asked for."""

    def __init__(self, keys: JoinKeys, side: int) -> None:
        self._numbers = {name: i for i, name in enumerate(keys.plain[side]) if name is not None}

    def column(self, name: str) -> pl.Series:
        """A column of the side."""
        raise NotImplementedError

    def key(self, number: int) -> pl.Series:
        """A column of the key."""
        raise NotImplementedError


class DeltaRows(Rows):
    """Rows of a delta, by index."""

    def __init__(self, keys: JoinKeys, side: int, batch: Batch, rows: Any) -> None:
        super().__init__(keys, side)
        self._batch, self._index = batch, pl.Series(rows)

    def column(self, name: str) -> pl.Series:
        """As `Rows.column`."""
        return self._batch.delta.columns[name][self._index]

    def key(self, number: int) -> pl.Series:
        """As `Rows.key`."""
        return self._batch.columns[number][self._index]


class StoredRows(Rows):
    """Rows of a store, by slot: what the store does not hold is in its keys."""

    def __init__(self, keys: JoinKeys, side: int, store: RowStore, rows: Any) -> None:
        super().__init__(keys, side)
        self._store, self._rows = store, rows

    def column(self, name: str) -> pl.Series:
        """As `Rows.column`."""
        if name in self._numbers and name not in self._store.layout.names:
            return self.key(self._numbers[name])
        return self._store.column(name, self._rows)

    def key(self, number: int) -> pl.Series:
        """As `Rows.key`."""
        return self._store.key_column(number, self._rows)


class MergedRows(Rows):
    """Rows from several places, laid end to end and then put in an order."""

    def __init__(self, keys: JoinKeys, side: int, parts: Sequence[Rows], order: Any) -> None:
        super().__init__(keys, side)
        self._parts, self._order = parts, pl.Series(order)

    def column(self, name: str) -> pl.Series:
        """As `Rows.column`."""
        return pl.concat([part.column(name) for part in self._parts])[self._order]

    def key(self, number: int) -> pl.Series:
        """As `Rows.key`."""
        return pl.concat([part.key(number) for part in self._parts])[self._order]


class PaddedRows(Rows):
    """Rows some of which are missing, and are nulls.

    Args:
        keys: The keys.
        side: Of which side they are.
        rows: Those that are there.
        there: By row, whether it is.
    """

    def __init__(self, keys: JoinKeys, side: int, rows: Rows, there: Any) -> None:
        super().__init__(keys, side)
        self._rows, self._index = rows, pl.Series(pa.array(np.cumsum(there) - 1, mask=~there))

    def column(self, name: str) -> pl.Series:
        """As `Rows.column`."""
        return self._rows.column(name).gather(self._index)

    def key(self, number: int) -> pl.Series:
        """As `Rows.key`."""
        return self._rows.key(number).gather(self._index)


class Batch:
    """The rows of a delta of one side that can have partners.

    Attributes:
        delta: The rows.
        columns: Their key columns.
        keys: Their keys.
        signs: +1 or -1 per row, or None if all come.
        places: By row, its place among all rows that the operator has taken, of both sides.
        times: By row, its event time; only where the operator has asked for it.
    """

    times: Any = None

    def __init__(self, delta: Delta, columns: list[pl.Series], keys: Keys, places: Any = None) -> None:
        self.delta, self.columns, self.keys, self.places = delta, columns, keys, places
        self.signs = None if delta.diff is None else delta.diff.to_numpy().astype(np.int64)


def kept_columns(node: TwoInputs, side: int, keys: JoinKeys) -> list[str]:
    """The columns of a side that its store must hold: what comes out or is compared, and is not the key."""
    used = {source for _, of, source in node.columns if of == SIDES[side]}
    prefix = f"{SIDES[side]}."
    if node.condition is not None:
        used |= {name.removeprefix(prefix) for name in node.condition.columns() if name.startswith(prefix)}
    schema = (node.left, node.right)[side].schema
    return [name for name in schema.names if name in used and name not in keys.plain[side]]


class PairMaker:
    """Makes deltas of pairs."""

    def __init__(self, node: TwoInputs, keys: JoinKeys) -> None:
        self.columns, self.schema, self.keys = node.columns, node.schema, keys
        self.types = self.schema.to_polars()
        condition = node.typed_condition()
        self._condition = None if condition is None else lower(condition).value.alias("holds")
        self._compared = sorted(node.condition.columns()) if node.condition is not None else []

    @property
    def compares(self) -> bool:
        """Whether pairs of equal keys have a condition besides."""
        return self._condition is not None

    def holds(self, left: Rows, right: Rows, count: int) -> Any:
        """Of which pairs the condition is true."""
        if self._condition is None:
            return np.ones(count, np.bool_)
        sides = dict(zip(SIDES, (left, right), strict=True))
        series = []
        for name in self._compared:
            side, _, column = name.partition(".")
            series.append(sides[side].column(column).alias(name))
        frame = pl.DataFrame(series) if series else pl.Series("", [None]).new_from_index(0, count).to_frame()
        found = frame.select_seq(self._condition).to_series().fill_null(value=False)
        return np.broadcast_to(found.to_numpy(), (count,))

    def delta(
        self,
        left: Rows | None,
        right: Rows | None,
        count: int,
        *,
        signs: Any = None,
        positions: Positions | None = None,
    ) -> Delta:
        """Pairs of rows, of which one side may be missing, as what comes out."""
        made: dict[str, pl.Series] = {}
        for name, side, source in self.columns:
            rows = (left or right) if side == KEY else left if side == LEFT else right
            if rows is None:
                made[name] = pl.Series(name, [None], dtype=self.types[name]).new_from_index(0, count)
                continue
            series = rows.key(int(source)) if side == KEY else rows.column(source)
            made[name] = (series if series.dtype == self.types[name] else series.cast(self.types[name])).alias(name)
        diff = None if signs is None else pl.Series("diff", np.asarray(signs, np.int8))
        return Delta(made, count, diff=diff, positions=positions)


class Collector:
    """Gathers changes of a step until there are enough for a delta.

    Args:
        most: From how many rows on a delta is given; None = all of the step are one.
    """

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.parts: list[Delta] = []
        self.rows = 0

    def add(self, delta: Delta) -> Iterator[Delta]:
        """Take changes; gives those of which there are enough."""
        if delta.length:
            self.parts.append(delta)
            self.rows += delta.length
        if self.most is not None and self.rows >= self.most:
            yield from self.flush()

    def flush(self) -> Iterator[Delta]:
        """All that was taken, without what cancels out."""
        if self.parts:
            made = consolidate(concat(self.parts))
            self.parts, self.rows = [], 0
            if made.length:
                yield made


def repeated(rows: Any, copies: Any) -> tuple[Any, Any]:
    """Places of rows, each as often as its change is great, and the signs."""
    times = np.abs(copies)
    if (times == 1).all():
        return rows, np.sign(copies)
    return np.repeat(rows, times), np.repeat(np.sign(copies), times)
