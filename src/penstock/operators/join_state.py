"""What joins that keep rows of both sides have in common: a store per side and shard, saved and restored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.errors import InvariantError
from penstock.core.lazy import np, pl
from penstock.operators.base import Environment, Executor, Loader, Saver, StepContext
from penstock.operators.join_parts import Batch, JoinKeys, PaddedRows, PairMaker, Rows, StoredRows, kept_columns
from penstock.operators.joining import TwoInputs
from penstock.operators.sharding import Sharded
from penstock.state.keys import KeyCodec
from penstock.state.row_layout import RowLayout
from penstock.state.row_spread import spread_all
from penstock.state.rows import MOST_PAIRS, RowStore

if TYPE_CHECKING:
    import polars as pl

LEAST_PAIRS = 16


class StoredJoin(Executor):
    """A join that keeps rows of both sides by their keys.

    Attributes:
        most: How many pairs one delta should have.
        layouts: What is kept of the left and of the right side.
        stores: By shard and side, the rows.
        turn: The number of the last change of the stores.
        rows: How many rows it has taken: the place of the next one.
    """

    keeps_nulls: bool = False
    """Whether rows are kept whose key is null and equal to none."""

    def __init__(self, node: TwoInputs, environment: Environment) -> None:
        self.node, self.environment, self.seed = node, environment, environment.seed
        self.keys = JoinKeys(node, environment, nullable=self.keeps_nulls)
        self.keys.codec = self.key_codec(self.keys)
        self.maker = PairMaker(node, self.keys)
        self.sharded = Sharded(environment)
        self.most = pairs_of(environment, node)
        self.layouts = [self.layout(side) for side in (0, 1)]
        self.stores = [[RowStore(one, environment.seed) for one in self.layouts] for _ in range(environment.shards)]
        self.turn = 0
        self.rows = 0

    def key_codec(self, keys: JoinKeys) -> KeyCodec:
        """The codec of the keys by which rows are kept."""
        return keys.codec

    def layout(self, side: int) -> RowLayout:
        """What is kept of a side."""
        raise NotImplementedError

    def layout_of(self, side: int, **options: Any) -> RowLayout:
        """The layout of what comes out of a side, or is compared."""
        names = kept_columns(self.node, side, self.keys)
        schema = (self.node.left, self.node.right)[side].schema
        return RowLayout.of(self.keys.codec, schema, names, **options)

    def waits(self) -> bool:
        """Whether a step gave rows and has not ended."""
        return False

    def whole(self, side: int, delta: Delta, context: StepContext) -> Batch:
        """All rows, those with null keys too."""
        columns = self.keys.of(side, delta, context)
        return Batch(delta, columns, self.keys.codec.encode(columns, delta.length))

    def batch(self, side: int, delta: Delta, context: StepContext) -> tuple[Batch, Delta | None]:
        """The rows that can have partners, and the others."""
        columns = self.keys.of(side, delta, context)
        without = self.keys.without(columns)
        other = None
        if without is not None:
            mask = pl.Series(~without)
            other, delta = delta.filter(~mask), delta.filter(mask)
            columns = [series.filter(mask) for series in columns]
        return Batch(delta, columns, self.keys.codec.encode(columns, delta.length)), other

    def with_partners(self, lefts: RowStore, rights: RowStore, slots: Any, found: Any) -> Delta:
        """Left rows, each with a right row of the same shard, or none (-1)."""
        left = StoredRows(self.keys, 0, lefts, slots)
        there = found >= 0
        right: Rows | None = None
        if there.all():
            right = StoredRows(self.keys, 1, rights, found)
        elif there.any():
            right = PaddedRows(self.keys, 1, StoredRows(self.keys, 1, rights, found[there]), there)
        return self.maker.delta(left, right, len(slots))

    def snapshot(self, saver: Saver) -> Any:
        """A store per side and shard."""
        if self.waits():
            raise InvariantError("a step has not ended: its changes were not sent")
        for shard, sides in enumerate(self.stores):
            for side, store in enumerate(sides):
                store.save(saver, f"{shard}/{side}", self.turn + 1)
        return {"shards": len(self.stores), "turn": self.turn, "rows": self.rows}

    def restore(self, state: Any, loader: Loader) -> None:
        """See `snapshot`; keys move if there are more shards or fewer."""
        self.turn, self.rows = state["turn"], state["rows"]
        shards = len(self.stores)
        stores = [[RowStore(layout, self.seed) for layout in self.layouts] for _ in range(state["shards"])]
        for shard, sides in enumerate(stores):
            for side, store in enumerate(sides):
                store.load(loader, f"{shard}/{side}")
        if len(stores) != shards:
            self.turn += 1
            moved = [spread_all([sides[side] for sides in stores], shards, self.turn) for side in (0, 1)]
            stores = [list(pair) for pair in zip(*moved, strict=True)]
        self.stores = stores

    def contents(self, limit: int) -> pl.DataFrame:
        """Rows of both sides: which side, how often, key and kept columns."""
        frames: list[pl.DataFrame] = []
        for sides in self.stores:
            for name, store in zip(("left", "right"), sides, strict=True):
                slots = store.rows.live()[: max(0, limit - sum(frame.height for frame in frames))]
                side = pl.Series("side", [name]).new_from_index(0, len(slots))
                count = pl.Series("count", store.counts(slots))
                frames.append(pl.DataFrame([side, count, *store.key_columns(slots), *store.columns(slots)]))
        return pl.concat(frames, how="diagonal_relaxed")

    def state_size(self) -> tuple[int, int]:
        """Rows and bytes."""
        stores = [store for sides in self.stores for store in sides]
        return sum(map(len, stores)), sum(store.nbytes for store in stores)


def chosen_of(parts: Sequence[Any]) -> Any:
    """The rows of a shard (`Sharded.rows`), as indices in order; None = all."""
    return None if parts[0] is None else np.concatenate(parts)


def pairs_of(environment: Environment, node: TwoInputs) -> int:
    """How many pairs one delta should have: the byte budget of a step, by the width of its rows."""
    width = 8 + 16 * len(node.columns)
    return int(max(LEAST_PAIRS, min(MOST_PAIRS, environment.step_bytes // width)))
