"""A Table from a stream: the last row of each key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from penstock.core.changelog import DELETE, INSERT, UPDATE_AFTER, UPDATE_BEFORE
from penstock.core.dtypes import Boolean, Null, String
from penstock.core.errors import PlanError
from penstock.core.schema import Schema
from penstock.expr.ast import Term
from penstock.expr.function import NotOnFlink, RowFault
from penstock.expr.infer import infer
from penstock.expr.interpret import interpret
from penstock.operators.aggregation import key_fields, plain_key
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Row
from penstock.plan.node import UPDATING, Facts, Node
from penstock.state.kinds import check_kept

OPS = (INSERT, UPDATE_BEFORE, UPDATE_AFTER, DELETE)

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class AsTable(Executable):
    """One row per key: the last one. A Table, whose -1 carry the full old row.

    A row comes, or takes the place of the row of its key; one for which `delete` is true takes that row away, and
    nothing if there is none. With `op` rows are changes: `+I` and `+U` come, `-D` goes, `-U` says nothing that the
    `+U` behind it does not say; a row with another `op` leaves by `errors`. With `by` a row whose time is before that
    of the row of its key changes nothing; of equal times the later to arrive counts (Flink: deduplication, keep last).
    A row that equals the one of its key changes nothing. One step sends at most one change per key. Null is a key.
    State: the last row of each key, until it is deleted.

    Attributes:
        input: The rows.
        keys: The key columns.
        delete: A condition; true for rows that delete.
        op: The column that says what each row is; it does not go on.
        by: The column whose greatest value counts; None = the last to arrive.
        spelling: The verb that the user wrote: `as_table` or `dedup`.
    """

    verb: ClassVar[str] = "as_table"
    refuses: ClassVar[tuple[str, ...]] = ("errors",)
    stateful: ClassVar[bool] = True

    input: Node
    keys: tuple[str, ...]
    delete: Term | None = None
    op: str | None = None
    by: str | None = None
    spelling: str = "as_table"

    def derive(self) -> Facts:
        """The input's columns but `op`; updating, keyed by the keys."""
        below = self.input.facts
        if not self.keys:
            raise PlanError(f"{self.spelling} needs the key of the Table", hint='such as .as_table("id")')
        if below.mode == UPDATING:
            raise PlanError(f"{self.spelling} makes a Table of a Stream, and this is a Table already")
        key_fields(below.schema, self.keys)
        schema = below.schema
        if self.op is not None:
            if schema[self.op].dtype != String:
                raise PlanError(
                    f'"{self.op}" says what a change is and must be a String, found {schema[self.op].dtype}'
                )
            if self.op in self.keys:
                raise PlanError(f'"{self.op}" says what a change is and cannot be a key')
            schema = schema.without([self.op])
        if self.by is not None:
            key_fields(below.schema, [self.by])
            if self.delete is not None or self.op is not None:
                raise PlanError("rows that delete go by arrival: by goes with neither delete nor op")
        deterministic = below.deterministic
        if self.delete is not None:
            typed = infer(self.delete, below.schema)
            if typed.dtype not in (Boolean, Null):
                raise PlanError(f"delete takes a condition, found {typed.dtype}: {self.delete}")
            deterministic = deterministic and typed.deterministic
        check_kept(schema)
        time = below.time if below.time in schema else None
        return replace(
            below,
            schema=schema,
            mode=UPDATING,
            key=self.keys,
            time=time,
            watermarked=below.watermarked and time is not None,
            deterministic=deterministic,
            order_sensitive=True,
        )

    def describe(self) -> str:
        """The key, and what deletes."""
        parts = [f"by {', '.join(self.keys)}"]
        parts += [f"delete where {self.delete}"] if self.delete is not None else []
        parts += [f"op {self.op}"] if self.op is not None else []
        parts += [f"last by {self.by}"] if self.by is not None else []
        return ", ".join(parts)

    @property
    def unbounded_state(self) -> str | None:
        """What grows for ever, for people."""
        return f"the last row per {', '.join(self.keys)}, until it is deleted"

    def needs(self, used: set[str]) -> list[set[str]]:
        """The keys, what says what a row does, and what is used."""
        found = used | set(self.keys) | {name for name in (self.op, self.by) if name is not None}
        return [found | (self.delete.columns() if self.delete is not None else set())]

    def meaning(self) -> Meaning:
        """See `AsTableMeaning`."""
        return AsTableMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `AsTableExecutor`."""
        from penstock.operators.as_table_execution import AsTableExecutor

        return AsTableExecutor(self, environment)

    def stored_schema(self) -> Schema:
        """The columns that are kept: those that go on."""
        return self.schema


# -- Meaning -------------------------------------------------------------------


class AsTableMeaning(Meaning):
    """A dict from keys to rows."""

    def __init__(self, node: AsTable) -> None:
        self.node, self.names = node, node.schema.names
        self.delete = interpret(infer(node.delete, node.input.schema)) if node.delete is not None else None
        self.rows: dict[tuple[Any, ...], dict[str, Any]] = {}

    def row(self, port: int, row: Row) -> Iterator[Emission] | Iterable[Emission]:
        """One row in, the change of its key out."""
        try:
            goes = self.delete is not None and self.delete(row.values) is True
        except RowFault:
            yield "errors", row
            return
        if self.node.op is not None:
            op = row.values[self.node.op]
            if op not in OPS:
                yield "errors", row
                return
            if op == UPDATE_BEFORE:
                return
            goes = goes or op == DELETE
        key = plain_key(row.values, self.node.keys)
        old = self.rows.get(key)
        if old is not None and self.node.by is not None and _before(row.values[self.node.by], old[self.node.by]):
            return
        if old is not None:
            yield "out", Row(self.rows.pop(key), -1)
        if not goes:
            self.rows[key] = {name: row.values[name] for name in self.names}
            yield "out", Row(self.rows[key], 1)


def _before(one: Any, other: Any) -> bool:
    """Whether a value is before another; null is before all, NaN behind all."""
    if one is None or other is None:
        return one is None and other is not None
    if one != one or other != other:
        return bool(one == one and other != other)
    before: bool = one < other
    return before


# -- Execution -----------------------------------------------------------------
# See `operators/as_table_execution.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
