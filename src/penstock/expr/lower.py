"""From typed terms to Polars expressions: a value, and which rows have none.

Nothing that lowers here raises for a row. Where a row has no value (a cast that fails, an overflow)
the value is null and the fault expression is true; the executor sends such rows to `errors`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from penstock.core.dtypes import Json, Null, String, to_polars
from penstock.core.errors import InvariantError
from penstock.core.lazy import pl
from penstock.expr.ast import Call, Case, Cast, Column, Literal, plain
from penstock.expr.casts import cast_fault, lower_cast
from penstock.expr.functions import FUNCTIONS
from penstock.expr.infer import Typed


class Fault(NamedTuple):
    """A Polars condition that is true for rows without a value, and what happened to them."""

    condition: Any
    reason: str


class Lowered(NamedTuple):
    """A Polars expression for the value, and the faults of its rows."""

    value: Any
    faults: tuple[Fault, ...] = ()


def lower(typed: Typed) -> Lowered:
    """The Polars form of a typed term."""
    match typed.term:
        case Column(name):
            return Lowered(pl.col(name))
        case Literal(value):
            return Lowered(_literal(value, typed))
        case Cast(strict=strict):
            return _cast(typed, strict)
        case Case():
            return _case(typed)
        case Call():
            return _call(typed)
    raise InvariantError(f"{typed.term} cannot be lowered")


def _literal(value: Any, typed: Typed) -> Any:
    dtype = to_polars(typed.dtype)
    if isinstance(value, tuple):
        # A series of one value does not broadcast; its first value does.
        return pl.lit(pl.Series([plain(value, typed.dtype)], dtype=dtype)).first()
    return pl.lit(value, dtype=None if typed.dtype == Null else dtype)


def _cast(typed: Typed, strict: bool) -> Lowered:
    (arg,) = typed.args
    inner = lower(arg)
    if arg.dtype == typed.dtype or {arg.dtype, typed.dtype} == {Json, String}:
        return inner
    value = lower_cast(inner.value, arg.dtype, typed.dtype)
    if not strict:
        return Lowered(value, inner.faults)
    condition = cast_fault(inner.value, value, arg.dtype, typed.dtype)
    if condition is None:
        return Lowered(value, inner.faults)
    reason = f"cannot cast {arg.term} to {typed.dtype}"
    return Lowered(value, (*inner.faults, Fault(condition, reason)))


def _case(typed: Typed) -> Lowered:
    lowered = [lower(arg) for arg in typed.args]
    faults: list[Fault] = []
    reached: Any = None  # the condition under which the next branch is looked at
    chain: Any = pl
    for i in range(0, len(lowered) - 1, 2):
        condition, value = lowered[i], lowered[i + 1]
        taken = condition.value.fill_null(value=False)
        faults += _under(condition.faults, reached)
        faults += _under(value.faults, taken if reached is None else reached & taken)
        reached = ~taken if reached is None else reached & ~taken
        chain = chain.when(condition.value).then(value.value)
    faults += _under(lowered[-1].faults, reached)
    return Lowered(chain.otherwise(lowered[-1].value), tuple(faults))


def _under(faults: tuple[Fault, ...], reached: Any) -> list[Fault]:
    return [Fault(f.condition if reached is None else reached & f.condition, f.reason) for f in faults]


def _call(typed: Typed) -> Lowered:
    assert isinstance(typed.term, Call)
    function = FUNCTIONS[typed.term.function]
    lowered = [lower(arg) for arg in typed.args]
    values = [one.value for one in lowered]
    options = dict(typed.term.options)
    if function.typed:
        options |= {"types": tuple(arg.dtype for arg in typed.args), "returns": typed.dtype}
    faults = [fault for one in lowered for fault in one.faults]
    if function.fault is not None:
        condition = function.fault(*values, **options)
        if condition is not None:
            faults.append(Fault(_scalar(condition, typed), f"no value for {typed.term}"))
    return Lowered(_scalar(function.polars(*values, **options), typed), tuple(faults))


def _scalar(expression: Any, typed: Typed) -> Any:
    """A result made of constants only: a column of one value does not broadcast, its first value does."""
    constant = typed.args and typed.deterministic and not typed.term.columns()
    return expression.first() if constant else expression
