"""Lists and structs as texts, exactly and back: so that rows that have them can be kept as all others are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.core import dtypes
from penstock.core.dtypes import DType, List, Struct, to_polars
from penstock.core.errors import UnsupportedError
from penstock.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl


def is_nested(dtype: DType) -> bool:
    """Whether values of a type have parts."""
    return isinstance(dtype, (List, Struct))


def plain_type(dtype: DType) -> Any:
    """The Polars type as which a value is written: numbers that JSON does not hold exactly are texts.

    Raises:
        UnsupportedError: If values of a type cannot be written so.
    """
    if isinstance(dtype, List):
        return pl.List(plain_type(dtype.inner))
    if isinstance(dtype, Struct) and dtype.fields:
        return pl.Struct([pl.Field(name, plain_type(inner)) for name, inner in dtype.fields])
    if dtype in dtypes.FLOATS or isinstance(dtype, dtypes.Decimal):
        return pl.String()
    if isinstance(dtype, dtypes.Datetime | dtypes.Duration) or dtype == dtypes.Time:
        return pl.Int64()
    if dtype == dtypes.Date:
        return pl.Int32()
    if dtype in (*dtypes.INTEGERS, dtypes.Boolean, dtypes.String, dtypes.Json):
        return to_polars(dtype)
    raise UnsupportedError(f"values of the type {dtype} inside of others cannot be kept")


def as_texts(series: pl.Series, dtype: DType) -> pl.Series:
    """Values as JSON texts; equal ones have equal texts, and null is null."""
    values = series.cast(plain_type(dtype)).alias("v")
    texts = values.to_frame().select(pl.struct("v").struct.json_encode()).to_series()
    none = pl.Series([None], dtype=pl.String).new_from_index(0, len(texts))
    return texts.zip_with(series.is_not_null(), none)


def from_texts(texts: pl.Series, dtype: DType) -> pl.Series:
    """What `as_texts` was given."""
    plain = pl.Struct({"v": plain_type(dtype)})
    return texts.str.json_decode(plain).struct.field("v").cast(to_polars(dtype))
