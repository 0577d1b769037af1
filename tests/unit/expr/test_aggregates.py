"""Aggregates: by plain meaning, by Polars and by the engine alike; merging and taking back are lawful."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal as D
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.core import dtypes as t
from penstock.core.dtypes import DType, to_polars
from penstock.core.errors import PlanError, UnknownNameError
from penstock.core.schema import Field, Schema
from penstock.expr.aggregates import AGGREGATES
from penstock.expr.ast import Aggregation, Column, literal
from penstock.expr.build import Expr, col, count
from penstock.expr.function import Aggregate, NotOnFlink, RowFault
from penstock.expr.infer import infer, infer_aggregation
from penstock.expr.interpret import interpret
from penstock.expr.lower import lower
from penstock.state.aggregates import AggregateTable
from penstock.state.batch import Batch
from penstock.state.layout import layout_of
from tests.unit.expr.both import FAULT, plain

Row = tuple[Any, ...]
COLUMNS = ("x", "y")


# -- Three ways to a result -------------------------------------------------------------------------


def schema_of(types: tuple[DType, ...]) -> Schema:
    named = zip(COLUMNS, types, strict=False)
    return Schema((Field("key", t.Int64, nullable=False), *(Field(name, dtype) for name, dtype in named)))


def declared(expr: Expr) -> tuple[Aggregate, dict[str, Any]]:
    assert isinstance(expr.term, Aggregation)
    return AGGREGATES[expr.term.aggregate], dict(expr.term.options)


def state_after(expr: Expr, rows: list[Row], types: tuple[DType, ...], state: Any = None, sign: int = 1) -> Any:
    """The state of the meaning, with rows added or taken back."""
    aggregate, options = declared(expr)
    typed, _ = infer_aggregation(expr.term, schema_of(types))
    arguments = [interpret(arg) for arg in typed.args]
    state = aggregate.init(**options) if state is None else state
    change = aggregate.add if sign > 0 else aggregate.retract
    assert change is not None
    for row in rows:
        named = dict(zip(COLUMNS, row, strict=False))
        values = [argument(named) for argument in arguments]
        if all(value is not None for value in values):
            state = change(state, *values, **options)
    return state


def result_of(expr: Expr, rows: list[Row], state: Any) -> Any:
    aggregate, options = declared(expr)
    if not any(all(value is not None for value in row) for row in rows):
        return aggregate.empty
    try:
        return aggregate.result(state, **options)
    except RowFault:
        return FAULT


def by_meaning(expr: Expr, rows: list[Row], types: tuple[DType, ...]) -> Any:
    return result_of(expr, rows, state_after(expr, rows, types))


def frame_of(groups: list[list[Row]], types: tuple[DType, ...]) -> pl.DataFrame:
    rows = [(key, *row) for key, group in enumerate(groups) for row in group]
    names = [(name, to_polars(dtype)) for name, dtype in zip(("key", *COLUMNS), (t.Int64, *types), strict=False)]
    return pl.DataFrame(rows, schema=names, orient="row", strict=False)


def by_polars(expr: Expr, groups: list[list[Row]], types: tuple[DType, ...]) -> list[Any]:
    aggregate, options = declared(expr)
    typed, _ = infer_aggregation(expr.term, schema_of(types))
    names = [f"a{i}" for i in range(len(typed.args))]
    arguments = [lower(arg).value.alias(name) for arg, name in zip(typed.args, names, strict=True)]
    frame = frame_of(groups, types).select("key", *arguments)
    known = frame.drop_nulls(names) if names else frame
    made = known.group_by("key", maintain_order=True).agg(aggregate.polars(*map(pl.col, names), **options).alias("r"))
    if isinstance(typed.dtype, t.Map):
        made = made.cast({"r": to_polars(typed.dtype)})
    assert made.schema["r"] == to_polars(typed.dtype)
    found = dict(made.select("key", "r").iter_rows())
    return [found.get(key, aggregate.empty) for key in range(len(groups))]


def batch_of(layout: Any, frame: pl.DataFrame, schema: Schema, sign: int = 1) -> Batch:
    terms = [lower(infer(term, schema)).value.alias(name) for name, term in layout.projection]
    series = {s.name: s for s in frame.select(*terms)} if terms else {}
    signs = None if sign > 0 else np.full(len(frame), -1, np.int8)
    keys = layout.codec.encode([frame["key"]], len(frame))
    return Batch(keys, series, len(frame), signs)


def by_engine(
    expr: Expr, groups: list[list[Row]], types: tuple[DType, ...], less: list[list[Row]] | None = None
) -> list[Any]:
    """The results of the engine's state; with `less`, after rows were taken back from a changing input."""
    schema = schema_of(types)
    layout = layout_of(schema, ["key"], [("r", expr.term)], updating=less is not None, counted=True)
    table = AggregateTable(layout)
    # Every key has a row that counts for nothing, so that empty groups show.
    nothing = [[(None,) * len(types)] for _ in groups]
    for sign, part in ((1, nothing), (1, groups), (-1, less or [])):
        frame = frame_of(part, types)
        if len(frame) and (types or part is not nothing):
            table.fold(batch_of(layout, frame, schema, sign), None, 1)
    found = table.keys.find(layout.codec.encode([pl.Series("key", range(len(groups)), dtype=pl.Int64)], len(groups)))
    if not types:
        found = found[found >= 0]
    (raw,), fits = table.results(found)
    values = raw.series("r", layout.columns[0].dtype).to_list()
    return values if fits is None else [value if fit else FAULT for value, fit in zip(values, fits, strict=True)]


def near(a: Any, b: Any, scale: float) -> bool:
    """Whether two results agree: floats within the rounding of sums of that size."""
    if isinstance(a, float) and isinstance(b, float) and math.isfinite(a) and math.isfinite(b):
        return abs(a - b) <= 1e-9 * max(scale, 1e-300)
    return bool(plain(_without_sign_of_zero(a)) == plain(_without_sign_of_zero(b)))


def _without_sign_of_zero(value: Any) -> Any:
    """-0.0 equals 0.0, and which of the two state keeps is not promised."""
    if isinstance(value, list):
        return [_without_sign_of_zero(item) for item in value]
    return value + 0.0 if isinstance(value, float) else value


# -- Kinds of values --------------------------------------------------------------------------------

SMALL = st.integers(-3, 3)
FLOATS = st.floats(-1e6, 1e6, allow_subnormal=False) | SMALL.map(float)
ODD_FLOATS = FLOATS | st.sampled_from([math.nan, math.inf, -math.inf, -0.0])
KINDS: dict[str, tuple[DType, st.SearchStrategy[Any]]] = {
    "integer": (t.Int64, SMALL | st.integers(-(2**40), 2**40)),
    "small": (t.Int8, st.integers(-128, 127)),
    "unsigned": (t.UInt64, st.integers(0, 5) | st.integers(0, 2**40)),
    "float": (t.Float64, FLOATS),
    "odd": (t.Float64, ODD_FLOATS),
    "single": (t.Float32, SMALL.map(lambda n: n / 2)),
    "decimal": (t.Decimal(12, 2), st.integers(-(10**6), 10**6).map(lambda n: D(n).scaleb(-2))),
    "boolean": (t.Boolean, st.booleans()),
    "text": (t.String, st.text("ab\u00e9\U0001f600", max_size=2)),
    "date": (t.Date, st.dates()),
    "moment": (t.Datetime("us"), st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2100, 1, 1))),
    "milliseconds": (t.Datetime("ms", "UTC"), st.integers(0, 9).map(
        lambda n: dt.datetime(2024, 1, 1, n, tzinfo=dt.UTC))),
    "time": (t.Time, st.times()),
    "duration": (t.Duration("us"), st.timedeltas(dt.timedelta(-100), dt.timedelta(100))),
    "extreme": (t.Int64, st.sampled_from([-(2**63), 2**63 - 1, 0])),
}  # fmt: skip
x = col("x")


def of_sql(name: str, dtype: DType, **options: Any) -> Expr:
    """An aggregate of SQL, which has no method."""
    chosen = (
        (("dtype", dtype), *({"ddof": 0, "root": False} | options).items()) if name == "spread" else (("dtype", dtype),)
    )
    return Expr(Aggregation(f"sql.{name}", (Column("x"),), None, chosen))


NUMERIC = ("integer", "small", "unsigned", "float", "odd", "single", "decimal", "boolean")
ORDERED = tuple(KINDS)
HASHED = tuple(kind for kind in KINDS if kind != "decimal")
ONE_COLUMN: list[tuple[Expr, tuple[str, ...]]] = [
    (x.count(), ORDERED),
    (x.sum(), (*NUMERIC, "duration")),
    (x.mean(), NUMERIC),
    (x.var(), NUMERIC),
    (x.std(), NUMERIC),
    (x.std(ddof=0), ("float",)),
    (x.min(), ORDERED),
    (x.max(), ORDERED),
    (x.n_unique(), ORDERED),
    (x.mode(), ORDERED),
    (x.any(), ("boolean",)),
    (x.all(), ("boolean",)),
    (x.median(), ("integer", "float", "decimal")),
    (x.quantile(0.3), ("integer", "odd")),
    (x.quantile(0.5, "linear"), ("float",)),
    (x.quantile(0.9, interpolation="equiprobable"), ("small",)),
    (x.quantile(0.25, "lower"), ("float",)),
    (x.quantile(0.75, "higher"), ("float",)),
    (x.quantile(0.1, "midpoint"), ("float",)),
    (x.first(), ORDERED),
    (x.last(), ORDERED),
    (x.list(), ORDERED),
    *(
        (of_sql(name, dtype, **more), (kind,))
        for name, more in (("sum", {}), ("sum_distinct", {}), ("avg", {}), ("avg_distinct", {}))
        for kind, dtype in (("integer", t.Int64), ("small", t.Int8), ("float", t.Float64), ("single", t.Float32))
    ),
    (of_sql("sum", t.Decimal(38, 2)), ("decimal",)),
    (of_sql("avg", t.Decimal(38, 6)), ("decimal",)),
    (of_sql("sum", t.Int64), ("extreme",)),
    (of_sql("spread", t.Float64, ddof=1, root=True), ("float",)),
    (of_sql("spread", t.Int8, ddof=0), ("small",)),
    (x.approx_n_unique(precision=6), HASHED),
    (x.hll(), HASHED),
    (x.count_min(error=0.1), ("integer", "odd", "text")),
    (x.bloom(capacity=10), ("integer", "odd", "text")),
    (x.approx_quantile(0.3), ("integer", "odd", "decimal")),
    (x.quantile_sketch(error=0.05), ("small", "odd")),
    (x.unique(), ORDERED),
    (x.str_join("-"), ("text",)),
    (x.quantile([0.1, 0.5, 1.0]), ("integer", "odd")),
    (x.quantile((0.5,), "linear"), ("float",)),
    (x.sum(distinct=True), (*NUMERIC, "duration", "extreme")),
    (x.mean(distinct=True), ("integer", "odd", "boolean")),
    (x.var(distinct=True), ("small", "float")),
    (x.std(distinct=True, ddof=0), ("float",)),
    (x.median(distinct=True), ("integer",)),
    (x.quantile(0.5, distinct=True), ("odd",)),
    (x.list(distinct=True), ORDERED),
    (x.str_join(distinct=True), ("text",)),
    (Expr(Aggregation("sql.listagg", (Column("x"),), None, (("separator", "-"),))), ("text",)),
]
CASES = [(expr, kind) for expr, kinds in ONE_COLUMN for kind in kinds]
BY = [x.first(by="y"), x.last(by=col("y")), x.arg_min("y"), x.arg_max(by="y")]
IDS = [f"{expr.term}-{kind}" for expr, kind in CASES]


def size_of(rows: list[Row]) -> float:
    finite = [abs(float(row[0])) for row in rows if isinstance(row[0], (int, float, D)) and math.isfinite(row[0])]
    return sum(finite) + sum(v * v for v in finite)


def groups_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[list[Row]]]:
    return st.lists(st.lists(st.tuples(st.none() | values), max_size=7), min_size=1, max_size=4)


@pytest.mark.parametrize(("expr", "kind"), CASES, ids=IDS)
def test_meaning_polars_and_engine_agree(expr: Expr, kind: str) -> None:
    dtype, values = KINDS[kind]

    @settings(max_examples=8, deadline=None)
    @given(groups_of(values))
    @example([[], [(None,)]])
    def agree(groups: list[list[Row]]) -> None:
        meant = [by_meaning(expr, group, (dtype,)) for group in groups]
        typed, _ = infer_aggregation(expr.term, schema_of((dtype,)))
        assert typed.nullable or None not in meant
        engine = by_engine(expr, groups, (dtype,))
        assert [value is FAULT for value in engine] == [value is FAULT for value in meant]
        for group, a, b, c in zip(groups, meant, by_polars(expr, groups, (dtype,)), engine, strict=True):
            if a is FAULT:
                continue
            assert near(a, b, size_of(group)), f"{expr.term} of {group}: meaning {a!r}, Polars {b!r}"
            assert near(a, c, size_of(group)), f"{expr.term} of {group}: meaning {a!r}, engine {c!r}"

    agree()


@pytest.mark.parametrize(("expr", "kind"), CASES, ids=IDS)
def test_merging_is_associative_and_taking_back_undoes_adding(expr: Expr, kind: str) -> None:
    dtype, values = KINDS[kind]
    aggregate, _ = declared(expr)
    rows = st.lists(st.tuples(values), max_size=5)

    @settings(max_examples=8, deadline=None)
    @given(rows, rows, rows)
    def laws(a: list[Row], b: list[Row], c: list[Row]) -> None:
        one, two, three = (state_after(expr, part, (dtype,)) for part in (a, b, c))
        whole = state_after(expr, a + b + c, (dtype,))
        left = aggregate.merge(aggregate.merge(one, two), three)
        right = aggregate.merge(one, aggregate.merge(two, three))
        results = [plain(result_of(expr, a + b + c, state)) for state in (whole, left, right)]
        assert results[0] == results[1] == results[2]
        if aggregate.retract is None:
            return
        undone = state_after(expr, b[::-1], (dtype,), state_after(expr, a + b, (dtype,)), sign=-1)
        assert plain(result_of(expr, a, undone)) == plain(result_of(expr, a, one))

    laws()


# The order of a changing input is that of its changes, which only whole plans have.
UNORDERED = [
    (expr, kind)
    for expr, kind in CASES
    if not declared(expr)[0].order_sensitive and declared(expr)[0].retraction != "refused"
]


@pytest.mark.parametrize(("expr", "kind"), UNORDERED, ids=[f"{expr.term}-{kind}" for expr, kind in UNORDERED])
def test_the_engine_takes_rows_back(expr: Expr, kind: str) -> None:
    """What is left after taking back the rows that came last is what would be there without them."""
    dtype, values = KINDS[kind]
    rows = st.lists(st.tuples(st.none() | values), max_size=4)

    @settings(max_examples=5, deadline=None)
    @given(st.lists(st.tuples(rows, rows), min_size=1, max_size=3))
    def agree(parts: list[tuple[list[Row], list[Row]]]) -> None:
        groups, less = [kept + gone for kept, gone in parts], [gone for _, gone in parts]
        meant = [by_meaning(expr, kept, (dtype,)) for kept, _ in parts]
        found = by_engine(expr, groups, (dtype,), less)
        if FAULT in meant:
            assert found == [FAULT]
            return
        for group, a, b in zip(groups, meant, found, strict=True):
            assert near(a, b, 1e3 * size_of(group)), f"{expr.term} of {parts}: meaning {a!r}, engine {b!r}"

    agree()


@pytest.mark.parametrize("expr", BY, ids=str)
@pytest.mark.parametrize("kind", ["integer", "odd", "text", "moment"])
def test_by_another_column(expr: Expr, kind: str) -> None:
    dtype, values = KINDS[kind]
    types = (t.String, dtype)
    row = st.tuples(st.none() | st.text("abc", min_size=1, max_size=1), st.none() | values)

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.lists(row, max_size=7), min_size=1, max_size=3))
    def agree(groups: list[list[Row]]) -> None:
        meant = [by_meaning(expr, group, types) for group in groups]
        assert meant == by_polars(expr, groups, types) == by_engine(expr, groups, types)

    agree()


def test_ties_go_by_position() -> None:
    rows: list[Row] = [("a", 2), ("b", 1), ("c", 2), ("d", 1), ("e", None), (None, 0)]
    types = (t.String, t.Int64)
    found = [by_meaning(expr, rows, types) for expr in BY]
    assert found == ["b", "c", "b", "a"]
    assert [by_polars(expr, [rows], types)[0] for expr in BY] == found


# -- Particular cases -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(AGGREGATES))
def test_examples(name: str) -> None:
    aggregate = AGGREGATES[name]
    assert len(aggregate.examples) > 1
    known = next(rows for rows, *_ in aggregate.examples if rows)
    types = tuple(literal(value).dtype for value in known[0])
    for rows, *rest in aggregate.examples:
        options = {**aggregate.options, **(rest[0] if len(rest) == 2 else {})}
        here = tuple(literal(value).dtype for value in rows[0]) if rows else types
        columns = tuple(Column(column) for column in COLUMNS[: aggregate.arity])
        expr = Expr(Aggregation(name, columns, None, tuple(options.items())))
        assert plain(by_meaning(expr, rows, here)) == plain(rest[-1])
        if rest[-1] is not FAULT:
            assert plain(by_polars(expr, [rows], here)) == plain([rest[-1]])
        if rows:
            assert plain(by_engine(expr, [rows], here)) == plain([rest[-1]])


def test_rows_are_counted_with_their_nulls_values_without() -> None:
    groups: list[list[Row]] = [[(1,), (None,)], [(None,)]]
    assert [by_meaning(x.count(), group, (t.Int64,)) for group in groups] == [1, 0]
    assert by_engine(x.count(), groups, (t.Int64,)) == [1, 0]
    assert by_engine(count(), [[()], [(), ()]], ()) == [1, 2]
    assert not infer_aggregation(x.count().term, schema_of((t.Int64,)))[0].nullable


def test_sums_do_not_overflow_on_the_way() -> None:
    rows: list[Row] = [(2**63 - 1,), (2**63 - 1,), (-(2**63),), (-(2**63 - 2),)]
    assert by_meaning(x.sum(), rows, (t.Int64,)) == by_engine(x.sum(), [rows], (t.Int64,))[0] == 0
    assert by_engine(x.sum(), [rows[:2]], (t.Int64,)) == [FAULT]


def test_float_sums_are_compensated_and_give_back_what_they_took() -> None:
    rows: list[Row] = [(1e16,), (1.0,), (1.0,), (-1e16,)]
    assert by_meaning(x.sum(), rows, (t.Float64,)) == by_engine(x.sum(), [rows], (t.Float64,))[0] == 2.0
    odd: list[Row] = [(math.nan,), (math.inf,)]
    assert by_engine(x.sum(), [[(0.1,), *odd]], (t.Float64,), less=[odd]) == [0.1]


def test_a_decimal_sum_of_too_many_digits_is_refused() -> None:
    rows: list[Row] = [(D("9" * 38),), (D(1),)]
    assert by_meaning(x.sum(), rows, (t.Decimal(38, 0),)) is FAULT


@pytest.mark.parametrize(
    ("expr", "dtype", "result"),
    [
        (x.sum(), t.Int8, t.Int64), (x.sum(), t.UInt64, t.Int64), (x.sum(), t.Float32, t.Float64),
        (x.sum(), t.Decimal(5, 2), t.Decimal(38, 2)), (x.sum(), t.Duration("ms"), t.Duration("ms")),
        (x.mean(), t.Int64, t.Float64), (x.mean(), t.Decimal(5, 2), t.Float64), (x.min(), t.Int8, t.Int8),
        (x.list(), t.String, t.List(t.String)), (x.n_unique(), t.String, t.Int64), (x.first(), t.Date, t.Date),
        (x.median(), t.Int64, t.Float64), (x.sum(), t.Null, t.Int64),
    ],
    ids=str,
)  # fmt: skip
def test_types(expr: Expr, dtype: DType, result: DType) -> None:
    assert infer_aggregation(expr.term, schema_of((dtype,)))[0].dtype == result


@pytest.mark.parametrize(
    ("expr", "dtype"),
    [
        (x.sum(), t.String), (x.mean(), t.Date), (x.min(), t.List(t.Int64)), (x.any(), t.Int64),
        (x.var(ddof=-1), t.Int64),
        (x.quantile(1.5), t.Int64), (x.quantile(True), t.Int64), (x.quantile(0.5, "cubic"), t.Int64),
        (x.n_unique(), t.Struct({"a": t.Int64})), (x.arg_max("y"), t.Int64), (x.list(), t.List(t.Int64)),
        (x.first(), t.Map(t.String, t.Int64)),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_mean_anything_is_refused_when_the_plan_is_built(expr: Expr, dtype: DType) -> None:
    with pytest.raises(PlanError):
        infer_aggregation(expr.term, schema_of((dtype, t.List(t.Int64))))


def test_building() -> None:
    assert str(x.count().term) == "count_values(x)"
    assert str(x.first(by="t").term) == "first_by(x, t)"
    assert str(x.arg_max(by=col("t") + 1).term) == "arg_max(x, (t + 1))"
    assert str(x.list().term) == "list(x)"
    assert str(x.quantile(0.5).term) == "quantile(x, q=0.5, interpolation='nearest')"
    for wrong in (("first", "t"), ("sum", "y"), ("arg_max",), ("dt",), ("quantile",), ("quantile", 0.5, "linear", 1)):
        with pytest.raises(PlanError):
            getattr(x, wrong[0])(*wrong[1:])
    with pytest.raises(PlanError, match="no option"):
        x.sum(by="t")
    with pytest.raises(UnknownNameError, match="mean"):
        x.avg()
    assert "count" in dir(x)
    assert "count_values" not in dir(x)


def test_flink_knows_two_spreads() -> None:
    aggregate, options = declared(x.var())
    assert aggregate.spelling([t.Float64], options) == "VAR_SAMP({0})"
    assert aggregate.spelling([t.Float64], {"ddof": 0}) == "VAR_POP({0})"
    assert isinstance(aggregate.spelling([t.Float64], {"ddof": 2}), NotOnFlink)
    assert AGGREGATES["sum"].spelling([t.Int64], {}) == "SUM({0})"


@pytest.mark.parametrize("name", ["first", "last"])
@pytest.mark.parametrize("dtype", [t.Float64, t.Float32, t.Int64, t.Date, t.Boolean])
def test_first_and_last_of_fixed_types_are_kept_in_words(name: str, dtype: DType) -> None:
    assert AGGREGATES[name].words((dtype,), {}) is not None
