"""How each operator is said: the verbs of the Python face that may have made a node, the likeliest first.

A candidate may be wrong: whoever prints says it, reads it back, and takes the first that gives the same node. So a
candidate need not ask whether it is exact, and an operator whose verb has learnt an option only misses that option.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from penstock.core.timespan import MINUTE
from penstock.expr.ast import Apply, Call, Cast, Column, Literal, Over, Term
from penstock.plan.node import Node, walk
from penstock.plan.watermark import ADVANCE
from penstock.spelling import joins
from penstock.spelling.said import (
    CLOCK,
    CONDITIONS,
    EMIT,
    FLAGS,
    FUNCTION,
    INGESTION,
    NAME,
    NAMED,
    NAMES,
    PLAIN,
    POLICY,
    RENAMES,
    SCHEMA,
    SPAN,
    STREAMS,
    TERM,
    TERMS,
    TEXT,
    TYPES,
    WINDOW,
    Arg,
    Said,
    restored,
    span_text,
)  # fmt: skip

Candidates = Iterator[Said]


# -- columns -------------------------------------------------------------------


def _below(node: Node) -> tuple[Node, dict[str, Term]]:
    """The rows below the nodes of functions and frames, and the terms that these computed, by their columns."""
    known: dict[str, Term] = {}
    while node.state_name is None:
        found: Any = node
        if node.verb == "apply":
            known[found.column] = Apply(found.function, found.args)
        elif node.verb == "over":
            known |= {name: Over(function, found.keys, found.frame) for name, function in found.functions}
        elif node.verb == "sort" and known and found.by_time and _in_frames(known):
            return found.input, known
        else:
            break
        node = found.input
    return node, known


def _in_frames(known: dict[str, Term]) -> bool:
    return any(isinstance(term, Over) for term in known.values())


def _bases(node: Node) -> Iterator[tuple[Node, dict[str, Term]]]:
    """The rows that a verb may be a method of: below its functions and frames, then what is right below it."""
    base, known = _below(node)
    if known:
        yield base, known
        if _in_frames(known) and base is not node:
            for one in walk(node):
                if one.verb == "sort" and one.inputs[0] is base:
                    yield one, known
    yield node, {}


def select(node: Any) -> Candidates:
    """By the verb that is noted on it; else the columns."""
    if node.spelling == "agg":
        yield from _computed(node)
    if node.spelling in ("filter", "sort", "top_n", "side"):
        yield from _wrapped(node)
    for base, known in _bases(node.input):
        names = base.schema.names
        columns = tuple((name, restored(term, known)) for name, term in node.columns)
        changed = tuple(one for one in columns if one[1] != Column(one[0]))
        yield from _as_noted(node.spelling, base, columns, changed)
        yield Said(base, "select", (Arg("select", NAMED, columns),))
        if set(names) <= {name for name, _ in columns}:
            yield Said(base, "with_columns", (Arg("with_columns", NAMED, changed),))


def _as_noted(spelling: str, base: Node, columns: Any, changed: Any) -> Candidates:
    names = base.schema.names
    if spelling == "drop":
        gone = tuple(name for name in names if name not in dict(columns))
        yield Said(base, "drop", (Arg("drop", NAMES, gone),))
    elif spelling == "rename":
        pairs = tuple((term.name, name) for name, term in changed if isinstance(term, Column))
        yield Said(base, "rename", (Arg("rename", RENAMES, pairs),))
    elif spelling == "cast" and all(isinstance(term, Cast) for _, term in changed):
        types = tuple((name, term.dtype) for name, term in changed)
        strict = all(term.strict for _, term in changed)
        more = () if strict else (Arg("strict", PLAIN, False),)
        yield Said(base, "cast", (Arg("cast", TYPES, types), *more))
    elif spelling == "fill_null":
        values = [(n, t.args[1]) for n, t in changed if isinstance(t, Call) and len(t.args) == 2]
        if all(isinstance(value, Literal) for _, value in values):
            yield Said(base, "fill_null", (Arg("fill_null", PLAIN, {n: _plain(v) for n, v in values}),))
    elif spelling == "unnest":
        gone = tuple(name for name in names if name not in dict(columns)) or tuple(names)
        for name in gone:
            yield Said(base, "unnest", (Arg("unnest", NAME, name),))


def _plain(value: Any) -> Any:
    return value.value


def _wrapped(node: Any) -> Candidates:
    """A filter, sort or top_n by what functions computed: the columns of that go again."""
    yield from of_node(node.input)
    if node.input.verb in ("sort", "top_n", "window_rows"):
        below = node.input.input
        if below.verb == "select":
            known = {n: t for n, t in below.columns if n not in below.input.schema}
            for base, more in _bases(below.input):
                yield from _ordered(node.input, base, known | more)


def filter_(node: Any) -> Candidates:
    """One condition."""
    for base, known in _bases(node.input):
        yield Said(base, "filter", (Arg("filter", TERM, restored(node.predicate, known)),))


# -- groups --------------------------------------------------------------------


def _keys(node: Any) -> Iterator[tuple[Node, Any]]:
    """The rows and the keys of a grouping: computed keys are columns of a node of its own."""
    below = node.input
    if below.verb == "select" and below.spelling in ("group_by", "select"):
        for base, known in _bases(below.input):
            terms = dict(below.columns)
            yield base, tuple((k, restored(terms.get(k, Column(k)), known)) for k in node.keys)
    yield below, tuple((k, Column(k)) for k in node.keys)


def _grouped(node: Any, aggregates: Any, window: tuple[Arg, ...] = ()) -> Candidates:
    for base, keys in _keys(node):
        args = (Arg("group_by", NAMED, keys),) if keys else ()
        yield Said(base, "group_by", (*args, *window, Arg("agg", NAMED, aggregates))).of_state(node)


def _windows(node: Any) -> tuple[Arg, ...]:
    args = [Arg("window", WINDOW, node.windows)]
    if getattr(node, "clock", False):
        args.append(Arg("on", CLOCK))
    emit = getattr(node, "emit", None)
    if emit is not None:
        if emit.when != "close":
            args.append(Arg("emit", EMIT, emit))
        if emit.lateness:
            args.append(Arg("allowed_lateness", SPAN, span_text(emit.lateness)))
        if not emit.accumulate:
            args.append(Arg("accumulate", PLAIN, False))
    return tuple(args)


def group(node: Any) -> Candidates:
    """Groups; without aggregates the distinct rows of a Table."""
    if not node.aggregates:
        yield Said(node.input, "distinct").of_state(node)
    yield from _grouped(node, node.aggregates)


def window(node: Any) -> Candidates:
    """Groups by window."""
    yield from _grouped(node, node.aggregates, _windows(node))


def _computed(node: Any) -> Candidates:
    """What is computed of aggregates: they were one expression."""
    below = node.input
    known = dict(getattr(below, "aggregates", ()))
    keys = set(below.schema.names) - set(known)
    terms = tuple((name, restored(term, known)) for name, term in node.columns if name not in keys)
    windows = () if below.verb == "group" else _windows(below)
    yield from _grouped(below, terms, windows)


# -- orders --------------------------------------------------------------------


def _ordered(node: Any, base: Node, known: dict[str, Term]) -> Candidates:
    by = tuple(restored(Column(one.column), known) for one in node.by)
    args = [Arg("by", TERMS, by)] if by else []
    descending = [one.descending for one in node.by]
    nulls = {one.nulls_first for one in node.by}
    if node.verb == "sort":
        args[0] = Arg("sort", TERMS, by)
    default = node.verb != "sort"
    if any(one != default for one in descending):
        args.append(Arg("descending", FLAGS, descending[0] if len(set(descending)) == 1 else descending))
    if [one.nulls_first for one in node.by] != [not one for one in descending] and len(nulls) == 1:
        args.append(Arg("nulls", TEXT, "first" if nulls == {True} else "last"))
    if node.verb == "sort":
        yield Said(base, "sort", tuple(args)).of_state(node)
        return
    if node.last is None:
        yield Said(base, "window", (*_windows(node), Arg("rows", PLAIN, True))).of_state(node)
        return
    more = [Arg("offset", PLAIN, node.first - 1)] if node.first > 1 else []
    if node.rank is not None:
        more.append(Arg("rank", TEXT, node.rank))
    keys = tuple((k, Column(k)) for k in node.keys)
    head = [Arg("group_by", NAMED, keys)] if keys or node.verb == "top_n" else []
    if node.verb == "window_rows":
        head += _windows(node)
    count = Arg("top_n", PLAIN, node.last - node.first + 1)
    yield Said(base, "group_by", (*head, count, *args, *more)).of_state(node)


def sort(node: Any) -> Candidates:
    """By columns, or by what a node below computed."""
    yield from _ordered(node, node.input, {})


def top_n(node: Any) -> Candidates:
    """By columns; a limit of a Table has no order."""
    if not node.by:
        yield Said(node.input, "limit", (Arg("limit", PLAIN, node.last),)).of_state(node)
    yield from _ordered(node, node.input, {})


def limit(node: Any) -> Candidates:
    """A number."""
    yield Said(node.input, "limit", (Arg("limit", PLAIN, node.rows),)).of_state(node)


def dedup(node: Any) -> Candidates:
    """The first of each; in order of time it is above a sort."""
    within = (Arg("within", SPAN, span_text(node.within)),) if node.within is not None else ()
    if node.spelling == "distinct":
        yield Said(node.input, "distinct", within).of_state(node)
        return
    if node.input.verb == "sort" and len(node.input.by) == 1:
        by = Arg("by", NAME, node.input.by[0].column)
        yield Said(node.input.input, "dedup", (Arg("dedup", NAMES, node.keys), *within, by)).of_state(node)
    yield Said(node.input, "dedup", (Arg("dedup", NAMES, node.keys), *within)).of_state(node)


def as_table(node: Any) -> Candidates:
    """The last of each."""
    if node.spelling == "dedup":
        by = (Arg("by", NAME, node.by),) if node.by else ()
        args = (Arg("dedup", NAMES, node.keys), Arg("keep", TEXT, "last"), *by)
        yield Said(node.input, "dedup", args).of_state(node)
        return
    args = (Arg("as_table", NAMES, node.keys),)
    if node.delete is not None:
        args = (*args, Arg("delete", TERM, node.delete))
    if node.op is not None:
        args = (*args, Arg("op", NAME, node.op))
    yield Said(node.input, "as_table", args).of_state(node)


# -- the rest ------------------------------------------------------------------


def watermark(node: Any) -> Candidates:
    """The event time: a column, what a node below computes, or the instant of taking."""
    more = []
    if node.policy is not None:
        more.append(Arg("watermark", POLICY, node.policy))
    if node.silence.idle != MINUTE:
        more.append(Arg("idle", SPAN, span_text(node.silence.idle)))
    if node.silence.then != ADVANCE:
        more.append(Arg("on_silence", TEXT, node.silence.then))
    if node.align is not None:
        more += [Arg("align", TEXT, node.align.group), Arg("drift", SPAN, span_text(node.align.drift))]
    below = node.input
    if below.verb == "stamp":
        yield Said(below.input, "with_event_time", (Arg("with_event_time", INGESTION), *more[1:])).of_state(node)
    if below.verb == "select" and below.spelling == "event_time":
        term = dict(below.columns)[node.time]
        yield Said(below.input, "with_event_time", (Arg("with_event_time", TERM, term), *more)).of_state(node)
    yield Said(below, "with_event_time", (Arg("with_event_time", TERM, Column(node.time)), *more)).of_state(node)


def _one(verb: str, *options: tuple[str, str]) -> Callable[[Any], Candidates]:
    """A verb whose options are fields of the node."""

    def made(node: Any) -> Candidates:
        args = [Arg(name, kind, getattr(node, field)) for name, kind, field in fields]
        yield Said(node.input, verb, tuple(one for one in args if one.value not in (None, False))).of_state(node)

    fields = [(name if i else verb, kind, name) for i, (name, kind) in enumerate(options)]
    return made


def union(node: Any) -> Candidates:
    """The streams; what several nodes of one verb refused is said of that verb."""
    for one in node.streams:
        below = one.inputs[0] if one.inputs else one
        if below.verb == "refused" and below.port == "errors":
            yield Said(below.input, "errors")
    first, *others = node.streams
    yield Said(first, "union", (Arg("union", STREAMS, tuple(others)),)).of_state(node)


def expect(node: Any) -> Candidates:
    """Names with conditions."""
    yield Said(node.input, "expect", (Arg("expect", CONDITIONS, node.conditions),))


def refused(node: Any) -> Candidates:
    """What another node refused: a part of it."""
    yield Said(node.input, node.port)


def functions_of_rows(node: Any) -> Candidates:
    """`map`, `flat_map`, `map_batches`: a function and the columns it gives."""
    verb = "map_batches" if node.verb == "map_batches" else "map" if node.single else "flat_map"
    args = [Arg(verb, FUNCTION, node.function), Arg("schema", SCHEMA, node.columns)]
    if not node.function.deterministic:
        args.append(Arg("deterministic", PLAIN, False))
    yield Said(node.input, verb, tuple(args)).of_state(node)


SAYS: dict[str, Callable[[Any], Candidates]] = {
    "select": select,
    "filter": filter_,
    "group": group,
    "window": window,
    "keyed_window": window,
    "sliding_window": window,
    "window_rows": top_n,
    "sort": sort,
    "top_n": top_n,
    "limit": limit,
    "dedup": dedup,
    "as_table": as_table,
    "watermark": watermark,
    "explode": _one("explode", ("column", NAME), ("keep_empty", PLAIN)),
    "inspect": _one("inspect", ("label", TEXT)),
    "changelog": _one("changelog"),
    "expect": expect,
    "union": union,
    "refused": refused,
    "flat_map": functions_of_rows,
    "map_batches": functions_of_rows,
    "join": joins.join,
    "interval_join": joins.interval_join,
    "window_join": joins.window_join,
    "asof_join": joins.asof_join,
    "snapshot_join": joins.snapshot_join,
}
"""What each operator may be said as."""

NEVER = {
    "lookup": "what is asked, and how, is an object of the program",
    "map_async": "its limits and retries are not written out",
    "process": "a process function is a class: its state and settings are not written out",
    "apply": "the call of a function is part of the verb above it, which is not as a verb makes it",
    "over": "a function of a frame is part of the verb above it, which is not as a verb makes it",
    "stamp": "the instant of taking is part of with_event_time, and there is none above it",
}
"""Operators that are no verb by themselves, and why."""


def of_node(node: Node) -> Candidates:
    """What a node may be said as."""
    says = SAYS.get(node.verb)
    if says is not None:
        yield from says(node)
