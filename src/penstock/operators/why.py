"""The column `_why` of refused rows: what was wrong, where the row came from, what would have saved it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.core.delta import Delta
from penstock.core.dtypes import to_polars
from penstock.core.lazy import np, pl
from penstock.core.schema import Schema
from penstock.core.timespan import NEVER
from penstock.plan.node import WHY

if TYPE_CHECKING:
    from penstock.connectors.base import BadRow
    from penstock.operators.base import Environment


def refuse(
    delta: Delta,
    reasons: str | pl.Series,
    environment: Environment,
    *,
    behind: pl.Series | None = None,
    needed: Sequence[str | None] | None = None,
) -> Delta:
    """The rows of a delta as refused rows: its columns and `_why`.

    Args:
        delta: The refused rows.
        reasons: Why, for all or per row.
        environment: Knows the names of sources and splits.
        behind: For late rows, per row, how many microseconds the row was behind what would have been in time.
        needed: For late rows, per row, the bound that would have saved it.
    """
    count = delta.length
    positions = delta.positions
    sources: list[str | None]
    splits: list[str | None]
    if positions is None:
        sources, splits = [None] * count, [None] * count
        offsets = pl.Series([None] * count, dtype=pl.Int64)
    else:
        places = [environment.place(s, p) for s, p in zip(positions.sources(), positions.splits(), strict=True)]
        sources, splits = [p[0] for p in places], [p[1] for p in places]
        offsets = pl.Series(positions.offsets())
    watermark = _instants(delta.watermarks, count) if behind is not None else pl.Series([None] * count)
    why = pl.DataFrame(
        {
            "reason": pl.Series([reasons] * count) if isinstance(reasons, str) else reasons,
            "source": pl.Series(sources, dtype=pl.String),
            "split": pl.Series(splits, dtype=pl.String),
            "offset": offsets,
            "raw": pl.Series([None] * count, dtype=pl.String),
            "watermark": watermark,
            "behind": _seconds(behind, count),
            "needed": pl.Series(needed if needed is not None else [None] * count, dtype=pl.String),
        }
    )
    columns = {**delta.columns, "_why": why.to_struct("_why").cast(to_polars(WHY))}
    return Delta(columns, count, positions=positions)


def _instants(watermarks: pl.Series | None, count: int) -> pl.Series:
    if watermarks is None:
        return pl.Series([None] * count)
    known = watermarks.to_numpy()
    valid = (known > NEVER + 1) & (known < 2**62)
    return (
        pl.Series(np.where(valid, known, 0))
        .cast(pl.Datetime("us", "UTC"))
        .zip_with(pl.Series(valid), pl.Series([None], dtype=pl.Datetime("us", "UTC")).new_from_index(0, count))
    )


def _seconds(behind: pl.Series | None, count: int) -> pl.Series:
    if behind is None:
        return pl.Series([None] * count, dtype=pl.String)
    return pl.Series([seconds(int(us)) for us in behind], dtype=pl.String)


def seconds(us: int) -> str:
    """A length of time as a duration that users can give back: whole seconds, or milliseconds, rounded up."""
    if us % 1_000_000 == 0:
        return f"{us // 1_000_000} s"
    return f"{-(-us // 1_000)} ms"


def undecoded(bad: Sequence[BadRow], schema: Schema, source: str, split: str) -> Delta:
    """Rows that could not be decoded, as refused rows whose columns are all null."""
    count = len(bad)
    columns = {
        field.name: pl.Series(field.name, [None] * count, dtype=dtype)
        for field, dtype in zip(schema, schema.to_polars().values(), strict=True)
    }
    none = [None] * count
    why = pl.DataFrame(
        {
            "reason": [row.reason for row in bad],
            "source": [source] * count,
            "split": [split] * count,
            "offset": [row.offset for row in bad],
            "raw": pl.Series([row.raw for row in bad], dtype=pl.String),
            "watermark": none,
            "behind": none,
            "needed": none,
        }
    )
    columns["_why"] = why.to_struct("_why").cast(to_polars(WHY))
    return Delta(columns, count)
