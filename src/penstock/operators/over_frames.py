"""How the functions of a frame are computed: over rows of keys laid end to end, those that are kept before the new.

A frame of some rows is rolled: Polars computes sums, means, least and greatest values of overlapping frames in one
pass. With all rows so far a key keeps one row of partial results, which goes before its new rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.core.dtypes import Boolean, Decimal, DType, Duration, Float64, Int64, to_polars
from penstock.core.errors import UnsupportedError
from penstock.core.lazy import np, pl
from penstock.core.schema import Field, Schema
from penstock.expr.aggregates import AGGREGATES
from penstock.expr.ast import Aggregation, Frame, Lag, Term
from penstock.expr.infer import infer, infer_aggregation

if TYPE_CHECKING:
    import polars as pl

SO_FAR = ("count", "count_values", "sum", "mean", "min", "max", "first", "last", "any", "all")
"""The aggregates that there are of all rows so far."""
ROLLING = (*SO_FAR, "var", "std", "n_unique", "median", "quantile")
"""The aggregates that there are of a frame with a beginning."""
HALF = 1 << 32


@dataclass(frozen=True)
class Part:
    """One function: what it takes, and what it gives.

    Attributes:
        name: Its column.
        aggregate: The name of the aggregate, or `lag`.
        options: Its options; of a lag, how many rows.
        dtype: The type of its result.
        values: The column of its argument; None if it has none.
        where: The column of its condition, or None.
        typed: The type of its argument.
    """

    name: str
    aggregate: str
    options: dict[str, Any]
    dtype: DType
    values: str | None
    where: str | None
    typed: DType | None


def parts_of(functions: Sequence[tuple[str, Term]], schema: Schema) -> tuple[list[Part], list[tuple[str, Term, Field]]]:
    """The functions over rows of a schema, and the columns that must be computed for them."""
    columns: dict[Term, tuple[str, Field]] = {}
    parts = []

    def column(term: Term, dtype: DType, nullable: bool) -> str:
        name = f"__a{len(columns)}"
        return columns.setdefault(term, (name, Field(f"a{len(columns)}", dtype, nullable)))[0]

    for name, function in functions:
        if isinstance(function, Lag):
            typed = infer(function.term, schema)
            made = column(typed.term, typed.dtype, typed.nullable)
            parts.append(Part(name, "lag", {"rows": function.rows}, typed.dtype, made, None, typed.dtype))
            continue
        assert isinstance(function, Aggregation)
        typed, where = infer_aggregation(function, schema)
        condition = column(where.term, Boolean, True) if where is not None else None
        arg = typed.args[0] if typed.args else None
        made_of = column(arg.term, arg.dtype, arg.nullable) if arg is not None else None
        options = dict(function.options)
        parts.append(
            Part(name, function.aggregate, options, typed.dtype, made_of, condition, arg.dtype if arg else None)
        )
    return parts, [(name, term, field) for term, (name, field) in columns.items()]


def counted(part: Part) -> pl.Expr:
    """The values that count; null in rows that do not."""
    values = pl.col(part.values) if part.values is not None else pl.lit(value=True)
    return values if part.where is None else pl.when(pl.col(part.where)).then(values)


# -- frames with a beginning ---------------------------------------------------


def rolled(frame: pl.DataFrame, parts: Sequence[Part], kind: str, preceding: int) -> tuple[list[pl.Series], Any]:
    """The functions of each row of a frame.

    Args:
        frame: Rows by key (`group`), and in a key by `index`: instants, or the numbers of its rows.
        parts: The functions.
        kind: `rows` or `range`.
        preceding: How far back, in the units of `index`.

    Returns:
        The results, and by row whether all of them fit their types.
    """
    lags = [part for part in parts if part.aggregate == "lag"]
    made: dict[str, pl.Series] = {}
    if lags:
        exprs = [counted(p).shift(p.options["rows"]).over("group").alias(p.name) for p in lags]
        made |= {series.name: series for series in frame.select(exprs)}
    rest = [part for part in parts if part.aggregate != "lag"]
    fits: Any = np.ones(frame.height, np.bool_)
    if rest:
        inputs = frame.select("group", "index", *(_given(part, frame).alias(part.name) for part in rest))
        found = inputs.rolling("index", period=f"{preceding + 1}i", closed="right", group_by="group").agg(
            expr for part in rest for expr in _rolling(part)
        )
        for part in rest:
            made[part.name], fitting = _finished(part, found)
            fits &= fitting
    return [made[part.name] for part in parts], fits


def _given(part: Part, frame: pl.DataFrame) -> pl.Expr:
    """The values of a function as they are aggregated: whole numbers are summed without end."""
    values = counted(part)
    if part.aggregate == "sum" and part.typed != Float64:
        return _whole(values, part.typed)
    return values


def _whole(values: pl.Expr, dtype: DType | None) -> pl.Expr:
    if isinstance(dtype, Decimal):
        raise UnsupportedError("sums of decimals over a frame are not offered yet", hint="cast to Float64")
    return (values.dt.total_microseconds() if isinstance(dtype, Duration) else values.cast(pl.Int64)).cast(pl.Int128)


def _rolling(part: Part) -> list[pl.Expr]:
    values = pl.col(part.name)
    count = values.count().cast(pl.Int64)
    if part.aggregate in ("count", "count_values"):
        return [count.alias(part.name)]
    if part.aggregate == "sum":
        return [values.sum().alias(part.name), count.alias(f"__n_{part.name}")]
    return [AGGREGATES[part.aggregate].polars(values.drop_nulls(), **part.options).alias(part.name)]


def _finished(part: Part, found: pl.DataFrame) -> tuple[pl.Series, Any]:
    """The result of a function, and by row whether it fits its type."""
    made, fits = found.get_column(part.name), np.ones(found.height, np.bool_)
    if part.aggregate == "sum":
        made, fits = _summed(made, found.get_column(f"__n_{part.name}"), part.dtype)
    return made.cast(to_polars(part.dtype)).alias(part.name), fits


def _summed(sums: pl.Series, counts: pl.Series, dtype: DType) -> tuple[pl.Series, Any]:
    """Sums as values of their type, null of nothing; and by row whether they fit."""
    fits: Any = np.ones(len(sums), np.bool_)
    if sums.dtype == pl.Int128:
        fits = (
            pl.select(sums.is_between(_wide(-(2**63)), _wide(2**63 - 1)).fill_null(value=True)).to_series().to_numpy()
        )
        sums = sums.set(~pl.Series(fits), None) if not fits.all() else sums
        sums = sums.cast(pl.Int64)
        if isinstance(dtype, Duration):
            sums = sums.cast(pl.Duration("us"))
    none = pl.Series([None], dtype=sums.dtype).new_from_index(0, len(sums))
    return sums.zip_with(counts > 0, none), fits


# -- all rows so far -----------------------------------------------------------


def partial_schema(parts: Sequence[Part]) -> Schema:
    """What a key keeps: the partial results of each function."""
    fields: list[Field] = []
    for i, part in enumerate(parts):
        fields.append(Field(f"n{i}", Int64, nullable=False))
        if part.aggregate in ("sum", "mean"):
            whole = part.typed != Float64
            fields += [Field(f"h{i}", Int64, nullable=False)] if whole else []
            fields.append(Field(f"s{i}", Int64 if whole else Float64, nullable=False))
        elif part.aggregate not in ("count", "count_values"):
            assert part.typed is not None
            fields.append(Field(f"v{i}", part.typed, nullable=True))
    return Schema(tuple(fields))


def so_far(frame: pl.DataFrame, parts: Sequence[Part]) -> tuple[list[pl.Series], Any, pl.DataFrame]:
    """The functions of all rows up to each row.

    Args:
        frame: Rows by key (`group`): of a key first its partial results, then its new rows (`is_new`).
        parts: The functions.

    Returns:
        The results, by row whether they fit their types, and the partial results up to each row.
    """
    kept: dict[str, pl.Series] = {}
    made, fits = [], np.ones(frame.height, np.bool_)
    for i, part in enumerate(parts):
        values = frame.select(counted(part).alias("v")).get_column("v")
        if len(values) != frame.height:
            values = values.new_from_index(0, frame.height)
        base = frame.select("group", "is_new", pl.col(f"n{i}").fill_null(0).alias("n")).with_columns(values)
        here = (pl.col("is_new") & pl.col("v").is_not_null()).cast(pl.Int64)
        counts = base.select((pl.col("n") + here).cum_sum().over("group")).to_series()
        kept[f"n{i}"] = counts
        if part.aggregate in ("count", "count_values"):
            made.append(counts)
        elif part.aggregate in ("sum", "mean"):
            sums = _running_sums(frame, base, part, i)
            kept |= _kept_sums(sums, i)
            if part.aggregate == "sum":
                found, inside = _summed(sums, counts, part.dtype)
                fits &= inside
            else:
                found = pl.select(pl.when(counts > 0).then(sums.cast(pl.Float64) / counts)).to_series()
            made.append(found)
        else:
            chosen = _running_choice(frame, base, part, i)
            kept[f"v{i}"] = chosen
            made.append(chosen)
    results = [s.cast(to_polars(part.dtype)).alias(part.name) for s, part in zip(made, parts, strict=True)]
    return results, fits, pl.DataFrame([s.alias(name) for name, s in kept.items()])


def _running_sums(frame: pl.DataFrame, base: pl.DataFrame, part: Part, i: int) -> pl.Series:
    values = pl.when("is_new").then(pl.col("v"))
    if part.typed == Float64:
        before = frame.get_column(f"s{i}").fill_null(0.0)
        given = values.fill_null(0.0)
    else:
        high, low = (frame.get_column(f"{x}{i}").fill_null(0).cast(pl.Int128) for x in "hs")
        before = high * _wide(HALF) + low
        given = _whole(values, part.typed).fill_null(0)
    summed = (given + pl.col("before")).cum_sum().over("group")
    return base.with_columns(before.alias("before")).select(summed).to_series()


def _kept_sums(sums: pl.Series, i: int) -> dict[str, pl.Series]:
    """Sums in words: whole numbers as two, so that a sum that does not fit now may fit again."""
    if sums.dtype != pl.Int128:
        return {f"s{i}": sums}
    high = sums // _wide(HALF)
    return {f"h{i}": high.cast(pl.Int64), f"s{i}": (sums - high * _wide(HALF)).cast(pl.Int64)}


def _wide(number: int) -> pl.Series:
    """A number as a column of one row that wide columns can be computed with."""
    return pl.Series([number], dtype=pl.Int128)


def _running_choice(frame: pl.DataFrame, base: pl.DataFrame, part: Part, i: int) -> pl.Series:
    """The least, greatest, first or last value up to each row."""
    before = frame.get_column(f"v{i}")
    values = base.select(pl.when("is_new").then(pl.col("v")).otherwise(before)).to_series()
    if part.aggregate in ("first", "last"):
        rank = pl.Series(np.arange(len(values), dtype=np.int64))
    else:
        rank = values.rank("dense").cast(pl.Int64)
    rank = rank.zip_with(values.is_not_null(), pl.Series([None], dtype=pl.Int64).new_from_index(0, len(rank)))
    least = part.aggregate in ("first", "min", "all")
    ranks = pl.col("r").cum_min() if least else pl.col("r").cum_max()
    chosen = base.select("group").with_columns(r=rank).select(ranks.forward_fill().over("group")).to_series()
    first = pl.DataFrame({"r": rank, "v": values}).drop_nulls("r").unique("r", maintain_order=True)
    asked = pl.DataFrame({"r": chosen})
    return asked.join(first, on="r", how="left", maintain_order="left").get_column("v")


def is_framed(frame: Frame) -> bool:
    """Whether a frame has a beginning."""
    return frame.preceding is not None
