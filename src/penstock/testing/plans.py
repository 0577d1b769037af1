"""Hypothesis strategies for plans: verbs that fit the columns at hand, put together at random."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from penstock.api.stream import Stream, Table, stream
from penstock.core.dtypes import Boolean, DType, Float64, Int64, List, String, is_numeric
from penstock.core.errors import PlanError
from penstock.core.timespan import duration, from_datetime
from penstock.expr.aggregates import AGGREGATES
from penstock.expr.ast import Aggregation, Column
from penstock.expr.build import Expr, col, count, lit, when
from penstock.expr.infer import infer_aggregation
from penstock.plan.keyed_windows import count_window, global_window, session
from penstock.plan.pipeline import Pipeline
from penstock.testing.case import Case
from penstock.testing.drawing import DrawFn, SearchStrategy, st
from penstock.testing.scene import Input, Kept, Scene
from penstock.testing.strategies import KEY_TYPES, STARTS, inputs, orders, windows

OPTIONS: dict[str, dict[str, Any]] = {"quantile": {"q": 0.25}}
"""Options of aggregates that must be given."""

ILL_CONDITIONED = frozenset(("cov", "corr", "regr_slope", "regr_intercept", "regr_r2", "kll", "tdigest"))
"""Aggregates whose error is not bounded by the magnitudes of what comes in, or whose bytes depend on chance and on what
was merged with what; they are not drawn."""


# -- terms ---------------------------------------------------------------------


def _of_type(rows: Stream, *types: DType) -> list[str]:
    return [f.name for f in rows.schema if f.dtype in types]


@st.composite
def conditions(draw: DrawFn, rows: Stream) -> Expr:
    """Conditions over the columns of some rows."""
    number, word = draw(st.integers(-2, 2)), draw(st.sampled_from(["a", "b", ""]))
    options = [col(f.name).is_not_null() for f in rows.schema]
    for name in _of_type(rows, Int64, Float64):
        options += [col(name) > number, col(name) == number]
    options += [col(name) == word for name in _of_type(rows, String)]
    first, second = draw(st.sampled_from(options)), draw(st.sampled_from(options))
    found: Expr = draw(st.sampled_from([first, ~first, first & second, first | second]))
    return found


@st.composite
def terms(draw: DrawFn, rows: Stream) -> Expr:
    """Terms over the columns of some rows; some fail for some rows."""
    number = draw(st.integers(-2, 2))
    options = [lit(7), lit("x")]
    for name in _of_type(rows, Int64):
        options += [col(name) + number, col(name) * 3, col(name).cast(Float64)]
    for name in _of_type(rows, Float64):
        options += [col(name) * 0.5, col(name).cast(Int64)]
    for name in _of_type(rows, Int64, String, Boolean, Float64):
        options += [col(name), when(col(name).is_null()).then(lit(None)).otherwise(col(name))]
    found: Expr = draw(st.sampled_from(options))
    return found


def aggregates(rows: Stream, names: Sequence[str] = ()) -> SearchStrategy[dict[str, Expr]]:
    """One to four aggregates over the columns of some rows, by name; those that a Table cannot have left out.

    Args:
        rows: The rows.
        names: Only these aggregates; all of the table of aggregates by default.
    """
    found = list(fitting(rows, names or tuple(AGGREGATES)))
    chosen = st.lists(st.sampled_from(found), min_size=1, max_size=4, unique_by=lambda one: str(one.term))
    free = [name for name in (f"a{i}" for i in range(4 + len(rows.columns))) if name not in rows.columns]
    named = chosen.map(lambda drawn: dict(zip(free, drawn, strict=False)))

    @st.composite
    def filtered(draw: DrawFn) -> dict[str, Expr]:
        result = draw(named)
        for name in [name for name in result if draw(st.integers(0, 3)) == 0]:
            result[name] = result[name].filter(draw(conditions(rows)))
        return result

    return filtered()


def fitting(rows: Stream, names: Sequence[str]) -> list[Expr]:
    """All aggregates that accept columns of some rows."""
    found = [count()]
    for name in names:
        declared = AGGREGATES[name]
        options = OPTIONS.get(name, {})
        open_options = [key for key, default in declared.options.items() if default is ... and key not in options]
        # The rows of a Table have no order: what depends on it would depend on the cut into steps.
        refused = isinstance(rows, Table) and (declared.retraction == "refused" or declared.order_sensitive)
        if open_options or declared.arity == 0 or refused or name in ILL_CONDITIONED:
            continue
        for column in rows.schema.names:
            args = (Column(column), *[Column(rows.schema.names[0])] * (declared.arity - 1))
            given = tuple((key, options.get(key, default)) for key, default in declared.options.items())
            term = Aggregation(name, args, None, given)
            if _fits(term, rows):
                found.append(Expr(term))
    return found


def _fits(term: Aggregation, rows: Stream) -> bool:
    try:
        infer_aggregation(term, rows.schema)
    except PlanError:
        return False
    return True


# -- verbs ---------------------------------------------------------------------


Verb = Callable[[DrawFn, Stream], Stream]


def _filter(draw: DrawFn, rows: Stream) -> Stream:
    return rows.filter(draw(conditions(rows)))


def _with_columns(draw: DrawFn, rows: Stream) -> Stream:
    name = draw(st.sampled_from(["x", "y", "i", "s"]))
    if name in (rows.node.facts.key or ()):
        name = "x"
    return rows.with_columns(**{name: draw(terms(rows))})


def _select(draw: DrawFn, rows: Stream) -> Stream:
    required = {rows.node.facts.time, *(rows.node.facts.key or ()), "k"} & set(rows.columns)
    kept = [name for name in rows.columns if name in required or draw(st.booleans())] or rows.columns[:1]
    return rows.select(*draw(st.permutations(kept)))


def _rename(draw: DrawFn, rows: Stream) -> Stream:
    free = [name for name in rows.columns if name not in ("at", "k") and f"{name}_" not in rows.columns]
    if not free:
        return rows
    name = draw(st.sampled_from(free))
    return rows.rename({name: f"{name}_"})


def _expect(draw: DrawFn, rows: Stream) -> Stream:
    return rows.expect(holds=draw(conditions(rows)))


def _explode(draw: DrawFn, rows: Stream) -> Stream:
    lists = [f.name for f in rows.schema if isinstance(f.dtype, List)]
    return rows.explode(lists[0], keep_empty=draw(st.booleans())) if lists else rows


def _union(draw: DrawFn, rows: Stream) -> Stream:
    return rows.union(_filter(draw, rows))


def _inspect(draw: DrawFn, rows: Stream) -> Stream:
    return rows.inspect("here")


STATELESS: tuple[Verb, ...] = (_filter, _with_columns, _select, _expect, _explode, _rename, _inspect, _union)


@st.composite
def stateless(draw: DrawFn, rows: Stream, most: int = 3) -> Stream:
    """Some rows behind up to `most` stateless verbs."""
    verbs = STATELESS
    if isinstance(rows, Table):
        verbs = (_filter, _with_columns, _expect, _inspect)
    for verb in draw(st.lists(st.sampled_from(verbs), max_size=most)):
        rows = verb(draw, rows)
    return rows


def keys_of(rows: Stream) -> list[str]:
    """Columns that can be keys, `k` first."""
    found = _of_type(rows, *KEY_TYPES)
    return sorted(found, key=lambda name: name != "k")


@st.composite
def grouped(draw: DrawFn, rows: Stream, names: Sequence[str] = ()) -> Table:
    """Running aggregates of some rows."""
    usable = keys_of(rows)
    keys = draw(st.lists(st.sampled_from(usable[:3]), max_size=2, unique=True)) if usable else []
    found = rows.group_by(*keys).agg(**draw(aggregates(rows, names)))
    return found


@st.composite
def windowed(draw: DrawFn, rows: Stream, names: Sequence[str] = (), zones: bool = True) -> Stream:
    """Aggregates of some rows per window."""
    usable = [name for name in keys_of(rows) if name not in ("window_start", "window_end")]
    keys = draw(st.lists(st.sampled_from(usable[:3]), max_size=2, unique=True)) if usable else []
    return rows.group_by(*keys).window(draw(windows(zones=zones))).agg(**draw(aggregates(rows, names)))


@st.composite
def sessions(draw: DrawFn, /, rows: Stream, names: Sequence[str] = (), **options: Any) -> Stream:
    """Aggregates of some rows per session, with a gap for all or by row, perhaps split by a condition."""
    gap: Any = draw(st.sampled_from(["1 s", "2 s", "5 s", "20 s"]))
    if draw(st.integers(0, 3)) == 0:
        other, flag = draw(st.sampled_from(["3 s", "0 s", "10 s"])), draw(conditions(rows))
        # Null where the condition is: such a row has no gap.
        spans = [lit(dt.timedelta(microseconds=duration(one))) for one in (gap, other)]
        gap = when(flag).then(spans[0]).when(~flag).then(spans[1]).otherwise(None)
    once = not {"emit", "allowed_lateness"} & set(options)
    split = draw(conditions(rows)) if once and draw(st.integers(0, 3)) == 0 else None
    return _per_window(draw, rows, session(gap, split_when=split), names, options)


@st.composite
def counted(draw: DrawFn, /, rows: Stream, names: Sequence[str] = ()) -> Stream:
    """Aggregates of some rows per so many of them."""
    many = draw(st.integers(1, 4))
    made = count_window(many, every=draw(st.one_of(st.none(), st.integers(1, many))))
    return _per_window(draw, rows, made, names, {})


@st.composite
def emitted(draw: DrawFn, /, rows: Stream, names: Sequence[str] = (), zones: bool = True, **options: Any) -> Stream:
    """Aggregates of some rows per window that is sent more than once, or without bounds."""
    made = draw(st.one_of(windows(zones=zones), st.just(global_window())))
    return _per_window(draw, rows, made, names, options)


def _per_window(draw: DrawFn, rows: Stream, made: Any, names: Sequence[str], options: Any) -> Stream:
    usable = [name for name in keys_of(rows) if name not in ("window_start", "window_end")]
    keys = draw(st.lists(st.sampled_from(usable[:3]), max_size=2, unique=True)) if usable else []
    return rows.group_by(*keys).window(made, **options).agg(**draw(aggregates(rows, names)))


@st.composite
def chosen(draw: DrawFn, rows: Stream) -> Stream:
    """Some rows behind one of the verbs that choose among whole rows, order them, or look at those before each."""
    usable = keys_of(rows)
    if not usable:
        return rows
    time = rows.node.facts.time if rows.node.facts.watermarked else None
    rows = rows.select(*(name for name in rows.columns if name in usable or name == time))
    key, other = draw(st.sampled_from(usable)), draw(st.sampled_from(usable))
    made: dict[str, Callable[[], Stream]] = {
        "dedup": lambda: rows.dedup(key, within="5 s" if time else None),
        "distinct": rows.distinct,
        "limit": lambda: rows.limit(4),
        "last": lambda: rows.dedup(key, keep="last", by=other),
        "as_table": lambda: rows.as_table(key, delete=Expr(Column(other)).is_null()),
        "top_n": lambda: rows.group_by(key).top_n(2, by=other),
        "ranked": lambda: rows.as_table(other).group_by(key).top_n(2, by=usable, rank="rank"),
    }
    if time:
        made["sort"] = lambda: rows.sort(time)
        made["first"] = lambda: rows.dedup(key, by=time)
        made["over"] = lambda: rows.with_columns(m=Expr(Column(other)).max().over(key, rows=2))
        made["range"] = lambda: rows.with_columns(m=Expr(Column(other)).last().over(key, range="3 s"))
    return made[draw(st.sampled_from(sorted(made)))]()


@st.composite
def plans(draw: DrawFn, rows: Stream) -> Stream:
    """A plan over some rows: stateless verbs around at most two keyed ones."""
    rows = draw(stateless(rows))
    kind = draw(st.sampled_from(["window", "group", "stateless", "windows", "groups", "changelog", "chosen"]))
    if kind == "chosen":
        rows = draw(chosen(rows))
        return draw(grouped(rows)) if draw(st.booleans()) else draw(stateless(rows, 1))
    if kind in ("window", "windows") and rows.node.facts.watermarked:
        rows = draw(windowed(rows))
        return draw(windowed(rows)) if kind == "windows" else draw(stateless(rows, 1))
    if kind in ("group", "groups", "changelog"):
        table: Stream = draw(grouped(rows))
        if kind == "groups":
            table = draw(stateless(table, 1))
            return draw(grouped(table))
        return table.changelog() if kind == "changelog" and isinstance(table, Table) else draw(stateless(table, 1))
    return rows


def cases(plan: Callable[[Stream], SearchStrategy[Stream]] = plans, **options: Any) -> SearchStrategy[Case]:
    """A plan over one input or two, and what happens to it.

    Args:
        plan: From rows to a strategy for what is made of them.
        **options: What `inputs` takes.
    """

    @st.composite
    def drawn(draw: DrawFn) -> Case:
        given: list[Input] = [draw(inputs("input1", **options))]
        rows = stream(given[0].node())
        if draw(st.integers(0, 3)) == 0:
            shared = {"key_types": [given[0].schema["k"].dtype], "starts": [_start(given[0])]}
            other = draw(inputs("input2", **{**options, **shared}))
            given.append(other)
            rows = rows.union(stream(other.node()))
        pipeline = Pipeline("drawn", draw(plan(rows)).write(Kept(), name="output"))
        return Case(pipeline, Scene(tuple(given), draw(orders(given))))

    return drawn()


def _start(given: Input) -> int:
    """The least of event time's beginnings that is not far from an input's rows."""
    times = [from_datetime(row["at"]) for rows in given.splits for row in rows]
    return min(STARTS, key=lambda start: abs(start - min(times, default=0)))


def numbers(rows: Stream) -> list[str]:
    """The numeric columns of some rows."""
    return [f.name for f in rows.schema if is_numeric(f.dtype)]
