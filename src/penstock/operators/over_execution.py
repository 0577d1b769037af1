"""How frames execute: the rows that are kept of each key before its new rows, and all functions over them at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.dtypes import Boolean
from penstock.core.lazy import np, pl
from penstock.core.schema import Field, Schema
from penstock.core.timespan import END
from penstock.expr.ast import Lag, Literal
from penstock.operators.base import Environment, Executor, Loader, Output, Saver, StepContext
from penstock.operators.over_frames import partial_schema, parts_of, rolled, so_far
from penstock.operators.sharding import project
from penstock.operators.watermark import instants
from penstock.operators.why import refuse
from penstock.state.history import History

if TYPE_CHECKING:
    from penstock.operators.over import Over


class OverExecutor(Executor):
    """The newest rows of each key; see `Over` for what it gives."""

    def __init__(self, node: Over, environment: Environment) -> None:
        below = node.input.facts
        self.keys, self.frame, self.environment = node.keys, node.frame, environment
        self.schema, self.columns = node.schema, below.schema.names
        self.time, self.shift = below.time, below.time_shift
        self.parts, needed = parts_of(node.functions, below.schema)
        if not needed:  # rows are counted and none of their columns is: that they are there is kept
            needed = [("__a0", Literal(True, Boolean), Field("a0", Boolean, False))]
        self.needed = [name for name, _, _ in needed]
        self.projection = project(below.schema, [(name, term) for name, term, _ in needed], environment)
        self.bounded = self.frame.preceding is not None
        self.ranged = self.frame.kind == "range"
        kept = Schema(tuple(field for _, _, field in needed)) if self.bounded else partial_schema(self.parts)
        fields = [below.schema[name] for name in node.keys]
        self.history = History(fields, kept, timed=self.ranged and self.bounded, seed=environment.seed)
        self.functions = [str(function) for _, function in node.functions]
        self.only_lags = all(isinstance(function, Lag) for _, function in node.functions)
        self.turn = 0

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Compute the functions of new rows; see `Executor.step`."""
        if inputs[0] is not None:
            for port, delta in self.projection.step(inputs, context):
                if port != "out":
                    yield port, delta
                elif delta.length:
                    yield from self._take(delta)
        if context.last and self.history.timed:
            assert self.frame.preceding is not None
            until = context.watermark if context.watermark == END else context.watermark - self.frame.preceding
            self.history.expire(until, self.turn)
            self.turn += 1

    def _take(self, delta: Delta) -> Iterator[Output]:
        groups = self.history.find([delta.columns[name] for name in self.keys], delta.length, self.turn)
        times = np.zeros(delta.length, np.int64)
        if self.time is not None:
            times = instants(delta.columns[self.time]) + self.shift
        order = np.argsort(groups, kind="stable")
        touched, counts = np.unique(groups, return_counts=True)
        owners, slots = self.history.read(touched)
        # The rows of a key: first those that are kept, then the new ones.
        both = np.argsort(np.concatenate([owners, np.repeat(np.arange(len(touched)), counts)]), kind="stable")
        is_new = np.repeat([False, True], [len(slots), delta.length])[both]
        group = np.concatenate([touched[owners], groups[order]])[both]
        index = np.concatenate([self.history.rows.word(2, slots), times[order]])[both]
        frame = self._frame(delta, order, slots, both).with_columns(group=group, is_new=is_new)
        if self.bounded:
            made, fits, kept = self._rolled(frame, group, index)
        else:
            made, fits, kept = self._so_far(frame, group, index)
        self._keep(frame, kept, group, index, is_new, slots, both)
        self.turn += 1
        back = np.empty(delta.length, np.int64)
        back[order] = np.flatnonzero(is_new)
        yield from self._sent(delta, made, fits, back)

    def _frame(self, delta: Delta, order: Any, slots: Any, both: Any) -> pl.DataFrame:
        """What is kept and what is new, in the order of keys."""
        old = dict(zip(self.history.rows.schema.names, self.history.rows.take(slots), strict=True))
        chosen, columns = pl.Series(order), {}
        for name in self.needed:
            new = delta.columns[name].gather(chosen)
            before = old.get(name.removeprefix("__")) if self.bounded else None
            columns[name] = pl.concat([_nulls(new.dtype, len(slots)) if before is None else before, new])
        if not self.bounded:
            for name, series in old.items():
                columns[name] = pl.concat([series, _nulls(series.dtype, delta.length)])
        given = pl.Series(both)
        if not columns:
            return pl.DataFrame({"__none": np.zeros(len(both), np.int8)})
        return pl.DataFrame([series.alias(name).gather(given) for name, series in columns.items()])

    def _rolled(self, frame: pl.DataFrame, group: Any, index: Any) -> tuple[Any, Any, Any]:
        assert self.frame.preceding is not None
        if not self.ranged:
            index = np.arange(len(group), dtype=np.int64)
        indexed = frame.with_columns(index=index)
        made, fits = rolled(indexed, self.parts, self.frame.kind, self.frame.preceding)
        if self.ranged:
            return made, fits, np.ones(len(group), np.bool_)
        behind = _from_the_end(group)
        return made, fits, behind < self.frame.preceding

    def _so_far(self, frame: pl.DataFrame, group: Any, index: Any) -> tuple[Any, Any, Any]:
        made, fits, partial = so_far(frame, self.parts)
        self.partial = partial
        if self.ranged:  # rows of one instant have the results of the last of them
            new = frame.get_column("is_new").to_numpy()
            ends = np.append((group[1:] != group[:-1]) | (index[1:] != index[:-1]) | ~new[:-1], True)
            last = np.flatnonzero(ends)[np.cumsum(np.append(0, ends[:-1]))]
            made, fits = [series.gather(pl.Series(last)) for series in made], fits[last]
        return made, fits, _from_the_end(group) < 1

    def _keep(self, frame: pl.DataFrame, kept: Any, group: Any, index: Any, is_new: Any, slots: Any, both: Any) -> None:
        """Forget the rows that no frame to come begins with, and keep the new ones that one does."""
        count = len(slots)
        gone = both[~kept & ~is_new] if self.bounded else both[~is_new]
        self.history.drop(slots[gone[gone < count]], self.turn)
        chosen = np.flatnonzero(kept & is_new)
        columns = [frame.get_column(name) for name in self.needed] if self.bounded else self.partial.get_columns()
        given = pl.Series(chosen)
        if columns:
            self.history.add(group[chosen], [series.gather(given) for series in columns], index[chosen], self.turn)

    def _sent(self, delta: Delta, made: Sequence[pl.Series], fits: Any, back: Any) -> Iterator[Output]:
        given = pl.Series(back)
        columns = {name: delta.columns[name] for name in self.columns}
        fields = self.schema.fields[len(self.columns) :]
        columns |= {field.name: series.gather(given) for field, series in zip(fields, made, strict=True)}
        out, fits = delta.with_columns(columns), fits[back]
        if not fits.all():
            bad = out.filter(pl.Series(~fits), self.columns)
            reason = f"no result: {' or '.join(self.functions)} does not fit its type"
            yield "errors", refuse(bad, reason, self.environment)
            out = out.filter(pl.Series(fits))
        if out.length:
            yield "out", out

    def due(self) -> int | None:
        """When the oldest row of a range can be forgotten."""
        earliest = self.history.times.earliest()
        return None if earliest is None or self.frame.preceding is None else min(earliest + self.frame.preceding, END)

    def state_layout(self) -> Any:
        """Keys, frame and functions."""
        keys = [{"name": f.name, "type": str(f.dtype)} for f in self.schema if f.name in self.keys]
        columns = [{"name": f.name, "type": str(f.dtype), "nullable": f.nullable} for f in self.history.rows.schema]
        return {"kind": "over", "keys": keys, "frame": str(self.frame), "functions": self.functions, "columns": columns}

    def snapshot(self, saver: Saver) -> Any:
        """Keys and the rows that are kept of them."""
        return {"added": self.history.save(saver, self.turn), "turn": self.turn}

    def restore(self, state: Any, loader: Loader) -> None:
        """See `snapshot`."""
        self.turn = state["turn"]
        self.history.load(state["added"], loader)

    def contents(self, limit: int) -> pl.DataFrame:
        """What is kept of rows."""
        slots = self.history.rows.entries.live()[:limit]
        return pl.DataFrame(self.history.rows.take(slots), schema=list(self.history.rows.schema.names))

    def state_size(self) -> tuple[int, int]:
        """Rows and bytes."""
        return len(self.history.rows), self.history.nbytes


def _nulls(dtype: Any, count: int) -> pl.Series:
    return pl.Series([None], dtype=dtype).new_from_index(0, count)


def _from_the_end(group: Any) -> Any:
    """By row, how many rows of its key come behind it; rows of a key follow one another."""
    _, counts = np.unique(group, return_counts=True)
    return np.repeat(np.cumsum(counts), counts) - 1 - np.arange(len(group))
