"""Stands in for the library of Flink's functions until that is merged: the operators and a few functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.dtypes import INTEGERS, Boolean, DType, Float64, Int32, Int64, Null, String
from penstock.core.errors import PlanError, UnknownNameError
from penstock.core.schema import Field, Schema
from penstock.core.where import Where
from penstock.expr.ast import Call, Case, Cast, Column, Literal, Term
from penstock.expr.function import with_options
from penstock.expr.functions import FUNCTIONS
from penstock.expr.infer import Typed, infer
from penstock.expr.signatures import common as _common
from penstock.sql.types import spelled


@dataclass(frozen=True)
class Session:
    """What the text does not say: the zone."""

    zone: str = "UTC"


def _retyped(term: Term, args: Sequence[Typed]) -> Typed:
    """The type of a term over terms whose types are known."""
    fields, parts = [], []
    for i, arg in enumerate(args):
        if isinstance(arg.term, Literal):
            parts.append(arg.term)
        else:
            fields.append(Field(f"a{i}", arg.dtype, arg.nullable))
            parts.append(Column(f"a{i}"))
    stand_in = _with_args(term, parts)
    typed = infer(stand_in, Schema(tuple(fields)))
    return Typed(term, typed.dtype, typed.nullable, deterministic=all(a.deterministic for a in args))


def _with_args(term: Term, parts: list[Term]) -> Term:
    if isinstance(term, Call):
        return Call(term.function, tuple(parts), term.options)
    if isinstance(term, Cast):
        return Cast(parts[0], term.dtype, term.strict)
    assert isinstance(term, Case)
    pairs = tuple((parts[i], parts[i + 1]) for i in range(0, len(parts) - 1, 2))
    return Case(pairs, parts[-1])


def constant(value: Any, dtype: DType) -> Typed:
    """A constant."""
    return Typed(Literal(value, dtype), dtype, value is None)


def call(function: str, args: Sequence[Typed], **options: Any) -> Typed:
    """A call of a function of the plan."""
    given = with_options(FUNCTIONS[function].options, options, function)
    return _retyped(Call(function, tuple(a.term for a in args), given), args)


def common(a: DType, b: DType) -> DType | None:
    """The type of both."""
    return _common(a, b)


def common_of(types: Sequence[DType], what: str) -> DType:
    """The type of several."""
    shared: DType = Null
    for dtype in types:
        found = common(shared, dtype)
        if found is None:
            raise PlanError(f"{what} have no type in common: {spelled(shared)} and {spelled(dtype)}", hint="CAST one")
        shared = found
    return shared


def widened(value: Typed, dtype: DType) -> Typed:
    """The value in a wider type."""
    if value.dtype == dtype:
        return value
    if isinstance(value.term, Literal) and value.term.value is None:
        return constant(None, dtype)
    return _retyped(Cast(value.term, dtype), [value])


def case(branches: Sequence[tuple[Typed, Typed]], otherwise: Typed | None = None) -> Typed:
    """CASE."""
    last = otherwise or constant(None, Null)
    shared = common_of([*(v.dtype for _, v in branches), last.dtype], "the values of CASE")
    pairs = [(c, widened(v, shared)) for c, v in branches]
    last = widened(last, shared)
    term = Case(tuple((c.term, v.term) for c, v in pairs), last.term)
    return _retyped(term, [*(p for pair in pairs for p in pair), last])


def cast(
    value: Typed, dtype: DType, where: Where | None = None, session: Session = Session(), *, attempt: bool = False,  # noqa: B008
    length: int | None = None, fixed: bool = False, digits: int | None = None,
) -> Typed:  # fmt: skip
    """CAST."""
    try:
        return _retyped(Cast(value.term, dtype, not attempt), [value])
    except PlanError as refused:
        raise refused.at(where) from None


_PLAN = {
    "+": "add", "-": "sub", "*": "mul", "%": "mod", "=": "eq", "<>": "ne", "<": "lt", "<=": "le", ">": "gt",
    ">=": "ge", "AND": "and", "OR": "or", "NOT": "not", "IS NULL": "is_null", "IS NOT NULL": "is_not_null",
    "IS DISTINCT FROM": "ne_missing", "IS NOT DISTINCT FROM": "eq_missing", "UPPER": "str.to_uppercase",
    "LOWER": "str.to_lowercase", "ABS": "abs", "COALESCE": "coalesce", "MOD": "mod", "SQRT": "sqrt",
    "CHAR_LENGTH": "str.len_chars",
}  # fmt: skip


def _divide(args: Sequence[Typed]) -> Typed:
    whole = all(a.dtype in INTEGERS for a in args)
    return call("truncdiv" if whole else "truediv", args)


def _item(args: Sequence[Typed]) -> Typed:
    if spelled(args[0].dtype).startswith("MAP"):
        return call("map.get", args)
    return call("list.get", [args[0], call("sub", [args[1], constant(1, args[1].dtype)])])


_OWN: dict[str, Callable[[Sequence[Typed]], Typed]] = {
    "/": _divide,
    "||": lambda args: call("concat_str", args),
    "CONCAT": lambda args: call("concat_str", args),
    "IF": lambda args: case([(args[0], args[1])], args[2]),
    "ITEM": _item,
    "IS TRUE": lambda args: call("eq_missing", [args[0], constant(True, Boolean)]),
    "IS NOT TRUE": lambda args: call("ne_missing", [args[0], constant(True, Boolean)]),
    "IS FALSE": lambda args: call("eq_missing", [args[0], constant(False, Boolean)]),
    "IS NOT FALSE": lambda args: call("ne_missing", [args[0], constant(False, Boolean)]),
    "EXTRACT": lambda args: widened(call(f"dt.{args[0].term.value.lower()}", args[1:]), Int64),  # type: ignore[attr-defined]
    "SUBSTRING": lambda args: call(
        "str.slice", [args[0], call("sub", [args[1], constant(1, args[1].dtype)]), *args[2:]]
    ),
}

NAMES = frozenset({*_PLAN, *_OWN})


def resolve(name: str, args: Sequence[Typed], where: Where | None = None, session: Session = Session(), **options: Any) -> Typed:  # noqa: B008, E501
    """The term of a call."""
    upper = name.upper()
    try:
        if upper == "-" and len(args) == 1:
            return call("neg", args)
        if upper in _OWN:
            return _OWN[upper](args)
        if upper in _PLAN:
            return call(_PLAN[upper], args)
    except PlanError as refused:
        raise refused.at(where) from None
    raise UnknownNameError("function", upper, sorted(NAMES), where=where)


_ = (Float64, Int32, String)
