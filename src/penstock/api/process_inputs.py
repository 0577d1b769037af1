"""Process functions of several inputs: `ps.process(Match(), orders=orders.group_by("id"), rules=rules.broadcast())`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.api.process import calling
from penstock.core.errors import PlanError
from penstock.core.where import caller
from penstock.expr.ast import Call, Column, Term
from penstock.expr.build import lit
from penstock.operators.process_calls import INPUT, ROW, Process
from penstock.operators.select import Select
from penstock.operators.union import Union
from penstock.plan.node import UPDATING, Node

if TYPE_CHECKING:
    from penstock.api.stream import Stream


@dataclass(frozen=True)
class Broadcast:
    """Rows that a process function gets for all keys; made by `.broadcast()`.

    Attributes:
        node: The rows.
    """

    node: Node


class BroadcastVerb:
    """The verb of rows that are no key's.

    Attributes:
        node: The rows.
    """

    node: Node

    def broadcast(self) -> Broadcast:
        """These rows as an input of `ps.process` that has no key: they change what all keys share."""
        return Broadcast(self.node)


def process(function: Any, **inputs: Any) -> Stream:
    """Call a function with state and timers for the rows of several inputs; see `operators.process.Process`.

    For a row of the input `orders` it calls `on_orders(row, ctx)`. Inputs that are grouped share one key: their rows see
    the same state and timers. Rows of a broadcast input have no key: their method writes what all keys share
    (`ps.MapState(..., shared=True)`), sets no timer, and yields rows with null in the key columns.

    With event time in all inputs, rows come in its order, at one instant those of broadcast inputs first, then in the
    order of the inputs; the watermark is the least of theirs. If one input has none they come as they arrive.

    Args:
        function: An object of a subclass of `ps.Process`.
        **inputs: What `group_by` gave, or `.broadcast()`, by name. The keys are called as those of the first that is
            grouped; the others may name them otherwise.

    Raises:
        PlanError: If an input is neither, or a Table; if keys or times are of different types; if a method is missing.
    """
    where = caller()
    if not isinstance(function, Process):
        hint = "ps.process(Match(), orders=orders.group_by(...)), where class Match(ps.Process)"
        raise PlanError(f"process takes an object of a ps.Process, found {function!r}", where=where, hint=hint)
    try:
        node, keys, parts = _together(inputs, where)
    except PlanError as refused:
        raise refused.at(where) from None
    made: Stream = calling(node, keys, function, parts, where)
    return made


def _together(inputs: dict[str, Any], where: Any) -> tuple[Node, tuple[str, ...], tuple[tuple[str, bool], ...]]:
    """All inputs as one stream, whose rows say from which they are."""
    grouped = importlib.import_module("penstock.api.grouping").Grouped
    for name, one in inputs.items():
        if not isinstance(one, (grouped, Broadcast)):
            hint = f'{name}=rows.group_by("id"), or {name}=rows.broadcast()'
            raise PlanError(f'the input "{name}" of process is neither grouped nor broadcast', hint=hint)
        if one.node.facts.mode == UPDATING:
            raise PlanError(
                f'the rows of "{name}" are a Table\'s and change, and a process function takes rows that do not',
                hint="put it before the verb that makes the Table, or take .changelog()",
            )
        if name in ("row", "timer"):
            raise PlanError(f'no input can be called "{name}": on_{name} is called for something else')
    keyed = {name: one for name, one in inputs.items() if not isinstance(one, Broadcast)}
    if not keyed:
        raise PlanError("process needs an input that is grouped", hint='orders=orders.group_by("id")')
    first = next(iter(keyed.values()))
    ordered = sorted(inputs.items(), key=lambda item: not isinstance(item[1], Broadcast))
    streams = tuple(_tagged(name, one, inputs, first, where) for name, one in ordered)
    parts = tuple((name, isinstance(one, Broadcast)) for name, one in inputs.items())
    return Union(streams=streams, where=where), first.keys, parts


def _tagged(name: str, one: Any, inputs: dict[str, Any], first: Any, where: Any) -> Node:
    """The rows of an input: its key, its event time, from which it is, and its columns as a struct."""
    node, schema = one.node, first.node.schema
    terms: dict[str, Term] = {}
    own = () if isinstance(one, Broadcast) else one.keys
    if own and len(own) != len(first.keys):
        raise PlanError(f'the inputs of process have one key, and "{name}" has {len(own)} columns of {len(first.keys)}')
    for place, key in enumerate(first.keys):
        wanted = schema[key].dtype
        terms[key] = Column(own[place]) if own else lit(None).cast(wanted).term
        if own and node.schema[own[place]].dtype != wanted:
            found = node.schema[own[place]].dtype
            raise PlanError(
                f'the key "{own[place]}" of "{name}" is {found}, and "{key}" is {wanted}', hint="cast one of them"
            )
    if all(other.node.facts.time is not None and other.node.facts.watermarked for other in inputs.values()):
        time, mine = str(first.node.facts.time), str(node.facts.time)
        if time in first.keys:
            raise PlanError(f'"{time}" is the event time, and cannot be a key of process')
        if node.schema[mine].dtype != schema[time].dtype:
            raise PlanError(
                f'the event time of "{name}" is {node.schema[mine].dtype}, and that of others {schema[time].dtype}',
                hint=".with_event_time(...) with a cast",
            )
        terms[time] = Column(mine)
    terms[INPUT] = lit(name).term
    for other, rows in inputs.items():
        if other == name:
            terms[ROW + other] = _whole(node)
        else:
            terms[ROW + other] = lit(None).cast(_type_of(rows.node)).term
    return Select(input=node, columns=tuple(terms.items()), where=where)


def _whole(node: Node) -> Term:
    """All columns of a row as one struct."""
    names = tuple(node.schema.names)
    return Call("struct", tuple(map(Column, names)), (("names", names),))


def _type_of(node: Node) -> Any:
    return Select(input=node, columns=(("row", _whole(node)),)).schema["row"].dtype
