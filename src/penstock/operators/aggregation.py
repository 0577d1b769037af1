"""What `group` and `window` have in common: named aggregates over keys, and their plain meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from penstock.core.dtypes import Binary, Boolean, Decimal, DType, Json, String, is_fixed, is_numeric
from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.schema import Field, Schema
from penstock.expr.aggregates import declared as declared_of
from penstock.expr.ast import Aggregation, Term
from penstock.expr.function import Aggregate, RowFault
from penstock.expr.infer import infer_aggregation
from penstock.expr.interpret import interpret

Named = tuple[tuple[str, Term], ...]
"""Aggregates by the names of their columns."""


def key_fields(schema: Schema, keys: Sequence[str]) -> tuple[Field, ...]:
    """The fields of the key columns.

    Raises:
        PlanError: If a type cannot be a key.
    """
    fields = tuple(schema[name] for name in keys)
    for field in fields:
        if not (is_fixed(field.dtype) or isinstance(field.dtype, Decimal) or field.dtype in (String, Binary, Json)):
            raise PlanError(
                f'"{field.name}" cannot be a key: {field.dtype}', hint="keys are numbers, texts, booleans and times"
            )
    return fields


def aggregate_fields(schema: Schema, aggregates: Named, *, updating: bool, grouped: bool) -> tuple[Field, ...]:
    """The fields of the aggregates.

    Raises:
        PlanError: If a term is no aggregate, types do not fit, or the aggregate cannot take back rows.
    """
    fields = []
    for name, term in aggregates:
        typed, _ = infer_aggregation(term, schema)
        declared = declaration(term)
        if updating and declared.retraction == "refused":
            wanted = "use the exact form" if declared.user is None else f"give {declared.name} a method retract"
            raise UnsupportedError(
                f"{declared.name} cannot take rows back, and the rows of a Table change",
                hint=f"{wanted}, or group by a window first",
            )
        if updating and declared.order_sensitive:
            raise UnsupportedError(
                f"{declared.name} follows the order of rows, and the rows of a Table change",
                hint="use min, max, or arg_max by a column; or put it before the grouping",
            )
        fields.append(Field(name, typed.dtype, typed.nullable, typed.mask))
    return tuple(fields)


def declaration(term: Term) -> Aggregate:
    """The declaration of an aggregation's function."""
    assert isinstance(term, Aggregation)
    return declared_of(term)


def check_merging(aggregates: Named, windows: str, *, in_order: bool) -> None:
    """Check that states of parts of a group can be made one.

    Args:
        aggregates: The aggregates.
        windows: What makes parts, for messages.
        in_order: Whether the rows of a part all came before those of the next.

    Raises:
        UnsupportedError: If a user's aggregate cannot.
    """
    for _, term in aggregates:
        user = declaration(term).user
        if user is None:
            continue
        if not user.merges:
            raise UnsupportedError(
                f"{user.name} has no merge, and {windows} are made of parts",
                hint="give it a method merge(self, other)",
            )
        if declaration(term).order_sensitive and not in_order:
            raise UnsupportedError(
                f"{user.name} follows the order of rows, and parts of {windows} are merged in another order",
                hint="tumbling windows, and running aggregates, take rows in their order",
            )


def order_sensitive(aggregates: Named) -> bool:
    """Whether the order of rows matters to one of the aggregates."""
    return any(declaration(term).order_sensitive for _, term in aggregates)


def describe(aggregates: Named) -> str:
    """The aggregates for people."""
    return ", ".join(f"{name} = {term}" for name, term in aggregates)


def unfit_reason(aggregates: Named) -> str:
    """Why a group has no result."""
    theirs = [str(term) for _, term in aggregates if declaration(term).user is not None]
    sums = [str(term) for _, term in aggregates if declaration(term).name == "sum" and str(term) not in theirs]
    reasons = [f"{' or '.join(sums)} does not fit its type"] if sums or not theirs else []
    return (
        f"no result for the key: {', or '.join([*reasons, *(f'{one} failed, or gave another type' for one in theirs)])}"
    )


# -- Meaning -------------------------------------------------------------------


class PlainAggregate:
    """One aggregate over the rows of one group at a time, in plain Python."""

    def __init__(self, name: str, term: Term, schema: Schema) -> None:
        typed, where = infer_aggregation(term, schema)
        assert isinstance(term, Aggregation)
        self.name = name
        self.declared = declared_of(term)
        self.user = self.declared.user
        self.takes_null = (False,) * len(typed.args) if self.user is None else self.user.takes_null
        self.options = dict(term.options)
        self.args = [interpret(arg) for arg in typed.args]
        self.where = interpret(where) if where is not None else None
        self.text = str(term)

    def arguments(self, values: dict[str, Any]) -> tuple[Any, ...] | None:
        """What a row adds, or None if it does not count.

        Raises:
            RowFault: If a term has no value for the row.
        """
        counted = self.where is None or self.where(values) is True
        found = tuple(arg(values) for arg in self.args)
        if not counted or any(value is None and not null for value, null in zip(found, self.takes_null, strict=True)):
            return None
        if self.user is not None:
            self.user.trial(found)
        return found

    def start(self) -> Any:
        """The state of an empty group."""
        return (0, self.declared.init(**self.options))

    def add(self, state: Any, arguments: tuple[Any, ...] | None, diff: int) -> Any:
        """The state with a row more, or with one taken back."""
        if arguments is None:
            return state
        count, inner = state
        if diff > 0:
            return (count + 1, self.declared.add(inner, *arguments, **self.options))
        assert self.declared.retract is not None
        if self.user is not None and count == 1:
            # Nothing is left of any row: what rounding, or a failure, has left goes too.
            return self.start()
        return (count - 1, self.declared.retract(inner, *arguments, **self.options))

    def result(self, state: Any) -> Any:
        """The value for people.

        Raises:
            RowFault: If there is none: it does not fit its type.
        """
        count, inner = state
        if self.user is not None and count == 0:
            return self.declared.result(self.declared.init())
        return self.declared.empty if count == 0 else self.declared.result(inner, **self.options)


def results_of(aggregates: Sequence[PlainAggregate], states: Sequence[Any]) -> dict[str, Any] | None:
    """The values of a group by name; None if one of them does not fit its type: the group has no result."""
    try:
        return {one.name: one.result(state) for one, state in zip(aggregates, states, strict=True)}
    except RowFault:
        return None


def plain_key(values: dict[str, Any], keys: Sequence[str]) -> tuple[Any, ...]:
    """The key of a row, in which NaN equals itself and zero has no sign."""
    return tuple(_canonical(values[name]) for name in keys)


def _canonical(value: Any) -> Any:
    if isinstance(value, float):
        return "NaN" if value != value else value + 0.0
    return value


def key_order(dtypes: Sequence[DType]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """A sort key for keys: null first, NaN last, text by its UTF-8 bytes."""

    def one(value: Any, dtype: DType) -> tuple[Any, ...]:
        if value is None:
            return (0,)
        if value == "NaN" and is_numeric(dtype):
            return (2,)
        if dtype in (String, Json):
            return (1, value.encode())
        return (1, int(value) if dtype == Boolean else value)

    return lambda key: tuple(one(value, dtype) for value, dtype in zip(key, dtypes, strict=True))
