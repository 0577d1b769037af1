"""Lookup joins: each row with the rows that an outside source has for its key when it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from penstock.connectors.lookups import LookupRequest, LookupSource
from penstock.core.dtypes import DType, to_polars
from penstock.core.errors import PlanError, UnsupportedError, one_of
from penstock.core.lazy import pl
from penstock.core.schema import Field, Schema
from penstock.expr.ast import Term
from penstock.expr.function import NotOnFlink
from penstock.expr.infer import Typed, convert, infer
from penstock.expr.interpret import interpret
from penstock.expr.lower import lower
from penstock.expr.signatures import common
from penstock.operators.aggregation import plain_key
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Row
from penstock.operators.joining import INNER, LEFT, RIGHT, ColumnOf
from penstock.plan.lookup_options import FULL, LookupOptions
from penstock.plan.node import UPDATING, Facts, Node
from penstock.state.kinds import check_kept

FORMS = (INNER, LEFT)

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Lookup(Executable):
    """Each row with the rows that an outside source has for its key: a Stream.

    The source is asked when the row is taken, and what comes out is never corrected when the source changes later. A
    row without an answer (none there, or a null in its key) is dropped by an `inner` join, has nulls in a `left` one.
    Keys are compared as Penstock compares values, exactly: what a database calls equal beyond that is no answer.

    Rows wait while the source is asked, in batches of distinct keys, several calls at a time. Ordered, they leave in
    the order in which they came; unordered, each as soon as it is answered. Rows that wait are state: they are in
    checkpoints, and after a restart they are asked for again, so that none is lost and none comes twice. The watermark
    of the output stays where that of the input was when the oldest waiting row came; so no row gets late by waiting.
    Each row keeps its place and the watermark that it had met. When too many wait, sources are not polled.

    A call that fails is tried again with growing pauses; if none of the tries succeeds, the run fails (and goes on from
    its last checkpoint), or the rows leave by `errors` with the reason. After several failures in a row nobody is asked
    for a while, and rows wait. Source of the rules: Flink's lookup join and its hint LOOKUP; Flink has no circuit
    breaker, and drops the order between watermarks only.

    Attributes:
        input: The rows; they may not be a Table's: a row that goes must be equal to the one that came.
        source: What is asked.
        table: The columns of the source that are asked for, those of the key among them.
        how: `inner` or `left`.
        left_on: The key of a row: terms over its columns.
        right_on: The columns of the source that must be equal to them.
        columns: The columns of the output: `left` and `right`; see `ColumnOf`.
        options: How it is asked.
    """

    verb: ClassVar[str] = "lookup"
    refuses: ClassVar[tuple[str, ...]] = ("errors",)
    stateful: ClassVar[bool] = True

    input: Node
    source: LookupSource
    table: Schema
    how: str
    left_on: tuple[Term, ...]
    right_on: tuple[str, ...]
    columns: tuple[ColumnOf, ...]
    options: LookupOptions

    def derive(self) -> Facts:
        """The columns that were chosen; event time and watermark are those of the row."""
        if self.how not in FORMS:
            raise one_of("how", self.how, FORMS)
        if not self.left_on or len(self.left_on) != len(self.right_on):
            raise PlanError(
                f"a lookup needs as many keys on both sides, found {len(self.left_on)} and {len(self.right_on)}",
                hint='on="id", or left_on= and right_on=',
            )
        below = self.input.facts
        if below.mode == UPDATING:
            raise UnsupportedError(
                "a Table cannot be looked up for: by the time a row goes, the source may answer otherwise",
                hint="look up before the verb that makes the Table, or .changelog()",
            )
        self.key_types()
        check_kept(below.schema)
        if self.source.whole and self.options.cache != FULL:
            raise PlanError(f'"{self.source.default_name()}" is loaded whole: its cache is "full"')
        name = self.time_name()
        return Facts(
            schema=self.output_schema(),
            time=name,
            time_shift=below.time_shift if name else 0,
            watermarked=below.watermarked and name is not None,
            bounded=below.bounded,
            deterministic=False,
            order_sensitive=below.order_sensitive,
        )

    def output_schema(self) -> Schema:
        """The columns that come out; those of the source may be null in a left join."""
        fields: list[Field] = []
        for name, side, source in self.columns:
            if side == LEFT:
                fields.append(replace(self.input.schema[source], name=name))
            else:
                found = self.table[source]
                fields.append(replace(found, name=name, nullable=found.nullable or self.how == LEFT))
        names = [field.name for field in fields]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise PlanError(f'two columns would be called "{twice}"', hint='suffix="_right"')
        return Schema(tuple(fields))

    def time_name(self) -> str | None:
        """What the event time is called in the output."""
        time = self.input.facts.time
        return next((name for name, side, source in self.columns if (side, source) == (LEFT, time)), None)

    def key_types(self) -> tuple[DType, ...]:
        """The common type of each pair of the key."""
        types = []
        for term, name in zip(self.left_on, self.right_on, strict=True):
            one, other = infer(term, self.input.schema), self.table[name]
            both = common(one.dtype, other.dtype)
            if both is None:
                raise PlanError(
                    f"a lookup compares equal types, found {term}: {one.dtype} and {name}: {other.dtype}",
                    hint="cast one of them",
                )
            typed = convert(one, both)
            if not typed.deterministic or lower(typed).faults:
                raise UnsupportedError(
                    f"the key of a lookup can neither fail nor be random, found {term}",
                    hint="compute it before, by .with_columns(...)",
                )
            types.append(both)
        return tuple(types)

    def typed_key(self, number: int) -> Typed:
        """A term of the key, with the common type."""
        return convert(infer(self.left_on[number], self.input.schema), self.key_types()[number])

    def request(self) -> LookupRequest:
        """What the source is opened for."""
        return LookupRequest(self.right_on, self.table, self.options.timeout_us)

    def describe(self) -> str:
        """Source, form, keys, and how it is asked."""
        pairs = [f"{a} = {b}" for a, b in zip(self.left_on, self.right_on, strict=True)]
        kept = f"state: the rows that wait, some {self.options.capacity:,} at most"
        return f"{self.how} in {self.source.default_name()} on {', '.join(pairs)}; {self.options.told()}; {kept}"

    @property
    def unbounded_state(self) -> str | None:
        """What grows for ever: nothing; sources are not polled when too many rows wait."""
        return None

    def narrowed(self, used: set[str]) -> Lookup:
        """The same lookup with only the columns that somebody uses; the event time stays."""
        wanted = used | {str(self.time_name())}
        kept = tuple(column for column in self.columns if column[0] in wanted) or self.columns[:1]
        asked = {source for _, side, source in kept if side == RIGHT} | set(self.right_on)
        table = self.table.select([name for name in self.table.names if name in asked])
        return self if kept == self.columns else replace(self, columns=kept, table=table)

    def needs(self, used: set[str]) -> list[set[str]]:
        """What comes out of the rows, their keys, and their event time."""
        mine = {source for _, side, source in self.narrowed(used).columns if side == LEFT}
        keys = set().union(*(term.columns() for term in self.left_on))
        return [mine | keys]

    def plain(self) -> Callable[[dict[str, Any]], list[dict[str, Any]]]:
        """A function from a key to the rows of the source, one key at a time."""
        opened = self.source.lookup(self.request())
        if self.source.whole:
            rows = opened.load().rows(named=True)
            return lambda key: [row for row in rows if _equal(row, key)]
        types = {name: to_polars(dtype) for name, dtype in zip(self.right_on, self.key_types(), strict=True)}

        def ask(key: dict[str, Any]) -> list[dict[str, Any]]:
            asked = pl.DataFrame({name: [value] for name, value in key.items()}, schema=types)
            return [row for row in opened.ask(asked).rows(named=True) if _equal(row, key)]

        return ask

    def meaning(self) -> Meaning:
        """See `LookupMeaning`."""
        return LookupMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `LookupExecutor`."""
        from penstock.operators.lookup_execution import LookupExecutor

        return LookupExecutor(self, environment)


def _equal(row: dict[str, Any], key: dict[str, Any]) -> bool:
    mine = {name: row[name] for name in key}
    return None not in mine.values() and plain_key(mine, list(key)) == plain_key(key, list(key))


# -- Meaning -------------------------------------------------------------------


class LookupMeaning(Meaning):
    """Ask for the key of the row, and give the row with each answer. Nobody waits and nothing fails here."""

    def __init__(self, node: Lookup) -> None:
        self.node, self.ask = node, node.plain()
        self.terms = [interpret(node.typed_key(i)) for i in range(len(node.left_on))]

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """One row in, as many as there are answers out."""
        key = {name: term(row.values) for name, term in zip(self.node.right_on, self.terms, strict=True)}
        found: list[Any] = [] if None in key.values() else list(self.ask(key))
        if not found and self.node.how == LEFT:
            found = [None]
        return [("out", row.with_values(self._values(row.values, answer))) for answer in found]

    def _values(self, mine: dict[str, Any], answer: dict[str, Any] | None) -> dict[str, Any]:
        made = {}
        for name, side, source in self.node.columns:
            row = mine if side != RIGHT else answer
            made[name] = None if row is None else row[source]
        return made


# -- Execution -----------------------------------------------------------------
# See `operators/lookup_execution.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
