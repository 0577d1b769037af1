"""Calls of functions that users wrote, over a batch: what each row gave, or why it has no value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.core.dtypes import to_polars
from penstock.core.lazy import pl
from penstock.expr.function import RowFault
from penstock.expr.user_functions import UserFunction, called, reason_of

if TYPE_CHECKING:
    from penstock.operators.apply import Apply


class Made(NamedTuple):
    """What calls gave.

    Attributes:
        values: By row, the value; null where there is none.
        reasons: By row, why there is none, else null; None if no call failed.
    """

    values: pl.Series
    reasons: pl.Series | None = None


class PerRow:
    """Calls a function once for each row.

    Args:
        declared: The function.
        masked: Whether reasons may not quote values.
    """

    def __init__(self, declared: UserFunction, *, masked: bool) -> None:
        self.declared, self.masked = declared, masked
        self.function = declared.bound()
        self.dtype = to_polars(declared.gives)

    def __call__(self, columns: Sequence[pl.Series], count: int) -> Made:
        """What the function gives for the rows of some columns."""
        values: list[Any] = []
        failed: dict[int, str] = {}
        rows = zip(*(series.to_list() for series in columns), strict=True) if columns else [()] * count
        for row in rows:
            try:
                values.append(called(self.function, self.declared, list(row)))
            except RowFault as fault:
                failed[len(values)] = f"{self.declared.name} failed" if self.masked else str(fault)
                values.append(None)
        reasons = pl.Series([failed.get(i) for i in range(count)], dtype=pl.String) if failed else None
        return Made(pl.Series(values, dtype=self.dtype), reasons)


class PerSeries:
    """Calls a function with the series of a batch; if that fails, with those of its halves, down to the row that fails.

    Args:
        declared: The function.
        masked: Whether reasons may not quote values.
    """

    def __init__(self, declared: UserFunction, *, masked: bool) -> None:
        self.declared, self.masked = declared, masked
        self.function = declared.bound()
        self.dtype = to_polars(declared.gives)

    def __call__(self, columns: Sequence[pl.Series], count: int) -> Made:
        """What the function gives for the rows of some columns."""
        try:
            return Made(self._checked(self.function(*columns), count))
        except (Exception, SystemExit, pl.exceptions.PanicException) as failed:  # noqa: BLE001  (user code may raise anything)
            if count == 1:
                reason = reason_of(self.declared.name, failed, masked=self.masked)
                return Made(pl.Series([None], dtype=self.dtype), pl.Series([reason]))
        middle = count // 2
        halves = [
            self([series.slice(start, length) for series in columns], length)
            for start, length in ((0, middle), (middle, count - middle))
        ]
        reasons = None
        if any(half.reasons is not None for half in halves):
            none = pl.Series([None], dtype=pl.String)
            reasons = pl.concat(
                none.new_from_index(0, len(half.values)) if half.reasons is None else half.reasons for half in halves
            )
        return Made(pl.concat([half.values for half in halves]), reasons)

    def _checked(self, given: Any, count: int) -> pl.Series:
        """A series of the declared type, one value for each row.

        Raises:
            RowFault: If it is none.
        """
        if not isinstance(given, pl.Series):
            if type(given).__module__ != "numpy":
                raise RowFault(f"gave {type(given).__name__}, a vectorized function gives a Polars series")
            given = pl.Series(given)
        series: pl.Series = given
        if len(series) != count:
            raise RowFault(f"gave {len(series)} values for {count} rows")
        if series.dtype == self.dtype:
            return series
        if series.dtype == pl.Null or (series.dtype.is_numeric() and self.dtype.is_numeric()):
            converted: pl.Series = series.cast(self.dtype, strict=False)
            back = converted.cast(series.dtype, strict=False)
            if back.eq_missing(series).all():
                return converted
        raise RowFault(f"gave {series.dtype}, declared is {self.declared.returns}")


def one_by_series(function: Callable[..., Any], node: Apply) -> Callable[..., Any]:
    """A vectorised function as a function of the values of one row."""
    types = [to_polars(arg.dtype) for arg in node.typed_args()]

    def one(*values: Any) -> Any:
        given = function(*(pl.Series([value], dtype=dtype) for value, dtype in zip(values, types, strict=True)))
        return given.item()

    return one
