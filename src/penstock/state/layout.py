"""How the aggregates of a node are kept: which words, which value stores, which terms of a row they need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.dtypes import DType
from penstock.core.schema import Schema
from penstock.expr.aggregates import declared as declaration
from penstock.expr.ast import Aggregation, Term
from penstock.expr.function import Aggregate, Argument, Words
from penstock.expr.infer import infer_aggregation
from penstock.expr.sketches import FREQUENT, HEAVY, KLL, TDIGEST, THETA
from penstock.state.chunks import ChunkLayout
from penstock.state.expiry import INITIAL
from penstock.state.heavy import HeavyLayout
from penstock.state.keys import KeyCodec
from penstock.state.readers import INVERSES
from penstock.state.sketches import SketchLayout
from penstock.state.theta import ThetaLayout
from penstock.state.user_states import UserLayout
from penstock.state.values import ValueLayout
from penstock.state.words import ACCUMULATORS, Accumulator

_SKETCHES: dict[int, Any] = {
    THETA: ThetaLayout,
    KLL: ChunkLayout,
    TDIGEST: ChunkLayout,
    FREQUENT: ChunkLayout,
    HEAVY: HeavyLayout,
}


@dataclass(frozen=True)
class Folded:
    """An aggregate kept in fixed words.

    Attributes:
        words: Its accumulators.
        parts: For each, the accumulator, its first word, and the argument it folds, or the two of a pair.
    """

    words: Words
    parts: tuple[tuple[Accumulator, int, Argument], ...]


@dataclass(frozen=True)
class Kept:
    """An aggregate that keeps its values.

    Attributes:
        place: Which value store.
    """

    place: int


@dataclass(frozen=True)
class Column:
    """One aggregate of a node.

    Attributes:
        name: The column it makes.
        dtype: Its type.
        aggregate: The declaration.
        options: Its constant options.
        types: The types of its arguments.
        args: Its arguments, as names of columns of the projected input.
        where: Its condition, likewise, or None.
        how: How its state is kept.
        text: The term, for messages.
    """

    name: str
    dtype: DType
    aggregate: Aggregate
    options: dict[str, Any]
    types: tuple[DType, ...]
    args: tuple[str, ...]
    where: str | None
    how: Folded | Kept
    text: str

    @property
    def needed(self) -> tuple[str, ...]:
        """The arguments that may not be null in a row that counts."""
        user = self.aggregate.user
        return self.args if user is None else tuple(a for a, n in zip(self.args, user.takes_null, strict=True) if not n)

    @property
    def function(self) -> str:
        """The name of the aggregate in what is stored; what users wrote is told apart from the table."""
        return self.aggregate.name if self.aggregate.user is None else f"user.{self.aggregate.name}"

    @property
    def described_options(self) -> dict[str, Any]:
        """What must be equal of it for state to be usable."""
        user = self.aggregate.user
        version = None if user is None else user.declared.version
        return self.options if version is None else {**self.options, "version": version}


@dataclass(frozen=True)
class Layout:
    """How the aggregates of a node are kept.

    Attributes:
        codec: Turns key columns into keys and back.
        columns: The aggregates.
        initial: The words of a new slot.
        counted: Whether word 0 counts the rows of the key.
        values: The layouts of value stores.
        projection: The terms that must be computed for each row, by name.
    """

    codec: KeyCodec
    columns: tuple[Column, ...]
    initial: tuple[int, ...]
    counted: bool
    values: tuple[ValueLayout, ...]
    projection: tuple[tuple[str, Term], ...]
    ttl: int | None = None
    """How long keys are kept after their last row, in microseconds; None = for ever. The last two words say when."""

    @property
    def plain_key(self) -> bool:
        """Whether the key is one word whose order as a whole number is the order of its values."""
        return self.codec.is_plain

    @property
    def invertible(self) -> bool:
        """Whether what was merged can be taken back exactly."""
        return all(
            isinstance(column.how, Folded) and all(a.kind in INVERSES for a, _, _ in column.how.parts)
            for column in self.columns
        )

    def aggregates(self) -> list[dict[str, Any]]:
        """The aggregates as JSON: all that must be equal for state under one layout to be state under another.

        What is aggregated is not part of it: an argument may be spelled otherwise.
        """
        return [
            {
                "name": column.name,
                "function": column.function,
                "options": {name: str(value) for name, value in column.described_options.items()},
                "arguments": [str(dtype) for dtype in column.types],
                "kept": [a.kind for a, _, _ in column.how.parts] if isinstance(column.how, Folded) else "values",
            }
            for column in self.columns
        ]


def layout_of(
    schema: Schema,
    keys: Sequence[str],
    aggregates: Sequence[tuple[str, Term]],
    *,
    updating: bool,
    counted: bool = False,
    merged: bool = False,
    nullable: bool = True,
    more: Sequence[int] = (),
    ttl: int | None = None,
) -> Layout:
    """The layout for aggregates by keys over rows of a schema.

    Args:
        schema: The rows.
        keys: The key columns.
        aggregates: The aggregates by name.
        updating: Whether rows can be taken back.
        counted: Whether the rows of each key are counted in any case (they are if `updating`).
        merged: Whether tables are merged with each other.
        nullable: Whether keys that are declared nullable may be null. Without, they take a word less.
        more: The initial values of words behind those of the aggregates, for whoever keeps more of a key.
        ttl: How long keys are kept after their last row.
    """
    codec = KeyCodec(keys, [schema[k].dtype for k in keys], [nullable and schema[k].nullable for k in keys])
    counted = counted or updating
    projection: dict[Term, str] = {}
    initial: list[int] = [0] if counted else []
    values: list[ValueLayout] = []
    columns = []
    for name, term in aggregates:
        assert isinstance(term, Aggregation)
        typed, where = infer_aggregation(term, schema)
        declared, options = declaration(term), dict(term.options)
        types = [arg.dtype for arg in typed.args]
        args = tuple(projection.setdefault(arg.term, f"__a{len(projection)}") for arg in typed.args)
        condition = projection.setdefault(where.term, f"__a{len(projection)}") if where is not None else None
        foldable = not updating or declared.retraction == "invertible"
        # Panes are merged in the order of time, in which their rows need not have come.
        foldable = foldable and not (merged and declared.order_sensitive)
        words = declared.words(types, options) if foldable else None
        how: Folded | Kept
        if words is not None:
            how = _folded(words, initial)
        else:
            how = Kept(len(values))
            values.append(_values_of(declared, types, options))
        columns.append(Column(name, typed.dtype, declared, options, tuple(types), args, condition, how, str(term)))
    terms = tuple((name, term) for term, name in projection.items())
    last = INITIAL if ttl is not None else ()
    return Layout(codec, tuple(columns), (*initial, *more, *last), counted, tuple(values), terms, ttl)


def _values_of(declared: Aggregate, types: Sequence[DType], options: dict[str, Any]) -> ValueLayout:
    if declared.user is not None:
        return UserLayout.of_class(types, declared.user)
    if declared.sketch is not None:
        sketched = declared.sketch(types, options)
        made: ValueLayout = _SKETCHES.get(sketched.shape.kind, SketchLayout).sketch(types, sketched)
        return made
    return ValueLayout.of(types, ordered=declared.order_sensitive)


def _folded(words: Words, initial: list[int]) -> Folded:
    parts = []
    for kind, argument in words.kinds:
        accumulator = ACCUMULATORS[kind]
        parts.append((accumulator, len(initial), argument))
        initial += accumulator.initial
    return Folded(words, tuple(parts))
