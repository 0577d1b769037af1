"""How the functions of a frame are computed: over rows of keys laid end to end, those that are kept before the new.

A frame of some rows is rolled: Polars computes sums, means, least and greatest values of overlapping frames in one
pass. With all rows so far a key keeps one row of partial results, which goes before its new rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.core.dtypes import Boolean, Decimal, DType, Duration, Float64, Int64, to_polars
from penstock.core.lazy import np, pl
from penstock.core.schema import Field, Schema
from penstock.expr.aggregates import AGGREGATES
from penstock.expr.ast import Aggregation, Frame, Lag, Term
from penstock.expr.function import Words
from penstock.expr.infer import infer, infer_aggregation

if TYPE_CHECKING:
    import polars as pl

COUNTS = ("count", "count_values")
CHOICES = ("min", "max", "first", "last", "any", "all")
"""Aggregates that give one of their values."""
SUMMED = ("sum", "float_sum", "count")
"""Accumulators of which sums and counts are made; what they add up to is what the aggregate makes of them."""
HALF = 1 << 32


def is_offered(aggregate: str, types: Sequence[DType], options: dict[str, Any], frame: Frame) -> bool:
    """Whether there is an aggregate over a frame: of all rows so far, only what needs no values but one."""
    declared = AGGREGATES[aggregate]
    if declared.arity > 1 or aggregate == "list" or declared.sketch is not None:
        return False
    known = aggregate in (*COUNTS, *CHOICES) or summing_words(aggregate, types, options) is not None
    return known or (frame.preceding is not None and not any(isinstance(one, Decimal) for one in types))


def summing_words(aggregate: str, types: Sequence[DType], options: dict[str, Any]) -> Words | None:
    """The accumulators of an aggregate, if they are sums and counts."""
    words = AGGREGATES[aggregate].words(list(types), options) if types else None
    return words if words is not None and all(kind in SUMMED for kind, _ in words.kinds) else None


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

    @property
    def words(self) -> Words | None:
        """Its accumulators, if it is made of sums and counts."""
        if self.aggregate in ("lag", *COUNTS, *CHOICES) or self.typed is None:
            return None
        return summing_words(self.aggregate, [self.typed], self.options)

    @property
    def is_whole(self) -> bool:
        """Whether what it sums are whole numbers."""
        return self.words is not None and all(kind != "float_sum" for kind, _ in self.words.kinds)


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
    return _whole(values, part.typed) if part.is_whole else values


def _whole(values: pl.Expr, dtype: DType | None) -> pl.Expr:
    return (values.dt.total_microseconds() if isinstance(dtype, Duration) else values.cast(pl.Int64)).cast(pl.Int128)


def _rolling(part: Part) -> list[pl.Expr]:
    values = pl.col(part.name)
    count = values.count().cast(pl.Int64)
    if part.aggregate in COUNTS:
        return [count.alias(part.name)]
    if part.words is not None:
        return [values.sum().alias(part.name), count.alias(f"__n_{part.name}")]
    declared = AGGREGATES[part.aggregate]
    found = declared.polars(values.drop_nulls(), **part.options)
    if part.aggregate not in CHOICES:
        found = pl.when(count > 0).then(found).otherwise(pl.lit(declared.empty))
    return [found.alias(part.name)]


def _finished(part: Part, found: pl.DataFrame) -> tuple[pl.Series, Any]:
    """The result of a function, and by row whether it fits its type."""
    made, fits = found.get_column(part.name), np.ones(found.height, np.bool_)
    if part.words is not None:
        made, fits = summed(part, made, found.get_column(f"__n_{part.name}"))
    return made.cast(to_polars(part.dtype)).alias(part.name), fits


def summed(part: Part, sums: pl.Series, counts: pl.Series) -> tuple[pl.Series, Any]:
    """What a function makes of sums and counts, and by row whether it fits its type."""
    words, count = part.words, counts.to_numpy()
    assert words is not None
    read: list[Any] = []
    for kind, _ in words.kinds:
        if kind == "count":
            read.append(count)
        elif kind == "float_sum":
            read.append((sums.to_numpy(), count))
        else:
            fits = pl.select(sums.is_between(_wide(-(2**63)), _wide(2**63 - 1))).to_series()
            whole = sums.cast(pl.Int64, wrap_numerical=True)
            read.append((whole.to_numpy(), fits.to_numpy(), sums.cast(pl.Float64).to_numpy()))
    values, valid = words.finish(*read)
    made = pl.Series(values)
    if not valid.all():
        made = made.zip_with(pl.Series(valid), pl.Series([None], dtype=made.dtype).new_from_index(0, len(made)))
    return made, words.fits(*read) if words.fits is not None else np.ones(len(count), np.bool_)


def _wide(number: int) -> pl.Series:
    """A number as a column of one row that wide columns can be computed with."""
    return pl.Series([number], dtype=pl.Int128)


# -- all rows so far -----------------------------------------------------------


def partial_schema(parts: Sequence[Part]) -> Schema:
    """What a key keeps: the partial results of each function."""
    fields: list[Field] = []
    for i, part in enumerate(parts):
        fields.append(Field(f"n{i}", Int64, nullable=False))
        if part.words is not None:
            whole = part.is_whole
            fields += [Field(f"h{i}", Int64, nullable=False)] if whole else []
            fields.append(Field(f"s{i}", Int64 if whole else Float64, nullable=False))
        elif part.aggregate not in COUNTS:
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
        if part.aggregate in COUNTS:
            made.append(counts)
        elif part.words is not None:
            sums = _running_sums(frame, base, part, i)
            kept |= _kept_sums(sums, i)
            found, inside = summed(part, sums, counts)
            fits &= inside
            made.append(found)
        else:
            chosen = _running_choice(frame, base, part, i)
            kept[f"v{i}"] = chosen
            made.append(chosen)
    results = [s.cast(to_polars(part.dtype)).alias(part.name) for s, part in zip(made, parts, strict=True)]
    return results, fits, pl.DataFrame([s.alias(name) for name, s in kept.items()])


def _running_sums(frame: pl.DataFrame, base: pl.DataFrame, part: Part, i: int) -> pl.Series:
    values = pl.when("is_new").then(pl.col("v"))
    if not part.is_whole:
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
