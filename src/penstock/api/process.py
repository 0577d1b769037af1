"""The verb `process`, and the side outputs of what it gives."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from penstock.core.errors import PlanError, one_of
from penstock.core.where import caller
from penstock.expr.ast import Column
from penstock.expr.build import col
from penstock.expr.user_functions import UserFunction, reference
from penstock.operators.filter import Filter
from penstock.operators.process import Process as ProcessNode
from penstock.operators.process_calls import Process
from penstock.operators.select import Select
from penstock.operators.sort import Sort
from penstock.plan.node import Node
from penstock.plan.ordering import SortKey

if TYPE_CHECKING:
    from penstock.api.stream import Stream

SPELLING = "process"


class ProcessVerbs:
    """The verb of groups that calls process functions.

    Attributes:
        node: The rows.
        keys: The key columns.
    """

    node: Node
    keys: tuple[str, ...]

    def process(self, function: Any) -> Stream:
        """Call a function with state and timers for the rows of each key; see `operators.process.Process`.

        Args:
            function: An object of a subclass of `ps.Process`.

        Raises:
            PlanError: If it is none, or the rows are a Table's.
        """
        where = caller()
        if not isinstance(function, Process):
            hint = "process(Silent()), where class Silent(ps.Process)"
            raise PlanError(f"process takes an object of a ps.Process, found {function!r}", where=where, hint=hint)
        made: Stream = calling(self.node, self.keys, function, (), where)
        return made


def calling(
    node: Node, keys: tuple[str, ...], function: Process, parts: tuple[tuple[str, bool], ...], where: Any
) -> Any:
    """What a process function gives: its main output, with the side outputs behind it."""
    found = _reference(function, where)
    facts = node.facts
    if facts.time is not None and facts.watermarked and facts.mode == "append":
        node = Sort(input=node, by=(SortKey(facts.time),), where=where)
    made: Node = ProcessNode(
        input=node, keys=keys, function=found, settings=dict(vars(function)), parts=parts, where=where,
    )  # fmt: skip
    sides = [name for name in made.schema.names if name == "_side" or name.startswith("_side_")]
    if type(function).sides:
        main = Filter(input=made, predicate=col("_side").is_null().term, where=where)
        terms = tuple((name, Column(name)) for name in made.schema.names if name not in sides)
        made = Select(input=main, columns=terms, spelling=SPELLING, where=where)
    stream: Stream = importlib.import_module("penstock.api.stream").stream(made)
    return stream


def _reference(function: Process, where: Any) -> UserFunction:
    try:
        return reference(type(function))
    except PlanError as refused:
        raise refused.at(where) from None


def process_of(node: Node) -> Node:
    """The process node behind the selection of its main output; any other node as it is."""
    if node.verb == "select" and getattr(node, "spelling", "") == SPELLING:
        return node.inputs[0].inputs[0]
    return node


def side_of(node: Node, name: str) -> Node:
    """The rows of a side output.

    Raises:
        PlanError: If the node is not what `process` gave, or has no such output.
    """
    found = process_of(node)
    if not isinstance(found, ProcessNode):
        raise PlanError("side reads an output of a process function: put it right behind .process(...)", where=caller())
    if name not in found.sides():
        raise one_of("side output", name, list(found.sides())).at(caller())
    rows = Filter(input=found, predicate=(col("_side") == name).term, where=caller())
    fields = tuple((one, col(f"_side_{name}")[one].term) for one in found.sides()[name].names)
    keys = tuple((key, Column(key)) for key in found.keys)
    return Select(input=rows, columns=(*keys, *fields), spelling="side", where=caller())
