"""Windows that a Python function assigns: the plan has where the function is, never its code."""

from __future__ import annotations

import datetime as dt
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.core.schema import Schema
from penstock.core.timespan import MILLISECOND, from_datetime, to_datetime
from penstock.core.where import caller
from penstock.plan.keyed_windows import KeyedWindows

Bounds = list[tuple[int, int]]

_FUNCTIONS: dict[str, Callable[[Any], Any]] = {}
"""The functions of this process by their references: a lambda has no other place."""


@dataclass(frozen=True, kw_only=True)
class Custom(KeyedWindows):
    """Windows that a function gives for an instant.

    Attributes:
        function: Where it is, `module:name`.
        vectorised: Whether it takes many instants at once.
    """

    kind: ClassVar[str] = "custom"

    function: str
    vectorised: bool = False

    def check(self, schema: Schema) -> None:
        """The function is there."""
        resolved(self.function)

    def shape(self) -> dict[str, Any]:
        """The name of the function: what it does cannot be compared."""
        return {"kind": self.kind, "function": self.function}

    def windows_of(self, instant: int) -> Bounds:
        """The windows of one instant, each once.

        Raises:
            Exception: What the function raised, or a ValueError if it gave no windows.
        """
        call = resolved(self.function)
        moment = to_datetime(instant)
        if self.vectorised:
            found = _pairs(call(_series([instant])), 1)[0]
        else:
            found = [(_instant(start), _instant(end)) for start, end in call(moment)]
        for start, end in found:
            _checked(start, end)
        return list(dict.fromkeys(found))

    def windows_of_all(self, instants: list[int]) -> list[Bounds | str]:
        """The windows of distinct instants, or why there are none."""
        if self.vectorised:
            try:
                found = _pairs(resolved(self.function)(_series(instants)), len(instants))
                for start, end in (pair for one in found for pair in one):
                    _checked(start, end)
            except Exception:  # noqa: BLE001 - a user's function; which instant it was is found one by one
                return [self._or_why(instant) for instant in instants]
            return [list(dict.fromkeys(one)) for one in found]
        return [self._or_why(instant) for instant in instants]

    def _or_why(self, instant: int) -> Bounds | str:
        try:
            return self.windows_of(instant)
        except Exception as failure:  # noqa: BLE001 - whatever a user's function raises concerns this row
            return f"{self.function.rpartition(':')[2]}: {type(failure).__name__}: {failure}"

    def __str__(self) -> str:
        return f"windows of {self.function}"


def _series(instants: list[int]) -> Any:
    return pl.Series("time", instants, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))


def _instant(moment: Any) -> int:
    if not isinstance(moment, dt.datetime) or moment.tzinfo is None:
        raise ValueError(f"a window has two instants with a zone, found {moment!r}")
    return from_datetime(moment)


def _pairs(frame: Any, count: int) -> list[Bounds]:
    """What a vectorised function gave, by place."""
    if not isinstance(frame, pl.DataFrame) or set(frame.columns) != {"row", "start", "end"}:
        raise ValueError("a vectorised function gives a Polars frame with the columns row, start, end")
    found: list[Bounds] = [[] for _ in range(count)]
    for row, start, end in frame.select("row", "start", "end").iter_rows():
        if not isinstance(row, int) or not 0 <= row < count:
            raise ValueError(f"row is the place of an instant, from 0 to {count - 1}, found {row!r}")
        found[row].append((_instant(start), _instant(end)))
    return found


def _checked(start: int, end: int) -> None:
    if start >= end or start % MILLISECOND or end % MILLISECOND:
        raise ValueError(
            f"a window begins before its end, in whole milliseconds, found {to_datetime(start)} to {to_datetime(end)}"
        )


def resolved(reference: str) -> Callable[[Any], Any]:
    """The function of a reference.

    Raises:
        PlanError: If there is none in this process.
    """
    if reference not in _FUNCTIONS:
        module, _, name = reference.partition(":")
        try:
            found: Any = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError):
            raise PlanError(
                f'the function "{reference}" of a custom window is not there',
                hint="run the program that defines it; a function of a module can be found by its name",
            ) from None
        _FUNCTIONS[reference] = found
    return _FUNCTIONS[reference]


def custom(assign: Callable[[Any], Any], *, vectorised: bool = False) -> Custom:
    """Windows that a function gives: for the instant of a row, the windows that it is in.

    The function is called once for each distinct instant of a step, and must give the same for the same instant.
    What it raises, and what is no window, sends the rows of this instant to `errors`. A row in no window is left out.
    Source of the idea: Flink's `WindowAssigner`, without what it knows of rows.

    Args:
        assign: From an instant, a `datetime` in UTC, to pairs of `datetime`s (start, end) with a zone, in whole
            milliseconds. The plan stores its module and name: a lambda, and a function inside of another, is found
            in this process only.
        vectorised: Whether it takes a Polars series of instants instead, and gives a frame with a line per window:
            `row` (the place of the instant in the series), `start`, `end`.

    Raises:
        PlanError: If that is no function.
    """
    if not callable(assign):
        raise PlanError(f"custom takes a function of an instant, found {assign!r}", where=caller())
    name = getattr(assign, "__qualname__", type(assign).__qualname__)
    reference = first = f"{getattr(assign, '__module__', None) or '__main__'}:{name}"
    number = 1
    while "<" in first and _FUNCTIONS.get(reference, assign) is not assign:  # lambdas of one module share a name
        number += 1
        reference = f"{first}#{number}"
    _FUNCTIONS[reference] = assign
    return Custom(function=reference, vectorised=vectorised)
