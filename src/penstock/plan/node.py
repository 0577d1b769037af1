"""Node: a frozen step of a plan that derives, when it is built, what its rows are."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Protocol, runtime_checkable

from penstock.core.dtypes import Datetime, Int64, String, Struct
from penstock.core.errors import PenstockError, PlanError, UnknownNameError
from penstock.core.schema import Field, Schema
from penstock.core.where import Where
from penstock.plan.values import encode

APPEND = "append"
UPDATING = "updating"

WHY = Struct(
    {
        "reason": String,
        "source": String,
        "split": String,
        "offset": Int64,
        "raw": String,
        "watermark": Datetime("us", "UTC"),
        "behind": String,
        "needed": String,
    }
)
"""Why a row was refused: the type of the column `_why` of late and bad rows."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a node's rows before anything runs.

    Attributes:
        schema: The columns.
        mode: `append`: rows only come; `updating`: they also change and go.
        key: The columns whose values are unique among the rows of a Table; None if none are known.
        time: The event-time column, or None.
        time_shift: Microseconds from that column to the event time: -1,000 for `window_end`.
        watermarked: Whether a watermark policy tells how far event time has come.
        bounded: Whether the rows end.
        deterministic: Whether the same input gives the same rows.
        order_sensitive: Whether the order of rows within the input matters to the result.
    """

    schema: Schema
    mode: str = APPEND
    key: tuple[str, ...] | None = None
    time: str | None = None
    time_shift: int = 0
    watermarked: bool = False
    bounded: bool = True
    deterministic: bool = True
    order_sensitive: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """A step of a plan. Identity is by object; `fingerprint` says whether two nodes mean the same.

    Attributes:
        where: The user's line that made it.
        state_name: The name that the user gave to its state, or None.
    """

    verb: ClassVar[str]
    version: ClassVar[int] = 1
    """The version of the stored form; raised when its fields change, with an upcaster in `upcast`."""
    refuses: ClassVar[tuple[str, ...]] = ()
    """The ports besides `out`: `late`, `errors`."""
    stateful: ClassVar[bool] = False

    where: Where | None = field(default=None, repr=False)
    state_name: str | None = None

    def __post_init__(self) -> None:
        try:
            _ = self.facts
        except UnknownNameError as unknown:
            label = self.called(of=self.inputs) if unknown.kind == "column" else None
            raise (unknown.inside(label) if label else unknown).at(self.where) from None
        except PenstockError as refused:
            raise refused.at(self.where)  # noqa: B904  (the same error, with the user's line)

    def called(self, of: tuple[Node, ...] | None = None) -> str | None:
        """What the user calls the rows, of this node or of others: the name of the source, if there is one only."""
        above = (self,) if of is None else of
        names = {str(node.name) for below in above for node in walk(below) if isinstance(node, Named)}
        return names.pop() if len(names) == 1 else None

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The nodes that it reads, in declared order."""
        found: list[Node] = []
        for one in dataclasses.fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Node):
                found.append(value)
            elif isinstance(value, tuple) and value and all(isinstance(v, Node) for v in value):
                found += value
        return tuple(found)

    @cached_property
    def facts(self) -> Facts:
        """What is known of its rows.

        Raises:
            PlanError: If the node cannot mean anything.
        """
        return self.derive()

    def derive(self) -> Facts:
        """Work out `facts` from the inputs and the parameters; raise PlanError if they do not fit."""
        raise NotImplementedError

    @property
    def schema(self) -> Schema:
        """The columns of its rows."""
        return self.facts.schema

    def port_schema(self, port: str) -> Schema:
        """The columns of what leaves by a port: `late` and `errors` have the input's, and `_why`.

        Raises:
            PlanError: If there is no such port.
        """
        if port == "out":
            return self.schema
        if port not in self.refuses:
            raise PlanError(f'"{self.verb}" refuses no rows as {port}', hint=self._ways_out(port))
        return refused_schema(self.inputs[0].schema if self.inputs else self.schema)

    def _ways_out(self, port: str) -> str:
        return {
            "late": "rows are late for a verb that waits for time: put .late() after .window(...).agg(...)",
            "errors": "only verbs that can fail have .errors(): those that read, compute or expect something",
        }.get(port, "")

    def replace_inputs(self, new: dict[int, Node]) -> Node:
        """The same node above other inputs, given by the `id` of the old ones."""
        changes: dict[str, Any] = {}
        for one in dataclasses.fields(self):
            value = getattr(self, one.name)
            if isinstance(value, Node):
                changes[one.name] = new.get(id(value), value)
            elif isinstance(value, tuple) and value and all(isinstance(v, Node) for v in value):
                changes[one.name] = tuple(new.get(id(v), v) for v in value)
        if all(changes[name] is getattr(self, name) or changes[name] == getattr(self, name) for name in changes):
            return self
        return dataclasses.replace(self, **changes)

    def parameters(self) -> dict[str, Any]:
        """The fields that are neither inputs nor the user's line."""
        found = {}
        for one in dataclasses.fields(self):
            value = getattr(self, one.name)
            is_input = isinstance(value, Node) or (
                isinstance(value, tuple) and bool(value) and all(isinstance(v, Node) for v in value)
            )
            if one.name != "where" and not is_input:
                found[one.name] = value
        return found

    @property
    def grows(self) -> bool:
        """Whether its state has an entry per key, for ever."""
        return self.stateful and self.facts.mode == UPDATING

    @cached_property
    def fingerprint(self) -> str:
        """A digest of what the node means, inputs included; equal for nodes that mean the same."""
        # The verb that the user wrote is for messages: the same node may have come of several.
        parameters = {name: value for name, value in self.parameters().items() if name != "spelling"}
        # What holds data of the program (a frame) is itself only: its options do not say which data.
        held = [getattr(value, "identity", None) for value in parameters.values()]
        data = [self.verb, self.version, encode(parameters), held, [node.fingerprint for node in self.inputs]]
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:32]

    def describe(self) -> str:
        """Its parameters for people, on one line."""
        return ""

    @classmethod
    def upcast(cls, data: dict[str, Any], version: int) -> dict[str, Any]:
        """Stored parameters of an older version as those of this one."""
        return data


def refused_schema(schema: Schema) -> Schema:
    """The columns of refused rows: those of the input (nullable: the row may not be decoded) and `_why`."""
    kept = schema.without(["_why"]).nullable()
    return Schema((*kept.fields, Field("_why", WHY, nullable=False)))


def walk(*outputs: Node) -> Iterator[Node]:
    """All nodes below the given ones, each once, inputs before what reads them."""
    seen: set[int] = set()

    def visit(node: Node) -> Iterator[Node]:
        if id(node) in seen:
            return
        seen.add(id(node))
        for below in node.inputs:
            yield from visit(below)
        yield node

    for output in outputs:
        yield from visit(output)


def rebuild(outputs: tuple[Node, ...], change: Any) -> tuple[Node, ...]:
    """The outputs with `change` applied to every node, inputs first; shared nodes stay shared."""
    new: dict[int, Node] = {}
    for node in list(walk(*outputs)):
        new[id(node)] = change(node.replace_inputs(new))
    return tuple(new[id(output)] for output in outputs)


@runtime_checkable
class Named(Protocol):
    """A node that users gave a name to."""

    @property
    def name(self) -> str:
        """The name."""
        ...
