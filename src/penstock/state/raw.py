"""Columns on their way out of state: arrays of physical values, made into series once at the end.

Making a Polars series costs more than a step of one row may; so what is compared, cut and joined is arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.core.dtypes import DType, to_polars
from penstock.core.lazy import np, pl

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Raw(NamedTuple):
    """A column.

    Attributes:
        values: Physical values as an array, or a finished series.
        valid: By row, whether it is not null; None = none is null, or the series says so. Beside a series: whether
            the row has a value at all.
    """

    values: Any
    valid: Any = None

    def take(self, rows: NDArray[Any]) -> Raw:
        """Some rows, by a boolean mask or by index."""
        if rows.dtype == np.bool_ and rows.all():
            return self
        if isinstance(self.values, pl.Series):
            chosen = pl.Series(rows)
            values = self.values.filter(chosen) if rows.dtype == np.bool_ else self.values.gather(chosen)
        else:
            values = self.values[rows]
        return Raw(values, None if self.valid is None else self.valid[rows])

    def series(self, name: str, dtype: DType) -> pl.Series:
        """The column as a series of a logical type."""
        target = to_polars(dtype)
        if isinstance(self.values, pl.Series):
            found = self.values if self.values.dtype == target else self.values.cast(target)
            return found.alias(name)
        series = pl.Series(name, self.values)
        if series.dtype != target:
            series = series.cast(target)
        if self.valid is not None and not self.valid.all():
            none = pl.Series(name, [None], dtype=target).new_from_index(0, len(series))
            series = series.zip_with(pl.Series(self.valid), none)
        return series


def concat(parts: Sequence[Raw]) -> Raw:
    """Columns laid end to end."""
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0].values, pl.Series):
        values = pl.concat([part.values for part in parts])
    else:
        values = np.concatenate([part.values for part in parts])
    if all(part.valid is None for part in parts):
        return Raw(values)
    masks = [np.ones(len(part.values), np.bool_) if part.valid is None else part.valid for part in parts]
    return Raw(values, np.concatenate(masks))


def equal(one: Raw, other: Raw) -> Any:
    """By row, whether two columns are equal: null equals null and NaN equals NaN."""
    if isinstance(one.values, pl.Series):
        return one.values.eq_missing(other.values).to_numpy()
    same = one.values == other.values
    if one.values.dtype.kind == "f":
        same |= (one.values != one.values) & (other.values != other.values)
    if one.valid is None and other.valid is None:
        return same
    a = np.ones(len(same), np.bool_) if one.valid is None else one.valid
    b = np.ones(len(same), np.bool_) if other.valid is None else other.valid
    return (same & a & b) | (~a & ~b)
