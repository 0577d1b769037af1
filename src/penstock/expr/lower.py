"""From typed terms to Polars expressions: a value, and which rows have none.

Nothing that lowers here raises for a row. Where a row has no value (a cast that fails, an overflow)
the value is null and the fault expression is true; the executor sends such rows to `errors`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from penstock.core.dtypes import Binary, DType, Json, List, Map, Null, String, Struct, to_polars
from penstock.core.errors import InvariantError
from penstock.core.lazy import pl
from penstock.expr.ast import Call, Case, Cast, Column, Literal, plain
from penstock.expr.casts import cast_fault, lower_cast
from penstock.expr.functions import FUNCTIONS
from penstock.expr.infer import Typed


class Fault(NamedTuple):
    """A Polars condition that is true for rows without a value, and what happened to them.

    Attributes:
        condition: The condition.
        reason: What happened, without values.
        told: A Polars expression for the reason with the row's value in it; None if there is only `reason`.
    """

    condition: Any
    reason: str
    told: Any = None

    def within(self, reached: Any) -> Fault:
        """The same fault where `reached` is true; None = everywhere."""
        return self if reached is None else self._replace(condition=reached & self.condition)


HIDDEN = "***"
"""Stands in reasons for values of masked columns."""

LONGEST = 120
"""How many characters of a value are shown in a reason."""


class Lowered(NamedTuple):
    """A Polars expression for the value, and the faults of its rows."""

    value: Any
    faults: tuple[Fault, ...] = ()


def lower(typed: Typed) -> Lowered:
    """The Polars form of a typed term; what is made of constants only is computed at once."""
    match typed.term:
        case Column(name):
            return Lowered(pl.col(name))
        case Literal(value):
            return Lowered(_literal(value, typed.dtype))
    lowered = _lower(typed)
    if not typed.args or not typed.deterministic or typed.term.columns():
        return lowered
    # A column of one value would not broadcast to the height of a frame; a literal does.
    value = pl.select(lowered.value).to_series()
    found = [fault for fault in lowered.faults if pl.select(fault.condition).item()]
    return Lowered(_of_series(value, typed.dtype), tuple(fault._replace(condition=pl.lit(True)) for fault in found))


def _lower(typed: Typed) -> Lowered:
    match typed.term:
        case Cast(strict=strict):
            return _cast(typed, strict)
        case Case():
            return _case(typed)
        case Call():
            return _call(typed)
    raise InvariantError(f"{typed.term} cannot be lowered")


def _literal(value: Any, dtype: DType) -> Any:
    if isinstance(value, tuple):
        return _of_series(pl.Series([plain(value, dtype)], dtype=to_polars(dtype)), dtype)
    return pl.lit(value, dtype=None if dtype == Null else to_polars(dtype))


def _of_series(one: Any, dtype: DType) -> Any:
    """The constant that a series of one value holds."""
    if isinstance(dtype, (List, Struct, Map)):
        return pl.lit(one).first()
    return _literal(one.item(), dtype)


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
    shown = pl.lit(HIDDEN) if arg.mask else _shown(inner.value, arg.dtype)
    if shown is None:
        return Lowered(value, (*inner.faults, Fault(condition, reason)))
    term = str(arg.term)
    term = term[1:-1] if term.startswith("(") and term.endswith(")") else term
    told = pl.concat_str(pl.lit('cannot cast "'), shown, pl.lit(f'" to {typed.dtype} ({term})'))
    return Lowered(value, (*inner.faults, Fault(condition, reason, told)))


def _shown(value: Any, dtype: DType) -> Any | None:
    """A value as a short text for people; None for types that have none."""
    if isinstance(dtype, (List, Struct, Map)):
        return None
    text = value.bin.encode("hex") if dtype == Binary else value if dtype == Json else value.cast(pl.String)
    return pl.when(text.str.len_chars() > LONGEST).then(text.str.head(LONGEST) + "…").otherwise(text)


def _case(typed: Typed) -> Lowered:
    lowered = [lower(arg) for arg in typed.args]
    faults: list[Fault] = []
    reached: Any = None  # the condition under which the next branch is looked at
    chain: Any = pl
    for i in range(0, len(lowered) - 1, 2):
        condition, value = lowered[i], lowered[i + 1]
        taken = condition.value.fill_null(value=False)
        faults += [fault.within(reached) for fault in condition.faults]
        faults += [fault.within(taken if reached is None else reached & taken) for fault in value.faults]
        reached = ~taken if reached is None else reached & ~taken
        chain = chain.when(condition.value).then(value.value)
    faults += [fault.within(reached) for fault in lowered[-1].faults]
    return Lowered(chain.otherwise(lowered[-1].value), tuple(faults))


def _call(typed: Typed) -> Lowered:
    assert isinstance(typed.term, Call)
    function = FUNCTIONS[typed.term.function]
    lowered = [lower(arg) for arg in typed.args]
    values = [one.value for one in lowered]
    options = dict(typed.term.options)
    if function.typed:
        options |= {"types": tuple(arg.dtype for arg in typed.args), "returns": typed.dtype}
    faults = [fault for one in lowered for fault in one.faults]
    if function.null == "propagate" and any(map(_is_null, values)):
        # Known here: lowerings need not think of a null constant, whose length is no column's.
        return Lowered(_literal(None, typed.dtype), tuple(faults))
    if function.fault is not None:
        condition = function.fault(*values, **options)
        if condition is not None:
            faults.append(Fault(condition, f"no value for {typed.term}"))
    return Lowered(function.polars(*values, **options), tuple(faults))


def _is_null(value: Any) -> bool:
    """Whether a Polars expression is the constant null."""
    return bool(value.meta.is_literal()) and pl.select(value.is_null()).item() is True
