"""The rows of windows without an aggregate: each row once per window that it is in, with its bounds."""

from __future__ import annotations

import datetime as dt
import decimal
from dataclasses import replace
from typing import Any

from penstock.core.dtypes import (
    FLOATS,
    Binary,
    Boolean,
    Date,
    Datetime,
    Decimal,
    DType,
    Duration,
    String,
    Time,
    is_numeric,
)
from penstock.core.errors import UnsupportedError
from penstock.core.timespan import DAY, Span
from penstock.core.where import Where
from penstock.expr.ast import Aggregation, Column, Term
from penstock.expr.infer import Typed
from penstock.operators.explode import Explode
from penstock.operators.filter import Filter
from penstock.operators.select import Select
from penstock.plan.node import Node
from penstock.plan.windows import UTC, Cumulative, Hopping
from penstock.sql import functions, operators, terms
from penstock.sql.bind_from import MARKS, bounds_of
from penstock.sql.scope import END, START, TIME, Related

_START, _END, _MOST = "$start", "$end", 10_000


def rows_of_windows(related: Related, place: Where) -> Related:
    """The rows with the bounds of their windows as columns, at once: no row waits for its window, and none is late.

    Raises:
        UnsupportedError: If the windows are of the clock, or follow a zone.
    """
    pending = related.window
    windows = pending.windows
    if pending.sessions and not pending.clock:
        return _rows_of_sessions(related, place)
    if windows is None or pending.clock or windows.zone != UTC:
        what = "windows of the clock" if pending.clock else "windows of a zone"
        raise UnsupportedError(
            f"the rows of {what} without an aggregate are not offered in SQL yet", where=place,
            hint="GROUP BY window_start, window_end",
        )  # fmt: skip
    node, bounds = _assigned(related, place)
    made = {
        MARKS[START]: ("$ws", functions.widened(_wall(bounds[0]), Datetime("ms"))),
        MARKS[END]: ("$we", functions.widened(_wall(bounds[1]), Datetime("ms"))),
        MARKS[TIME]: ("$wt", functions.widened(_moved(bounds[1], -1_000), Datetime("ms", pending.zone))),
    }
    kept = tuple((name, Column(name)) for name in related.node.schema.names)
    node = Select(input=node, columns=(*kept, *((name, one.term) for name, one in made.values())), where=place)
    known: dict[Term, Term] = {Column(mark): Column(name) for mark, (name, _) in made.items()}
    columns = []
    for one in related.columns:
        # Rows without an aggregate keep their own event time.
        columns.append(replace(one, term=known.get(one.term, one.term), role="" if one.role == TIME else one.role))
    return replace(related, node=node, columns=tuple(columns), window=None, used=pending)


def _rows_of_sessions(related: Related, place: Where) -> Related:
    """The rows of each session when it closes: a list of them per session, taken apart."""
    pending, schema = related.window, related.node.schema
    listed, fields = [], []
    for i, field in enumerate(schema.fields):
        value, name = Typed(Column(field.name), field.dtype, field.nullable), f"$v{i}"
        if field.nullable:
            # An array has no NULL: in its place is some value, and beside it whether it is one.
            null, there = Typed(Column(f"$n{i}"), Boolean, False), functions.resolve("IS NULL", [value])
            listed.append((f"$n{i}", Aggregation("list", (there.term,))))
            value = functions.resolve("COALESCE", [value, functions.constant(_some(field.dtype, place), field.dtype)])
            whole = functions.case(
                [(null, functions.constant(None, field.dtype))], Typed(Column(name), field.dtype, False)
            )
            fields.append((field.name, whole.term))
        else:
            fields.append((field.name, Column(name)))
        listed.append((name, Aggregation("list", (value.term,))))
    node = operators.windowed(related.node, pending.partition, pending, tuple(listed), where=place)
    (first, _), *rest = listed
    node = Explode(input=node, column=first, beside=tuple(name for name, _ in rest), where=place)
    bounds = bounds_of(Related(node, ()), pending.zone)
    made = {MARKS[START]: "$ws", MARKS[END]: "$we", MARKS[TIME]: "$wt"}
    node = Select(input=node, columns=(*fields, *((name, bounds[mark]) for mark, name in made.items())), where=place)
    known: dict[Term, Term] = {Column(mark): Column(name) for mark, name in made.items()}
    columns = tuple(
        replace(one, term=known.get(one.term, one.term), role="" if one.role == TIME else one.role)
        for one in related.columns
    )
    return replace(related, node=node, columns=columns, window=None, used=pending)


def _some(dtype: DType, place: Where) -> Any:
    """A value of a type, whichever."""
    match dtype:
        case Datetime():
            return dt.datetime(1970, 1, 1, tzinfo=dt.UTC if dtype.zone else None)
        case Duration():
            return dt.timedelta(0)
        case Decimal():
            return decimal.Decimal(0)
    known = {String: "", Boolean: False, Date: dt.date(1970, 1, 1), Time: dt.time(), Binary: b""}
    if dtype in known:
        return known[dtype]
    if not is_numeric(dtype):
        raise UnsupportedError(f"the rows of sessions have no {dtype} columns that may be NULL", where=place)
    return 0.0 if dtype in FLOATS else 0


def _assigned(related: Related, place: Where) -> tuple[Node, tuple[Typed, Typed]]:
    windows, facts = related.window.windows, related.node.facts
    field = related.node.schema[str(related.time)]
    time = Typed(Column(field.name), field.dtype, False)
    size = _us(windows.size)
    step = _us(windows.every) if isinstance(windows, Hopping) else size
    origin = terms.call("dt.truncate", [_moved(time, facts.time_shift - windows.offset)], every=f"{step // 1_000}ms")
    origin = _moved(origin, windows.offset)
    if isinstance(windows, Cumulative):
        every = _us(windows.every)
        pairs = [(0, every * (i + 1)) for i in range(_count(size, every, place))]
    else:
        pairs = [(-step * i, size - step * i) for i in reversed(range(_count(size, step, place)))]
    # Each window is told by its end.
    ends = [_moved(origin, end) for _, end in pairs]
    kept = tuple((name, Column(name)) for name in related.node.schema.names)
    if len(ends) == 1:
        given: tuple[tuple[str, Term], ...] = ((_END, ends[0].term),)
        node: Node = Select(input=related.node, columns=(*kept, *given, (_START, origin.term)), where=place)
    else:
        many = functions.resolve("ARRAY", ends)
        given = ((_END, many.term), (_START, origin.term))
        node = Explode(
            input=Select(input=related.node, columns=(*kept, *given), where=place), column=_END, where=place
        )  # fmt: skip
    end = Typed(Column(_END), node.schema[_END].dtype, False)
    first = Typed(Column(_START), node.schema[_START].dtype, False)
    if isinstance(windows, Cumulative):
        inside = functions.resolve(">", [end, _moved(time, facts.time_shift)])
        return Filter(input=node, predicate=inside.term, where=place), (first, end)
    return node, (_moved(end, -size), end)


def _count(size: int, step: int, place: Where) -> int:
    if size // step > _MOST:
        raise UnsupportedError(f"a row is in {size // step} windows, at most {_MOST} are offered", where=place)
    return size // step


def _us(span: Span) -> int:
    return span.us + span.days * DAY


def _moved(time: Typed, us: int) -> Typed:
    if us == 0:
        return time
    length = functions.constant(dt.timedelta(microseconds=abs(us)), Duration("us"))
    return terms.call("add" if us > 0 else "sub", [time, length])


def _wall(time: Typed) -> Typed:
    if isinstance(time.dtype, Datetime) and time.dtype.zone:
        return terms.call("dt.replace_time_zone", [time], time_zone=None)
    return time
