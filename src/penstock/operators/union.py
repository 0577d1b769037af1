"""Merge streams of one schema, in the order in which the rows came in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from penstock.core.delta import Delta, in_journal_order
from penstock.core.errors import PlanError, nearest
from penstock.core.lazy import pl
from penstock.core.schema import Field, Schema
from penstock.expr.function import NotOnFlink
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Output, Row, StepContext
from penstock.plan.node import APPEND, UPDATING, Facts, Named, Node, walk

_PLACES = ("first", "second", "third", "fourth", "fifth")

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Union(Executable):
    """All rows of all inputs. Columns are matched by name and must have one type; duplicates stay.

    A union of Tables is a Table without a key: equal keys of two inputs are two rows.

    Attributes:
        streams: The inputs, at least one.
    """

    verb: ClassVar[str] = "union"

    streams: tuple[Node, ...]

    def derive(self) -> Facts:
        """The common schema; event time only if all inputs have the same."""
        first, *rest = (stream.facts for stream in self.streams)
        for place, other in enumerate(rest, start=1):
            self._same_columns(place, first.schema, other.schema)
        fields = []
        for field in first.schema:
            others = [self._matching(field, other.schema) for other in rest]
            mask = next((f.mask for f in (field, *others) if f.mask), None)
            fields.append(Field(field.name, field.dtype, any(f.nullable for f in (field, *others)), mask))
        facts = [first, *rest]
        times = {f.time for f in facts}
        time = first.time if len(times) == 1 and all(f.watermarked for f in facts) else None
        return Facts(
            schema=Schema(tuple(fields)),
            mode=UPDATING if any(f.mode == UPDATING for f in facts) else APPEND,
            time=time,
            watermarked=time is not None,
            bounded=all(f.bounded for f in facts),
            deterministic=all(f.deterministic for f in facts),
        )

    def _same_columns(self, place: int, first: Schema, other: Schema) -> None:
        missing = [name for name in first.names if name not in other]
        more = [name for name in other.names if name not in first]
        if not missing and not more:
            return
        one, another = self._called(0), self._called(place)
        if missing:
            told = f'{another} has no column "{missing[0]}", which {one} has{nearest(missing[0], more)}'
        else:
            told = f'{another} has a column "{more[0]}", which {one} has not'
        raise PlanError(
            f"a union needs equal columns: {told}", hint="make them equal: .select(...), .rename(...) or .drop(...)"
        )

    def _called(self, place: int) -> str:
        """What the user may know an input by: its place, and its source if there is one only."""
        sources = {str(node.name) for node in walk(self.streams[place]) if isinstance(node, Named)}
        source = f' ("{sources.pop()}")' if len(sources) == 1 else ""
        return f"the {_PLACES[place] if place < len(_PLACES) else f'{place + 1}th'} stream{source}"

    def _matching(self, field: Field, schema: Schema) -> Field:
        other = schema[field.name]
        if other.dtype != field.dtype:
            raise PlanError(
                f'a union needs equal types, found "{field.name}": {field.dtype} and {other.dtype}',
                hint="cast one of them",
            )
        return other

    def meaning(self) -> Meaning:
        """See `UnionMeaning`."""
        return UnionMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `UnionExecutor`."""
        return UnionExecutor(self)


# -- Meaning -------------------------------------------------------------------


class UnionMeaning(Meaning):
    """Every row of every input, its columns in the order of the first."""

    def __init__(self, node: Union) -> None:
        self.names = node.schema.names

    def row(self, port: int, row: Row) -> Iterable[Emission]:
        """One row in, the same out."""
        return [("out", row.with_values({name: row.values[name] for name in self.names}))]


# -- Execution -----------------------------------------------------------------


class UnionExecutor(Executor):
    """Lays the inputs of a step end to end in the journal's order."""

    def __init__(self, node: Union) -> None:
        self.names = node.schema.names
        self.updating = node.facts.mode == UPDATING

    def step(self, inputs: Sequence[Delta | None], context: StepContext) -> Iterable[Output]:
        """Merge; see `Executor.step`."""
        parts = [self._aligned(delta) for delta in inputs if delta is not None and delta.length]
        return [("out", in_journal_order(parts))] if parts else []

    def _aligned(self, delta: Delta) -> Delta:
        aligned = delta.with_columns({name: delta.columns[name] for name in self.names})
        if self.updating and aligned.diff is None:
            aligned.diff = pl.Series("diff", [1], dtype=pl.Int8).new_from_index(0, delta.length)
        return aligned


# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
