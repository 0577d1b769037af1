"""Change feeds as tables: the envelope of Debezium, and the rows that its changes leave."""

from __future__ import annotations

from penstock.core.dtypes import String, Struct
from penstock.core.errors import PlanError
from penstock.core.schema import Field, Schema
from penstock.core.where import Where
from penstock.expr.ast import Call as PlanCall
from penstock.expr.ast import Column, Term
from penstock.expr.infer import Typed
from penstock.operators.as_table import AsTable
from penstock.operators.explode import Explode
from penstock.operators.filter import Filter
from penstock.operators.read import Read
from penstock.operators.select import Select
from penstock.plan.node import Node
from penstock.sql import functions, terms
from penstock.sql.connectors import Table

BEFORE, AFTER, OP, CHANGE = "before", "after", "op", "$change"
_OPS = {"c": ("", "+I"), "r": ("", "+I"), "u": ("-D", "+U"), "d": ("-D", "")}
"""What Debezium's operations do with the row before and the row after; empty = nothing."""


def envelope(columns: Schema) -> Schema:
    """What is read: the row before, the row after, and what was done."""
    row = Struct(tuple((one.name, one.dtype) for one in columns))
    return Schema((Field(BEFORE, row, True), Field(AFTER, row, True), Field(OP, String, True)))


def changes(table: Table, columns: Schema, key: tuple[str, ...], where: Where) -> Node:
    """The rows of a feed by its primary key: created, read and updated ones come, deleted ones go.

    An update whose key is another takes the row of the old key away. A change with another `op` is an error row.

    Raises:
        PlanError: If the table has no primary key.
    """
    if not key:
        raise PlanError(
            "a table of changes needs a primary key here: it tells which row a change is of", where=where,
            hint="PRIMARY KEY (id) NOT ENFORCED",
        )  # fmt: skip
    schema = envelope(columns)
    node: Node = Read(source=table.source(schema), name=table.statement.name, columns=schema, where=where)
    changed = Select(input=node, columns=((CHANGE, _pairs(schema).term),), where=where)
    each = Explode(input=changed, column=CHANGE, where=where)
    there = terms.call("struct.field", [Typed(Column(CHANGE), each.schema[CHANGE].dtype, True)], name="row")
    said = functions.resolve("IS NOT NULL", [there])
    known = Filter(input=each, predicate=said.term, where=where)

    def of_row(name: str) -> Term:
        return PlanCall("struct.field", (there.term,), (("name", name),))

    op = PlanCall("struct.field", (Column(CHANGE),), (("name", OP),))
    flat = Select(
        input=known, columns=(*((one.name, of_row(one.name)) for one in columns), ("$op", op)), where=where
    )  # fmt: skip
    return AsTable(input=flat, keys=key, op="$op", where=where)


def _pairs(schema: Schema) -> Typed:
    """Of one change what goes and what comes: two structs of what is done and the row, which is NULL for nothing."""
    op = Typed(Column(OP), String, True)
    found = []
    for place, side in enumerate((BEFORE, AFTER)):
        row = Typed(Column(side), schema[side].dtype, True)
        done = [(_is(op, one), functions.constant(ops[place], String)) for one, ops in _OPS.items() if ops[place]]
        silent = [one for one, ops in _OPS.items() if not ops[place]]
        nothing = functions.constant(None, row.dtype)
        kept = functions.case([(_is(op, one), nothing) for one in silent], row)
        # What is not known keeps its own `op`, which is refused further on.
        found.append(terms.call("struct", [functions.case(done, op), kept], names=(OP, "row")))
    return functions.resolve("ARRAY", found)


def _is(op: Typed, value: str) -> Typed:
    return functions.resolve("=", [op, functions.constant(value, String)])
