"""The steps of streams: one verb of the Python API each, with its arguments; this table is all that there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from penstock.api.stream import Stream
from penstock.api.verbs import GUESSES, PLANNED
from penstock.core.errors import PlanError, UnknownNameError, UnsupportedError
from penstock.core.where import standing_at
from penstock.yaml.functions import FUNCTION
from penstock.yaml.kinds import (
    AGGREGATES,
    BETWEEN,
    COLUMN,
    COLUMNS,
    CONDITIONS,
    COUNT,
    EXPECTATIONS,
    EXPRESSION,
    FLAG,
    FLAGS,
    NAME,
    NAMES,
    ORDER,
    OTHER_KEYS,
    PAIR_CONDITION,
    RENAMES,
    SPAN,
    STREAM,
    STREAMS,
    TEXT,
    TYPES,
    VALUES,
    Context,
    Key,
    check_keys,
    choice,
    mapping,
    read_keys,
)
from penstock.yaml.time import EVENT_TIME, WATERMARK
from penstock.yaml.tree import Mapping, Node, where, wrong
from penstock.yaml.windows import CLOCK, EMIT, TTL, WINDOW


@dataclass(frozen=True)
class Step:
    """One verb.

    Attributes:
        keys: Its own key first, then those of its arguments.
        apply: From the rows and the arguments by name to the rows after it.
    """

    keys: tuple[Key, ...]
    apply: Callable[[Any, dict[str, Any]], Any]

    @property
    def name(self) -> str:
        """The verb."""
        return self.keys[0].name


# -- what is more than a call --------------------------------------------------


def _with_columns(rows: Stream, given: dict[str, Any]) -> Stream:
    """Columns of OVER, which the expressions needed, go again."""
    made = rows.with_columns(given["with_columns"])
    hidden = [name for name in made.columns if name.startswith("$over")]
    return made.drop(hidden) if hidden else made


def _fill_null(rows: Stream, given: dict[str, Any]) -> Stream:
    value = given["fill_null"]
    if value is None:
        raise PlanError("fill_null takes a value, found nothing")
    return rows.fill_null(value)


def _cast(rows: Stream, given: dict[str, Any]) -> Stream:
    types = {one.name: one.dtype for one in given["cast"]}
    return rows.cast(types, strict=given.get("strict", True))


_OF_WINDOWS: tuple[str, ...] = ("on", "emit", "allowed_lateness", "accumulate")
_OF_RANKS: tuple[str, ...] = ("by", "descending", "nulls", "rank", "offset")


def _grouped(rows: Stream, given: dict[str, Any]) -> Any:
    keys = given.get("group_by", [])
    made: Any = rows.group_by(*keys)
    if "window" in given:
        options = {name: given[name] for name in _OF_WINDOWS if name in given}
        made = made.window(given["window"], **options)
    else:
        lost = [name for name in _OF_WINDOWS if name in given]
        if lost:
            raise PlanError(f'"{lost[0]}" is about a window: the step has none', hint="window: {tumbling: 1 day}")
    if "top_n" in given and "agg" in given:
        raise PlanError('a step has "agg" or "top_n", not both', hint="the second is the next step")
    if given.get("rows"):
        if "window" not in given or "agg" in given or "top_n" in given:
            raise PlanError('"rows" is about a window, without agg and top_n', hint="window: {tumbling: 1 day}")
        return made.rows()
    if "top_n" in given:
        if "by" not in given:
            raise PlanError('top_n needs an order: the key "by" is missing', hint="by: amount")
        options = {name: given[name] for name in _OF_RANKS if name in given}
        return made.top_n(given["top_n"], **options)
    lost = [name for name in _OF_RANKS if name in given]
    if lost:
        raise PlanError(f'"{lost[0]}" is about top_n: the step has none', hint="top_n: 10")
    if "agg" not in given:
        first = "group_by" if "group_by" in given else "window"
        raise PlanError(f'"{first}" needs "agg" or "top_n" in the same step', hint="agg: {n: COUNT(*)}")
    return made.agg(given["agg"])


def _join(rows: Stream, given: dict[str, Any]) -> Any:
    return rows.join(given.pop("join"), **given)


def _join_asof(rows: Stream, given: dict[str, Any]) -> Any:
    return rows.join_asof(given.pop("join_asof"), **given)


def _distinct(rows: Stream, given: dict[str, Any]) -> Any:
    if given["distinct"] is False:
        raise PlanError("distinct is true, or the step is left out")
    return rows.distinct(within=given.get("within"))


def _changelog(rows: Any, given: dict[str, Any]) -> Any:
    if given["changelog"] is False:
        raise PlanError("changelog is true, or the step is left out")
    return rows.changelog()


def _map_batches(rows: Stream, given: dict[str, Any]) -> Any:
    if "schema" not in given:
        raise PlanError("map_batches needs the columns that it gives", hint="schema: {total: DOUBLE}")
    return rows.map_batches(given.pop("map_batches"), **given)


def _event_time(rows: Stream, given: dict[str, Any]) -> Any:
    time = given.pop("with_event_time")
    return rows.with_event_time(time, **given)


def _called(verb: str, *, spread: bool = False) -> Callable[[Any, dict[str, Any]], Any]:
    """A step that is one call: its own value first, the others by their names."""

    def apply(rows: Any, given: dict[str, Any]) -> Any:
        own = given.pop(verb.rstrip("_"))
        return getattr(rows, verb)(*own, **given) if spread else getattr(rows, verb)(own, **given)

    return apply


# -- the table -----------------------------------------------------------------

_NULLS = Key("nulls", choice("first", "last"), "Where nulls are; by default null is the least value.")
_DESCENDING = Key("descending", FLAGS, "Whether the greatest come first.")
_SIDES = (
    Key("how", choice("inner", "left", "right", "full", "semi", "anti", "cross"), "Which rows come out."),
    Key("where", PAIR_CONDITION, "What must be true of a pair besides: left.a < right.b."),
    Key("nulls_equal", FLAG, "Whether null keys are equal."),
    Key("suffix", TEXT, "What is added to names that both sides have."),
)
_OF_MAPS = (
    Key("schema", TYPES, "The columns that it gives."),
    Key("deterministic", FLAG, "false: equal rows may give different ones."),
)
_GROUP = (
    Key("group_by", COLUMNS, "The key: columns, or names with expressions."),
    Key("window", WINDOW, "The windows of event time."),
    Key("agg", AGGREGATES, "Names with aggregates."),
    Key("top_n", COUNT, "How many rows of each key; needs by."),
    Key("on", CLOCK, "processing_time: windows of the clock."),
    Key("emit", EMIT, "When results are sent."),
    Key("allowed_lateness", SPAN, "For how long a window takes late rows after its end."),
    Key("accumulate", FLAG, "false: only what is new since the last time."),
    Key("by", ORDER, "The order of top_n."),
    _DESCENDING,
    _NULLS,
    Key("rank", NAME, "The name of a column for the rank."),
    Key("rows", FLAG, "All rows of each window, with its bounds."),
    Key("offset", COUNT, "How many ranks are left out before."),
)


def _group(verb: str) -> Step:
    return Step((*[k for k in _GROUP if k.name == verb], *[k for k in _GROUP if k.name != verb]), _grouped)


_ALL = (
    Step((Key("join", STREAM, "The other side."), Key("on", NAMES, "The key columns of both sides."),
          Key("left_on", ORDER, "The key of this side."), Key("right_on", OTHER_KEYS, "The key of the other side."),
          *_SIDES, Key("within", BETWEEN, "How far apart in event time: [-10 min, 5 min]."),
          Key("closed", choice("both", "left", "right", "none"), "Which bounds of within belong to it."),
          Key("window", WINDOW, "Rows of one window are partners."),
          Key("as_of", choice("event_time", "processing_time"), "Each row with what the other side has at its time."),
          Key("load", choice("end", "none"), "Whether rows wait until the other side was read to its end.")), _join),
    Step((Key("join_asof", STREAM, "The other side."), Key("by", NAMES, "The key columns of both sides."),
          Key("by_left", ORDER, "The key of this side."), Key("by_right", OTHER_KEYS, "The key of the other side."),
          Key("strategy", choice("backward", "forward", "nearest"), "Which row is the partner."),
          Key("tolerance", SPAN, "How far apart they may be."), *_SIDES), _join_asof),
    Step((Key("intersect", STREAM, "The other side."), Key("all", FLAG)), _called("intersect")),
    Step((Key("except", STREAM, "The other side."), Key("all", FLAG)), _called("except_")),
    Step((Key("union", STREAMS, "Streams with the same columns."),), _called("union")),
    _group("group_by"),
    _group("window"),
    _group("agg"),
    _group("top_n"),
    Step((Key("filter", CONDITIONS, "Only rows for which this is true."),), _called("filter")),
    Step((Key("select", COLUMNS, "Only these columns."),), _called("select")),
    Step((Key("with_columns", COLUMNS, "These columns too, or in the place of their namesakes."),), _with_columns),
    Step((Key("drop", NAMES, "All columns but these."),), _called("drop")),
    Step((Key("rename", RENAMES, "Old names with new ones."),), _called("rename")),
    Step((Key("cast", TYPES, "Columns with their new types."), Key("strict", FLAG, "false: null if it does not fit.")),
         _cast),
    Step((Key("fill_null", VALUES, "What stands in the place of nulls."),), _fill_null),
    Step((Key("unnest", COLUMN, "The fields of a row column as columns."),), _called("unnest")),
    Step((Key("expect", EXPECTATIONS, "Rows that break one leave by errors."),),
         lambda rows, given: rows.expect(**given["expect"])),
    Step((Key("explode", COLUMN, "One row per element."), Key("keep_empty", FLAG)), _called("explode")),
    Step((Key("inspect", TEXT, "Rows are counted under this name."),), _called("inspect")),
    Step((Key("with_event_time", EVENT_TIME, "The event time."), *WATERMARK), _event_time),
    Step((Key("dedup", NAMES, "What makes rows duplicates."), Key("within", SPAN, "How far apart duplicates may be."),
          Key("keep", choice("first", "last"), "Which row stays."), Key("by", COLUMN, "In the order of this column.")),
         _called("dedup", spread=True)),
    Step((Key("sort", ORDER, "The order."), _DESCENDING, _NULLS), _called("sort", spread=True)),
    Step((Key("limit", COUNT, "How many rows."),), _called("limit")),
    Step((Key("distinct", FLAG, "Each whole row once."), Key("within", SPAN, "How far apart duplicates may be.")),
         _distinct),
    Step((Key("as_table", NAMES, "The key: the last row of each counts."),
          Key("delete", EXPRESSION, "A row for which this is true deletes."),
          Key("op", COLUMN, "The column that says what a row is: +I, -U, +U, -D.")), _called("as_table", spread=True)),
    Step((Key("map", FUNCTION, "A function from a row to one: module.name."), *_OF_MAPS), _called("map")),
    Step((Key("flat_map", FUNCTION, "A function from a row to several."), *_OF_MAPS), _called("flat_map")),
    Step((Key("map_batches", FUNCTION, "A function from a frame to a frame."), *_OF_MAPS), _map_batches),
    Step((Key("changelog", FLAG, "The changes as rows, with op."),), _changelog),
    Step((Key("state", TEXT, "The name of the state of the verb before."), Key("ttl", TTL, "How long keys are kept.")),
         _called("state")),
)  # fmt: skip

STEPS: dict[str, Step] = {one.name: one for one in _ALL}
"""All steps by their verbs; of two verbs in one step the first of this table leads."""


def step(node: Node, rows: Stream, context: Context) -> Stream:
    """The rows after a step.

    Raises:
        PlanError: If it is no step, or does not fit the rows, with its line and column.
    """
    pairs = mapping(node, "a step: a verb with what it takes", "- filter: amount > 0")
    found = _verb(pairs)
    context = replace(context, rows=rows, other=None)
    with standing_at(where(pairs.keys[found.name])):
        given = read_keys(pairs, found.keys, context, found.name)
        try:
            made: Stream = found.apply(context.rows, given)
        except PlanError as refused:
            raise refused.at(where(pairs.keys[found.name])) from None
    return made


def _verb(pairs: Mapping) -> Step:
    verbs = [name for name in STEPS if name in pairs.items]
    if not verbs:
        if not pairs.items:
            raise wrong(pairs, "a step is a verb with what it takes, found nothing", "- filter: amount > 0")
        name, at = next(iter(pairs.keys.items()))
        if name in PLANNED:
            raise UnsupportedError(f'"{name}" is planned and not offered yet', where=where(at))
        guess = GUESSES.get(name)
        check = [*STEPS]
        raise UnknownNameError("verb", name, check, where=where(at), guess=guess if guess in STEPS else None)
    found = STEPS[verbs[0]]
    own = [key.name for key in found.keys]
    for other in pairs.items:
        if other in STEPS and other not in own:
            first, second = sorted((found.name, other), key=list(pairs.items).index)
            raise PlanError(
                f'a step has one verb, found "{first}" and "{second}"', where=where(pairs.keys[second]),
                hint=f"- {second}: ... is a step of its own",
            )  # fmt: skip
    check_keys(pairs, own, found.name)
    return found
