"""Stream and Table: thin handles on plan nodes. A verb is one line; what it promises is said on its node."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from penstock.api.columns import flat, named_terms, names_of, passed, replaced
from penstock.api.functions import calls_of_verb, with_functions
from penstock.api.grouping import Grouped
from penstock.api.grouping_sets import GroupedSets
from penstock.api.joins import Joining, node_of
from penstock.api.lives import bounded_sides, bounded_state
from penstock.api.lookups import LookingUp
from penstock.api.mapping import MapVerbs
from penstock.api.process import process_of, side_of
from penstock.api.process_inputs import BroadcastVerb
from penstock.api.rows import RowVerbs
from penstock.api.timing import add_event_time
from penstock.api.verbs import unknown_verb
from penstock.api.waiting import WaitingVerbs
from penstock.connectors.base import Sink
from penstock.core.dtypes import FLOATS, INTEGERS, DType, Float64, Int64, Struct, as_dtype
from penstock.core.errors import PlanError
from penstock.core.where import caller
from penstock.expr.ast import Call, Cast, Column, Term, literal
from penstock.expr.build import Expr, term_of
from penstock.operators.changelog import Changelog
from penstock.operators.expect import Expect
from penstock.operators.explode import Explode
from penstock.operators.filter import Filter
from penstock.operators.inspect import Inspect
from penstock.operators.refused import Refused
from penstock.operators.select import Select
from penstock.operators.stateless import and_all
from penstock.operators.union import Union
from penstock.operators.write import Write
from penstock.plan.keyed_windows import Hybrid
from penstock.plan.node import UPDATING, Node

if TYPE_CHECKING:
    import polars as pl

    from penstock.core.schema import Schema

S = TypeVar("S", bound="Stream")
R = TypeVar("R")


class Output:
    """What `stream.write(...)` gives: an output for a `Pipeline`.

    Attributes:
        node: The plan node.
    """

    def __init__(self, node: Write) -> None:
        self.node = node

    def __repr__(self) -> str:
        return f"<Output {self.node.describe()}>"


class Stream(RowVerbs, Joining, LookingUp, MapVerbs, WaitingVerbs, BroadcastVerb):
    """Append-only rows: a value that describes them. Nothing runs until a pipeline does.

    Attributes:
        node: The plan node that gives the rows.
    """

    def __init__(self, node: Node) -> None:
        self.node = node

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.node.verb}: {self.schema}>"

    @property
    def schema(self) -> Schema:
        """The columns with their types."""
        return self.node.schema

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.schema.names)

    def _to(self: S, node: Node) -> S:
        return stream(node)  # type: ignore[return-value]

    # -- choosing and computing columns

    def select(self: S, *columns: Any, **named: Any) -> S:
        """Only the columns named or computed; see `Select`."""
        node, terms = with_functions(self.node, named_terms(columns, named))
        return self._to(Select(input=node, columns=terms, where=caller()))

    def with_columns(self: S, *columns: Any, **named: Any) -> S:
        """All columns, and those computed: new ones, or in the place of one with the same name; see `Select`."""
        node, terms = with_functions(self.node, named_terms(columns, named))
        terms = replaced(self.schema, terms)
        return self._to(Select(input=node, columns=terms, spelling="with_columns", where=caller()))

    def drop(self: S, *names: Any) -> S:
        """All columns but those named."""
        gone = names_of(names, "drop")
        for name in gone:
            self._require(name)
        terms = tuple((name, Column(name)) for name in self.schema.names if name not in gone)
        return self._to(Select(input=self.node, columns=terms, spelling="drop", where=caller()))

    def rename(self: S, names: Mapping[str, str] | None = None, **named: str) -> S:
        """The same columns under other names: `rename({"old": "new"})` or `rename(old="new")`."""
        new = {**(names or {}), **named}
        for name in new:
            self._require(name)
        terms = tuple((new.get(name, name), Column(name)) for name in self.schema.names)
        return self._to(Select(input=self.node, columns=terms, spelling="rename", where=caller()))

    def cast(self: S, types: Mapping[str, Any] | None = None, *, strict: bool = True, **named: Any) -> S:
        """Columns converted to other types; a row with a value that does not fit leaves by `errors`."""
        terms = tuple((n, Cast(Column(n), as_dtype(t), strict)) for n, t in {**(types or {}), **named}.items())
        for name, _ in terms:
            self._require(name)
        columns = replaced(self.schema, terms)
        return self._to(Select(input=self.node, columns=columns, spelling="cast", where=caller()))

    def fill_null(self: S, value: Any = None, **named: Any) -> S:
        """Nulls replaced: in all columns that can hold a value, or by a value per column (`{"a": 0}`, `a=0`)."""
        if isinstance(value, Mapping):
            named = {**value, **named}
        elif value is not None:
            fitting = [f.name for f in self.schema if _holds(f.dtype, literal(value).dtype)]
            if not fitting:
                raise PlanError(f"no column can hold {value!r}", where=caller(), hint="fill_null(column=value)")
            named = {name: value for name in fitting if name not in named} | named
        for name in named:
            self._require(name)
        terms = tuple((n, Call("coalesce", (Column(n), term_of(v)))) for n, v in named.items())
        columns = replaced(self.schema, terms)
        return self._to(Select(input=self.node, columns=columns, spelling="fill_null", where=caller()))

    def unnest(self: S, column: str) -> S:
        """The fields of a struct column as columns in its place."""
        self._require(column)
        dtype = self.schema[column].dtype
        if not isinstance(dtype, Struct):
            raise PlanError(f'unnest takes a struct, found "{column}": {dtype}', where=caller())
        terms: list[tuple[str, Term]] = []
        for name in self.schema.names:
            if name == column:
                terms += [(field, Expr(Column(column))[field].term) for field, _ in dtype.fields]
            else:
                terms.append((name, Column(name)))
        return self._to(Select(input=self.node, columns=tuple(terms), spelling="unnest", where=caller()))

    # -- choosing and making rows

    def filter(self: S, *conditions: Any) -> S:
        """The rows for which all conditions are true; see `Filter`."""
        predicate = and_all([term_of(c) for c in flat(conditions)])
        if predicate is None:
            raise PlanError("filter takes a condition", where=caller())
        node, ((_, predicate),) = with_functions(self.node, (("", predicate),))
        made: Node = Filter(input=node, predicate=predicate, where=caller())
        if node is not self.node:
            made = Select(input=made, columns=passed(self.schema), spelling="filter", where=caller())
        return self._to(made)

    def expect(self: S, **conditions: Any) -> S:
        """Rows that break a condition leave by `errors`, with its name; see `Expect`."""
        terms = tuple((name, term_of(c)) for name, c in conditions.items())
        return self._to(Expect(input=self.node, conditions=terms, where=caller()))

    def explode(self: S, column: str, *, keep_empty: bool = False) -> S:
        """One row per element of a list column; see `Explode`."""
        return self._to(Explode(input=self.node, column=column, keep_empty=keep_empty, where=caller()))

    def union(self: S, *others: Stream) -> S:
        """All rows of this and of other streams with the same columns; see `Union`."""
        nodes = (self.node, *(node_of(other, "union") for other in flat(others)))
        return self._to(Union(streams=nodes, where=caller()))

    def inspect(self: S, label: str = "inspect") -> S:
        """The same rows, counted under a name; see `Inspect`."""
        return self._to(Inspect(input=self.node, label=label, where=caller()))

    def pipe(self, function: Callable[..., R], *args: Any, **named: Any) -> R:
        """What `function(stream, ...)` gives: for functions that build parts of pipelines."""
        return function(self, *args, **named)

    # -- time, groups, state

    def with_event_time(
        self: S, time: Any, *, watermark: Any = None, idle: Any = "1 min", on_silence: str = "advance",
        align: str | None = None, drift: Any = "1 min",
    ) -> S:  # fmt: skip
        """Make a column, or an expression, the event time; before any verb with state; see `Watermark`, `ps.read`."""
        return self._to(add_event_time(self.node, time, watermark, idle, on_silence, align, drift))

    def group_by(self, *keys: Any, **named: Any) -> Grouped:
        """Go on per key: `.agg(...)` for a Table, `.window(...).agg(...)` for a Stream per window.

        With `ps.rollup`, `ps.cube` or `ps.grouping_sets` among the keys: for each set of them; see `GroupedSets`.
        """
        several = GroupedSets.of(self.node, keys, named)
        if several is not None:
            return cast("Grouped", several)
        terms = named_terms(keys, named)
        computed = tuple((name, term) for name, term in terms if term != Column(name))
        node = self.node
        if computed:
            node, computed = with_functions(node, computed)
            columns = replaced(self.schema, computed)
            node = Select(input=node, columns=columns, spelling="group_by", where=caller())
        return Grouped(node, tuple(name for name, _ in terms))

    def window(self, windows: Any, **options: Any) -> Any:
        """One window for all rows: `.window(...).agg(...)` without keys."""
        return Grouped(self.node, ()).window(windows, **options)

    def agg(self, *aggregates: Any, **named: Any) -> Table:
        """Aggregates over all rows: a Table of one row."""
        return Grouped(self.node, ()).agg(*aggregates, **named)

    def state(self: S, name: str, *, ttl: Any = None, ttl_left: Any = None, ttl_right: Any = None) -> S:
        """Name the state of the last verb, so that a changed program finds it again, wherever the verb has moved.

        Without a name a verb is found by its kind and its place on the way to its output, whose name counts. To name
        it later is to move it. Of `read` the name covers how far it was read, and its watermarks.

        Args:
            name: The name, unique in the pipeline.
            ttl: How long a key is kept after its last row: `"7 days"` by event time, or `ps.processing_time("7 days")`
                by the clock, as Flink's `table.exec.state.ttl` does. What becomes of a key that has expired is said on
                the verb's node (see `Group`). By default keys are kept for ever. Of a join, how long rows of both
                sides are kept (see `Join`).
            ttl_left: Of a join, how long rows of the left side are kept, if not as long as those of the right side.
            ttl_right: As well, rows of the right side.

        Raises:
            UnsupportedError: If the verb has no state that could expire, or its rows have no event time.
        """
        node = named(self.node, name)
        if ttl_left is not None or ttl_right is not None:
            return self._to(bounded_sides(node, ttl_left or ttl, ttl_right or ttl))
        return self._to(node if ttl is None else bounded_state(node, ttl))

    # -- what was refused, and where rows go

    def late(self) -> Stream:
        """The rows that the last verb refused as late, with `_why`."""
        return self._refused("late")

    def errors(self) -> Stream:
        """The rows that the last verb refused as bad, with `_why`.

        Of `read` with an event time these are the rows that could not be decoded, those for which the time has no
        value, and those without one.
        """
        parts = calls_of_verb(self.node) or parts_of_verb(self.node)
        if len(parts) < 2:
            return self._refused("errors")
        where = caller()
        names = parts[-1].port_schema("errors").names
        terms = tuple((name, Column(name)) for name in names)
        refused = [Refused(input=part, port="errors", where=where) for part in parts]
        return Stream(Union(streams=tuple(Select(input=r, columns=terms, where=where) for r in refused), where=where))

    def side(self, name: str) -> Stream:
        """The rows that a process function sent to a side output: the key, and the columns declared for it."""
        return Stream(side_of(self.node, name))

    def _refused(self, port: str) -> Stream:
        node = process_of(self.node)
        while (
            port not in node.refuses
            and node.verb in ("select", "watermark", "inspect", "over", "apply", "map_async", "process")
            and node.inputs
        ):
            node = node.inputs[0]
        if port == "late" and isinstance(getattr(node, "windows", None), Hybrid) and node.inputs[0].verb == "sort":
            node = node.inputs[0]  # such windows take rows in their order: who orders them refuses
        return Stream(Refused(input=node, port=port, where=caller()))

    def write(self, sink: Sink, key: Any = None, name: str | None = None) -> Output:
        """Write the rows to a sink: an output for a `Pipeline`; see `Write`."""
        if not isinstance(sink, Sink):
            raise PlanError(f"write takes a sink, found {sink!r}", where=caller(), hint='FileSink("out/rides"), say')
        keys = names_of([key], "key") if key is not None else None
        chosen = name or sink.default_name()
        return Output(Write(input=self.node, sink=sink, name=chosen, key=keys, where=caller()))

    # -- looking

    def collect(self) -> pl.DataFrame:
        """All rows of a bounded stream (of a Table: its final rows) as a Polars frame. Runs it, here and now."""
        result: pl.DataFrame = _runner().collect(self.node, caller())
        return result

    def preview(self, rows: int = 20, *, wait: Any = "2 s") -> pl.DataFrame:
        """The first rows, or those that came within `wait`, as a Polars frame."""
        result: pl.DataFrame = _runner().preview(self.node, rows, wait, caller())
        return result

    def show(self, rows: int = 20, *, wait: Any = "2 s") -> None:
        """Print the first rows."""
        _runner().show(self.node, rows, wait, caller())

    def _require(self, name: str) -> None:
        if name not in self.schema:
            Select(input=self.node, columns=((name, Column(name)),), where=caller())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise unknown_verb(name, type(self))


class Table(Stream):
    """Rows that change: it has a key, updates and deletes. The stateless verbs and `group_by` take it too.

    Attributes:
        node: The plan node that gives the rows.
    """

    @property
    def key(self) -> tuple[str, ...] | None:
        """The columns whose values are unique among the rows, if known."""
        return self.node.facts.key

    def changelog(self) -> Stream:
        """The changes as rows, with a column `op`; see `Changelog`."""
        return Stream(Changelog(input=self.node, where=caller()))


def parts_of_verb(node: Node) -> list[Node]:
    """The nodes that one verb of the user made: an event time is named, perhaps computed, perhaps just read."""
    parts: list[Node] = []
    if node.verb == "watermark":
        parts.append(node)
        node = node.inputs[0]
    if parts and getattr(node, "spelling", "") == "event_time":
        parts.append(node)
        node = node.inputs[0]
    if parts and node.verb == "read":
        parts.append(node)
    return parts


def named(node: Node, name: str) -> Node:
    """A node with a name for its state; the other nodes of the same verb are named after it."""
    if getattr(node, "spelling", "") == "agg":
        # What is computed of aggregates has no state: the aggregates have.
        return node.replace_inputs({id(node.inputs[0]): named(node.inputs[0], name)})
    made: Node | None = None
    for part in reversed(parts_of_verb(node) or [node]):
        changes: dict[str, Any] = {"state_name": name if part is node else f"{name}/{part.verb}"}
        if made is not None:
            changes["input"] = made
        made = replace(part, where=part.where or caller(), **changes)
    assert made is not None
    return made


def _holds(dtype: DType, value: DType) -> bool:
    """Whether nulls of a column are filled by a value of a type: whole numbers fill floats too."""
    if value == Int64:
        return dtype in INTEGERS or dtype in FLOATS
    return dtype in FLOATS if value == Float64 else dtype == value


def stream(node: Node) -> Stream:
    """The handle of a node: a Table if its rows change."""
    return Table(node) if node.facts.mode == UPDATING else Stream(node)


def _runner() -> Any:
    # By name, as connectors are: plans are values and know nothing of the engine that runs them.
    return importlib.import_module("penstock.runner")
