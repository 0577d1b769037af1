"""How asynchronous functions execute: each row waits with its place and watermark until its call has ended."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.connectors.lookups import Lookup
from penstock.core.delta import Delta
from penstock.core.lazy import np, pl
from penstock.core.timespan import NEVER
from penstock.operators.asking import AskingExecutor, Request
from penstock.operators.async_calls import AsyncFunction, conformed
from penstock.operators.base import Environment, Loader, Output, Saver, StepContext
from penstock.operators.lookup_rows import WaitingRows
from penstock.operators.sharding import project
from penstock.operators.why import refuse

if TYPE_CHECKING:
    from penstock.operators.map_async import MapAsync

MOST_ROWS = 1 << 16


@dataclass
class Waiting:
    """A row that waits.

    Attributes:
        slot: Where it is kept.
        held: Where the watermark of the input was when it came.
        over: Whether its call has ended.
        made: What came of it: a row of the output, or None for none.
    """

    slot: int
    held: int
    over: bool = False
    made: dict[str, Any] | None = None


@dataclass(frozen=True)
class Arguments:
    """What one call is made with.

    Attributes:
        row: The row.
        values: The arguments; None: the row is the argument.
    """

    row: dict[str, Any]
    values: tuple[Any, ...] | None
    height: int = 1


class AsyncLookup(Lookup):
    """Calls the function, as outside sources are asked.

    Args:
        executor: Whose rows wait.
    """

    def __init__(self, executor: MapAsyncExecutor) -> None:
        self.node, self.function = executor.node, executor.function

    def ask(self, keys: Any) -> Any:
        """Call the function for one row; gives a list of the rows that come out."""
        made = conformed(self.node, self.function.called(keys.row, keys.values), keys.row)
        return [] if made is None else [made]


class MapAsyncExecutor(AskingExecutor):
    """Rows that wait, by their numbers; see `MapAsync` for what it gives."""

    most_keys = 1

    def __init__(self, node: MapAsync, environment: Environment) -> None:
        super().__init__()
        self.node, self.environment, self.options = node, environment, node.options
        self.function = AsyncFunction(node.function, node.options.timeout_us)
        below = node.input.schema
        self.names, self.types = below.names, node.schema.to_polars()
        typed = () if node.column is None else node.typed_args()
        self.given = [f"\0{i}" for i in range(len(typed))]
        terms = [(name, arg.term) for name, arg in zip(self.given, typed, strict=True)]
        self.projection = project(below, terms, environment) if terms else None
        self.rows = WaitingRows(below, environment.seed)
        self.waiting: dict[int, Waiting] = {}
        self.over: list[int] = []
        self.under_way = 0
        self.incoming = NEVER
        self.masked = any(field.mask for field in below)

    # -- what the engine asks

    def opened(self) -> Lookup:
        """What calls the function."""
        return AsyncLookup(self)

    @property
    def waits(self) -> bool:
        """Whether a call is missing."""
        return self.under_way > 0

    @property
    def full(self) -> bool:
        """Whether as many rows wait as may."""
        return len(self.waiting) >= self.options.capacity

    def watermark(self, incoming: Sequence[int]) -> int:
        """Where that of the input was when the oldest row came that waits."""
        self.incoming = min(incoming)
        oldest = next(iter(self.waiting.values()), None)
        return self.incoming if oldest is None else min(self.incoming, oldest.held)

    # -- a step

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterator[Output]:
        """Take what calls gave, make calls for rows, and give what is ready; see `Executor.step`."""
        yield from self._heard()
        (delta,) = inputs
        if delta is not None and delta.length:
            given = [("out", delta)] if self.projection is None else self.projection.step(inputs, context)
            for port, part in given:
                if port != "out":
                    yield port, part.with_columns({name: part.columns[name] for name in self.columns_of(part)})
                elif part.length:
                    slots, numbers = self.rows.add(part, self.incoming)
                    held = np.full(part.length, self.incoming, np.int64)
                    self._call(part, slots.tolist(), numbers.tolist(), held.tolist())
        yield from self._ready()

    def columns_of(self, part: Delta) -> list[str]:
        """The columns of a refused row: not what was computed of it."""
        return [name for name in part.columns if name not in self.given]

    def _call(self, delta: Delta, slots: list[int], numbers: list[int], held: list[int]) -> None:
        rows = pl.DataFrame([delta.columns[name].alias(name) for name in self.names]).iter_rows(named=True)
        values: Any = [None] * delta.length
        if self.node.column is not None:
            columns = [delta.columns[name].to_list() for name in self.given]
            values = zip(*columns, strict=True) if columns else [()] * delta.length
        for row, arguments, slot, number, mark in zip(rows, values, slots, numbers, held, strict=True):
            if arguments is not None and self.function.skips(arguments):
                made = {**row, str(self.node.column): None}
                self.waiting[number] = Waiting(slot, mark, over=True, made=made)
                self.over.append(number)
                continue
            self.waiting[number] = Waiting(slot, mark)
            self.under_way += 1
            asked: Any = Arguments(row, arguments)
            self.ask(Request(number, asked))

    def _heard(self) -> Iterator[Output]:
        failed: dict[int, str] = {}
        for answer in self.heard():
            self.under_way -= 1
            if answer.rows is None:
                failed[self.waiting.pop(answer.number).slot] = self._reason(answer.failure)
                continue
            made: Any = answer.rows
            waiting = self.waiting[answer.number]
            waiting.over, waiting.made = True, made[0] if made else None
            self.over.append(answer.number)
        if failed:
            slots = np.fromiter(failed, np.int32)
            yield "errors", refuse(self.rows.take(slots), pl.Series(list(failed.values())), self.environment)
            self.rows.drop(slots)

    def _reason(self, failure: str) -> str:
        name = self.node.function.name
        if self.masked:
            return f"{name} failed"
        return failure if failure.startswith(name) else f"{name} failed: {failure}"

    def _ready(self) -> Iterator[Output]:
        """Give what is ready: ordered, up to the first row that waits."""
        numbers, self.over = sorted(self.over), []
        if self.options.ordered:
            numbers = list(itertools.takewhile(lambda number: self.waiting[number].over, self.waiting))
        for start in range(0, len(numbers), MOST_ROWS):
            ready = [self.waiting.pop(number) for number in numbers[start : start + MOST_ROWS]]
            made = [(one.slot, one.made) for one in ready if one.made is not None]
            if made:
                yield "out", self._delta(np.array([slot for slot, _ in made], np.int32), [row for _, row in made])
            self.rows.drop(np.array([one.slot for one in ready], np.int32))

    def _delta(self, slots: Any, made: list[Any]) -> Delta:
        rows = self.rows.take(slots)
        if self.node.column is not None:
            name = self.node.column
            values = pl.Series(name, [row[name] for row in made], dtype=self.types[name])
            return rows.with_columns({**rows.columns, name: values})
        columns = {name: pl.Series(name, [row[name] for row in made], dtype=t) for name, t in self.types.items()}
        return rows.with_columns(columns)

    # -- state

    def state_layout(self) -> Any:
        """The columns of the rows that wait. What they are called with may change: the calls are made anew."""
        return {"kind": "map_async", "columns": self.rows.layout()}

    def snapshot(self, saver: Saver) -> Any:
        """The rows that wait; what calls gave is not stored: they are made again."""
        return {"rows": self.rows.snapshot(saver)}

    def restore(self, state: Any, loader: Loader) -> None:
        """Call again for all rows that wait."""
        slots, numbers, held = self.rows.restore(state["rows"], loader)
        for start in range(0, len(slots), MOST_ROWS):
            part = slice(start, start + MOST_ROWS)
            delta, context = self.rows.take(slots[part]), StepContext(0, 0, NEVER)
            if self.projection is not None:
                # None fails: those that would were refused when they came.
                (delta,) = [made for port, made in self.projection.step([delta], context) if port == "out"]
            self._call(delta, slots[part].tolist(), numbers[part].tolist(), held[part].tolist())

    def contents(self, limit: int) -> pl.DataFrame:
        """The rows that wait."""
        return self.rows.contents(limit)

    def state_size(self) -> tuple[int, int]:
        """The rows that wait, and bytes."""
        return len(self.rows), self.rows.nbytes
