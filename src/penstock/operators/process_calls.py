"""Process functions as users write them, and calls of one for a key: state, timers, what is yielded."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from penstock.core.dtypes import Datetime, DType
from penstock.core.errors import PlanError
from penstock.core.schema import Schema
from penstock.core.timespan import duration, from_datetime, to_datetime
from penstock.expr.function import RowFault
from penstock.expr.user_functions import reason_of
from penstock.expr.user_values import Record, conform, conform_row
from penstock.operators.process_states import CELL, SHARED, State, frozen
from penstock.plan.ttl import EVENT, PROCESSING, ProcessingTime

INPUT, ROW = "_input", "_row_"
"""Where a row of several inputs says from which it is, and under what its columns are."""


class Process:
    """A function of the rows of a key, with state and timers: subclass it, and give an object to `group_by().process`.

    A subclass declares `output`, and state as attributes of the class; it has `on_row(row, ctx)` and, if it sets
    timers, `on_timer(timer, ctx)`. Both may yield rows: dicts of the columns of `output`, which follow the columns of
    the key. See the node `operators.process.Process` for the order of calls, and for what is lost when.

    Attributes:
        output: The columns it gives, by name; that of the event time, if it is named, is filled in.
        sides: For each side output its columns.
    """

    output: ClassVar[Mapping[str, Any]] = {}
    sides: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def on_row(self, row: Any, ctx: Context) -> Iterable[Any] | None:
        """Called for each row of a key; must be overridden."""
        raise NotImplementedError(f"{type(self).__name__} has no on_row(self, row, ctx)")

    def on_timer(self, timer: str, ctx: Context) -> Iterable[Any] | None:
        """Called when a timer fires, with its name; must be overridden by who sets timers."""
        raise NotImplementedError(f"{type(self).__name__} sets timers and has no on_timer(self, timer, ctx)")


@dataclass(frozen=True)
class Side:
    """A row for a side output.

    Attributes:
        name: The output.
        row: Its columns.
    """

    name: str
    row: Any


def side(name: str, row: Any) -> Side:
    """A row for a side output of a `Process`: `yield ps.side("alarms", {"amount": 9})`; read by `.side("alarms")`.

    Args:
        name: The output, one of `sides` of the class.
        row: Its columns.
    """
    return Side(name, row)


@dataclass
class Timer:
    """A timer that is set.

    Attributes:
        clock: `"event"` or `"processing"`.
        at: When it fires, in microseconds.
        number: Timers are numbered as they are set; those of one instant fire in that order.
        child: Whether a timer set it.
    """

    clock: str
    at: int
    number: int
    child: bool


@dataclass
class KeyState:
    """What a key has.

    Attributes:
        key: The columns of the key.
        values: State by name; what was never assigned is not there.
        timers: Timers by name.
    """

    key: dict[str, Any]
    values: dict[str, Any] = field(default_factory=dict)
    timers: dict[str, Timer] = field(default_factory=dict)


class Context:
    """What a process function may know and do besides state.

    Attributes:
        key: The columns of the key.
        time: The event time of the row, or of the timer; None without event time, and for a timer by the clock.
        now: The clock of the step.
    """

    def __init__(self, key: dict[str, Any], time: int | None, now: int, dtype: DType | None) -> None:
        self.key = Record(key)
        self._time, self._now = time, now
        self._zoned = isinstance(dtype, Datetime) and dtype.zone is not None
        self._event = dtype is not None
        self.changes: list[tuple[str, tuple[str, int] | None]] = []
        self.time = None if time is None else to_datetime(time)
        if self.time is not None and isinstance(dtype, Datetime):
            self.time = conform(self.time, dtype) if self._zoned else self.time.replace(tzinfo=None)
        self.now = to_datetime(now)

    def timer(self, name: str, *, after: Any = None, at: Any = None, on: Any = None) -> None:
        """Set a timer, in the place of one of the same name of this key.

        Args:
            name: Its name, which `on_timer` is given.
            after: How long after `time` (after `now`, by the clock) it fires.
            at: When it fires, as a datetime; one that has passed fires at once, behind the rows of this instant.
            on: `ps.processing_time()`: by the clock. By default it follows event time.

        Raises:
            PlanError: If both or none of `after` and `at` are given, or there is no event time to follow.
        """
        clock = PROCESSING if isinstance(on, ProcessingTime) else EVENT
        if (after is None) == (at is None):
            raise PlanError("a timer takes either after= or at=")
        if clock == EVENT and not self._event:
            raise PlanError("a timer follows the event time, and the rows have none: on=ps.processing_time()")
        start = self._now if clock == PROCESSING or self._time is None else self._time
        instant = start + duration(after) if at is None else from_datetime(at)
        self.changes.append((name, (clock, instant)))

    def cancel(self, name: str) -> None:
        """Forget the timer of a name; if there is none, nothing happens."""
        self.changes.append((name, None))


class Calls:
    """Calls a process function for one key at a time.

    Args:
        process: The process function.
        columns: The columns of its rows, without those of the key.
        sides: The columns of each side output.
        time: The event-time column and its type, or None.
        broadcast: Its inputs that are no keys', if it has several.

    Attributes:
        number: The number of the next timer.
        shared: State that all keys share, by name; what was never assigned is not there.
    """

    def __init__(
        self,
        process: Process,
        columns: Schema,
        sides: Mapping[str, Schema],
        time: tuple[str, DType] | None,
        broadcast: frozenset[str] = frozenset(),
    ) -> None:
        self.process, self.columns, self.sides = process, columns, sides
        self.time = time[0] if time else None
        self.dtype = time[1] if time else None
        self.states = states_of(type(process))
        self.name = type(process).__name__
        self.broadcast = broadcast
        self.number = 0
        self.shared: dict[str, Any] = {}
        self._view: dict[str, Any] = {}

    def share(self, values: dict[str, Any]) -> None:
        """Let state be what all keys share."""
        self.shared = values
        # Keys look at it as it is: a copy for each call would cost as much as all of it.
        self._view = {name: frozen(value) for name, value in values.items()}

    def is_broadcast(self, values: Mapping[str, Any]) -> bool:
        """Whether a row is one of an input that is no keys'."""
        return bool(self.broadcast) and values[INPUT] in self.broadcast

    def on_broadcast(
        self, values: dict[str, Any], key: dict[str, Any], time: int | None, now: int
    ) -> list[dict[str, Any]]:
        """The rows that the function gives for a row of no key; what all keys share changes if the call succeeds.

        Raises:
            RowFault: If it fails, sets a timer, or gives something else than declared.
        """
        method, given = self._given(values)
        context = Context(key, time, now, self.dtype)
        cell = copy.deepcopy(self.shared)
        vars(self.process)[SHARED] = cell
        try:
            made = getattr(self.process, method)(given, context)
            rows = [self._row(one, key, context.time) for one in made or ()]
            kept = {name: self._kept(name, value) for name, value in cell.items()}
            if context.changes:
                raise RowFault("a timer belongs to a key, and this row has none")
        except (Exception, SystemExit) as failed:  # noqa: BLE001  (user code may raise anything)
            raise RowFault(reason_of(f"{self.name}.{method}", failed)) from None
        finally:
            del vars(self.process)[SHARED]
        self.share(kept)
        return rows

    def _given(self, values: Mapping[str, Any]) -> tuple[str, Record]:
        """What is called for a row, and with what: rows of several inputs say from which they are."""
        if INPUT not in values:
            return "on_row", Record(values)
        name = values[INPUT]
        return f"on_{name}", Record(values[ROW + name])

    def on_row(self, values: dict[str, Any], state: KeyState, time: int | None, now: int) -> list[dict[str, Any]]:
        """The rows that the function gives for a row; its state changes only if the call succeeds.

        Raises:
            RowFault: If it fails, or gives something else than declared.
        """
        method, given = self._given(values)
        return self._call(method, given, state, time, now, child=False)

    def on_timer(self, name: str, state: KeyState, time: int | None, now: int) -> list[dict[str, Any]]:
        """The rows that the function gives for a timer, which is forgotten before; see `on_row`."""
        return self._call("on_timer", name, state, time, now, child=True)

    def _call(
        self, method: str, given: Any, state: KeyState, time: int | None, now: int, *, child: bool
    ) -> list[dict[str, Any]]:
        context = Context(state.key, time, now, self.dtype)
        cell = copy.deepcopy(state.values)
        vars(self.process)[CELL] = cell
        vars(self.process)[SHARED] = self._view
        try:
            made = getattr(self.process, method)(given, context)
            rows = [self._row(one, state.key, context.time) for one in made or ()]
            values = {name: self._kept(name, value) for name, value in cell.items()}
        except (Exception, SystemExit) as failed:  # noqa: BLE001  (user code may raise anything)
            raise RowFault(reason_of(f"{self.name}.{method}", failed)) from None
        finally:
            del vars(self.process)[CELL]
            del vars(self.process)[SHARED]
        state.values = {name: value for name, value in values.items() if value != self.states[name].default}
        for name, change in context.changes:
            state.timers.pop(name, None)
            if change is not None:
                state.timers[name] = Timer(*change, self.number, child)
                self.number += 1
        return rows

    def _kept(self, name: str, value: Any) -> Any:
        try:
            return conform(value, self.states[name].dtype)
        except RowFault as fault:
            raise RowFault(f'state "{name}" {fault}') from None

    def _row(self, given: Any, key: dict[str, Any], time: Any) -> dict[str, Any]:
        """A row of all outputs: of the others the columns are null."""
        if isinstance(given, Side):
            if given.name not in self.sides:
                raise RowFault(f'"{given.name}" is none of sides: {", ".join(self.sides) or "there are none"}')
            row = conform_row(given.row, self.sides[given.name])
            return {**key, **dict.fromkeys(self.columns.names), **self._of_sides(given.name, row), **self._at(time)}
        row = conform_row(given, self.columns)
        stamped = self._at(time)
        if self.time in row and row[self.time] not in (None, time):
            raise RowFault(f'the event time "{self.time}" is that of the row or the timer, it cannot be changed')
        return {**key, **row, **self._of_sides(None, None), **stamped}

    def _at(self, time: Any) -> dict[str, Any]:
        if self.time is None or self.time not in self.columns:
            return {}
        if time is None:
            raise RowFault(f'a timer by the clock has no "{self.time}"')
        return {self.time: time}

    def _of_sides(self, name: str | None, row: Any) -> dict[str, Any]:
        if not self.sides:
            return {}
        return {"_side": name, **{f"_side_{one}": row if one == name else None for one in self.sides}}


def states_of(cls: type) -> dict[str, State]:
    """The state that a class declares, by name."""
    found: dict[str, State] = {}
    for one in reversed(cls.__mro__):
        found |= {name: value for name, value in vars(one).items() if isinstance(value, State)}
    return found
