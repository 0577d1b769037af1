"""The column `_why` of refused rows: what was wrong, where the row came from, what would have saved it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.core.delta import Delta, Positions
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
    needed: pl.Series | None = None,
) -> Delta:
    """The rows of a delta as refused rows: its columns and `_why`.

    Args:
        delta: The refused rows.
        reasons: Why, for all or per row.
        environment: Knows the names of sources and splits.
        behind: For late rows, per row, how many microseconds the row was behind what would have been in time.
        needed: For late rows, per row, the bound in microseconds that would have saved it.
    """
    count = delta.length
    sources, splits, offsets = _places(delta.positions, count, environment)
    watermark = _instants(delta.watermarks, count) if behind is not None else _none(count, pl.Null())
    why = pl.DataFrame(
        {
            "reason": pl.Series([reasons]).new_from_index(0, count) if isinstance(reasons, str) else reasons,
            "source": sources,
            "split": splits,
            "offset": offsets,
            "raw": _none(count, pl.String()),
            "watermark": watermark,
            "behind": _none(count, pl.String()) if behind is None else _spans(behind),
            "needed": _none(count, pl.String()) if needed is None else _spans(needed),
        }
    )
    columns = {**delta.columns, "_why": why.to_struct("_why").cast(to_polars(WHY))}
    return Delta(columns, count, positions=delta.positions)


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


def _none(count: int, dtype: pl.DataType) -> pl.Series:
    return pl.Series([None], dtype=dtype).new_from_index(0, count)


def _places(positions: Positions | None, count: int, environment: Environment) -> tuple[pl.Series, ...]:
    """Source, split and offset of rows; texts are made once per split."""
    if positions is None:
        return _none(count, pl.String()), _none(count, pl.String()), _none(count, pl.Int64())
    offsets = pl.Series(positions.offsets())
    pairs = positions.split_runs()
    names = [environment.place(*pair) for pair in pairs]
    if len(pairs) == 1:
        one = [pl.Series([name], dtype=pl.String).new_from_index(0, count) for name in names[0]]
        return one[0], one[1], offsets
    order = {pair: i for i, pair in enumerate(pairs)}
    numbers = np.array([order[run.source, run.split] for run in positions.runs], np.int64)
    chosen = pl.Series(np.repeat(numbers, [run.length for run in positions.runs])[positions.rows()])
    return (
        pl.Series([name[0] for name in names]).gather(chosen),
        pl.Series([name[1] for name in names]).gather(chosen),
        offsets,
    )


def _spans(lengths: pl.Series) -> pl.Series:
    """Lengths of time as texts; each distinct one is made once."""
    distinct, places = np.unique(lengths.to_numpy(), return_inverse=True)
    return pl.Series([seconds(int(us)) for us in distinct], dtype=pl.String).gather(pl.Series(places))


def seconds(us: int) -> str:
    """A length of time as a duration that users can give back: whole seconds, or milliseconds, rounded up."""
    if us % 1_000_000 == 0:
        return f"{us // 1_000_000} s"
    return f"{-(-us // 1_000)} ms"


def unquoted(reason: str, columns: Sequence[str]) -> str:
    """A reason without the values that it quotes: those of a masked source must not be seen."""
    return re.sub(r'"([^"]*)"', lambda found: found.group(0) if found.group(1) in columns else '"***"', reason)


def without_values(reasons: pl.Series) -> pl.Series:
    """Reasons without the values of rows, to be counted: there may be as many values as rows."""
    return reasons.str.replace(r'(?s)^cannot cast ".*" to (.+?) \((.*)\)$', "cannot cast $2 to $1")


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
