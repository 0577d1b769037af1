"""FROM bound: tables, queries, window functions, UNNEST; joins are in `bind_join`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from penstock.core.dtypes import Datetime, Duration, Int32, List, Map, Struct
from penstock.core.errors import PlanError
from penstock.expr.ast import Call as PlanCall
from penstock.expr.ast import Column, Literal, Term
from penstock.expr.infer import Typed
from penstock.operators.select import Select as SelectNode
from penstock.sql import functions, operators, terms, windows
from penstock.sql.scope import END, START, TIME, Related, Scope, ScopeColumn
from penstock.sql.syntax import (
    Call,
    Derived,
    Join,
    MatchRecognize,
    Relation,
    TableArgument,
    TableFunction,
    TableName,
)

if TYPE_CHECKING:
    from penstock.sql.bind_query import Queries

MARKS = {START: "$window_start", END: "$window_end", TIME: "$window_time"}
"""What stands for the bounds of windows that no operator has made yet."""


def bind_relation(binder: Queries, relation: Relation, outer: Scope | None) -> Related:
    """What is in FROM.

    Raises:
        PlanError: If it cannot mean anything.
    """
    match relation:
        case TableName():
            return _table(binder, relation)
        case Derived(query, alias, lateral):
            if lateral and outer is None:
                lateral = False
            found = binder.query(query, outer if lateral else None)
            if alias is None:
                return replace(found, columns=tuple(replace(one, table=None) for one in found.columns))
            return found.renamed(alias.name, alias.columns, binder.text, alias.at)
        case TableFunction():
            return _function(binder, relation)
        case Join():
            from penstock.sql.bind_join import bind_join

            return bind_join(binder, relation, outer)
        case MatchRecognize():
            from penstock.sql.bind_match import match_recognize

            return match_recognize(binder, relation, bind_relation(binder, relation.input, outer))
    raise binder.text.error("this cannot be read from", relation.at, relation.end)


def _table(binder: Queries, table: TableName) -> Related:
    text = binder.text
    if table.as_of is not None:
        raise text.error("FOR SYSTEM_TIME AS OF belongs to a table that is joined", table.at, table.end)
    name = table.path[-1]
    if len(table.path) > 1 and table.path[:-1][0].name not in ("default_catalog", "default_database"):
        raise text.error(
            f'there is no catalog or database "{table.path[0].name}"', table.at, table.end, hint=f"just {name.name}"
        )
    found = binder.named(name.name, name.at, name.end, table.hints)
    label = table.alias.name if table.alias else name.name
    return found.renamed(label, table.alias.columns if table.alias else (), text, table.at)


def _function(binder: Queries, function: TableFunction) -> Related:
    text = binder.text
    if function.name in windows.PARAMETERS:
        return _windowed(binder, function)
    if function.name == "UNNEST":
        return unnested(binder, binder.one_row(text.where(function.at, function.end)), function, "cross", None)
    known = [*windows.PARAMETERS, "UNNEST"]
    raise text.unknown("table function", function.name, known, function.at)


def _windowed(binder: Queries, function: TableFunction) -> Related:
    text = binder.text
    found = windows.arguments(function, text)
    data = found["DATA"]
    assert isinstance(data, TableArgument)
    related = bind_relation(binder, data.relation, None)
    if related.window is not None:
        raise text.error(
            "a window of windows needs an aggregation between", function.at, function.end,
            hint="GROUP BY window_start, window_end, window_time, then DESCRIPTOR(window_time)",
        )  # fmt: skip
    scope = Scope(related)
    if data.partition and function.name != "SESSION":
        raise text.error(f"{function.name} has no PARTITION BY", data.at, data.end, hint="GROUP BY it")
    names = []
    for one in data.partition:
        column = binder.expressions(scope, "PARTITION BY").bind(one).term
        if not isinstance(column, Column):
            raise text.error("PARTITION BY takes columns here", one.at, one.end)
        names.append(column.name)
    pending = windows.pending(function, related, text, tuple(names))
    alias = function.alias
    # The bounds that an earlier window made are ordinary columns from here on.
    columns = [replace(one, role="", table=None) for one in related.columns]
    kept = [one for one in columns if one.name not in ("window_start", "window_end", "window_time")]
    bound = Datetime("ms")
    zone = pending.zone
    for role, dtype in ((START, bound), (END, bound), (TIME, Datetime("ms", zone))):
        kept.append(ScopeColumn(f"window_{role}", Column(MARKS[role]), dtype, False, None, role))
    made = replace(related, columns=tuple(kept), window=pending, used=None)
    return made.renamed(alias.name if alias else None, alias.columns if alias else (), text, function.at)


def bounds_of(related: Related, zone: str | None) -> dict[str, Term]:
    """What the bounds of windows are over the rows of an operator that has made them, by their marks.

    `window_start` and `window_end` are wall-clock times in SQL, as TIMESTAMP(3).
    """
    import datetime as dt

    def wall(name: str) -> Typed:
        field = related.node.schema[name]
        bound = Typed(Column(name), field.dtype, False)
        if (
            zone and isinstance(field.dtype, Datetime) and field.dtype.zone != zone
        ):  # sessions have no zone of their own
            bound = functions.widened(bound, Datetime(field.dtype.unit, zone))
        return terms.call("dt.replace_time_zone", [bound], time_zone=None)

    end = related.node.schema["window_end"]
    start_wall, end_wall = wall("window_start"), wall("window_end")
    last = Typed(Column("window_end"), end.dtype, False) if zone else end_wall
    millisecond = functions.constant(dt.timedelta(milliseconds=1), Duration("us"))
    time = terms.call("sub", [last, millisecond])
    ms = functions.widened
    narrowed = {}
    for mark, value, target in (
        (MARKS[START], start_wall, Datetime("ms")),
        (MARKS[END], end_wall, Datetime("ms")),
        (MARKS[TIME], time, Datetime("ms", zone)),
    ):
        narrowed[mark] = ms(value, target).term
    return narrowed


def unnested(binder: Queries, left: Related, function: TableFunction, kind: str, outer: Scope | None) -> Related:
    """`left CROSS JOIN UNNEST(left.items) AS t (a, b)`.

    Raises:
        PlanError: If it is no array.
    """
    text = binder.text
    place = text.where(function.at, function.end)
    (_, argument) = function.args[0]
    value = binder.expressions(Scope(left, outer), "UNNEST").bind(argument)  # type: ignore[arg-type]
    if isinstance(value.dtype, Map):
        value = functions.resolve("MAP_ENTRIES", [value])
    if not isinstance(value.dtype, List):
        raise text.error(
            f"UNNEST takes an ARRAY, found {functions.spelled(value.dtype)}", argument.at, argument.end,
            hint="an ARRAY or a MAP",
        )  # fmt: skip
    name, place_name = "$element", "$place"
    schema = left.node.schema
    while name in schema:
        name, place_name = f"{name}0", f"{place_name}0"
    columns = (*((one, Column(one)) for one in schema.names), (name, value.term))
    node = operators.explode(
        SelectNode(input=left.node, columns=columns, where=place),
        name,
        keep_empty=kind == "left",
        ordinality=place_name if function.ordinality else None,
        where=place,
    )
    inner = value.dtype.inner
    alias = function.alias
    if isinstance(inner, Struct):
        made = [
            ScopeColumn(n, PlanCall("struct.field", (Column(name),), (("name", n),)), t, True) for n, t in inner.fields
        ]
    else:
        made = [ScopeColumn("EXPR$0", Column(name), inner, True)]
    if function.ordinality:
        made.append(ScopeColumn("ORDINALITY", Column(place_name), Int32, kind == "left"))
    right = Related(node, tuple(made)).renamed(
        alias.name if alias else None, alias.columns if alias else (), text, function.at
    )
    return replace(left, node=node, columns=(*left.columns, *right.columns))


def table_function(binder: Queries, left: Related, function: TableFunction, kind: str, outer: Scope | None) -> Related:
    """`left CROSS JOIN LATERAL TABLE(f(left.x)) AS t (a, b)`: a function that gives a list is unnested.

    Raises:
        PlanError: If there is no such function, or it gives no list.
    """
    from penstock.sql.udfs import lifted

    text = binder.text
    name = next((one for one in binder.udfs if one.upper() == function.name), None)
    if name is None:
        raise text.unknown("table function", function.name, list(binder.udfs), function.at)
    if not isinstance(binder.udfs[name].gives, List):
        raise text.error(
            f"{name} gives one value, and a table function a list", function.at, function.end,
            hint="@ps.udf(returns=ps.List(ps.Struct({...})))",
        )  # fmt: skip
    args = tuple(one for _, one in function.args)
    call = Call(function.name, args, at=function.at, end=function.end, written=name)  # type: ignore[arg-type]
    left, column = lifted(binder, left, call, outer)
    return unnested(binder, left, replace(function, name="UNNEST", args=((None, column),)), kind, outer)


_ = (Literal, PlanError)
