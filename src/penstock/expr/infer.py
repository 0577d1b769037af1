"""Types: from a term and a schema to a tree in which every term has its type and nullability."""

from __future__ import annotations

import decimal
from dataclasses import dataclass
from typing import Any

from penstock.core.dtypes import (
    FLOATS,
    INTEGERS,
    Boolean,
    Decimal,
    DType,
    Int64,
    Null,
    is_numeric,
)
from penstock.core.errors import PlanError, UnknownNameError
from penstock.core.schema import Schema
from penstock.expr.aggregates import declared
from penstock.expr.ast import Aggregation, Apply, Call, Case, Cast, Column, Lag, Literal, Over, Term
from penstock.expr.casts import check_cast
from penstock.expr.function import Function, Signature
from penstock.expr.functions import FUNCTIONS
from penstock.expr.signatures import common, common_of, limits


@dataclass(frozen=True)
class Typed:
    """A term with its type.

    Attributes:
        term: The term; its children are superseded by `args`.
        dtype: The type of its value.
        nullable: Whether the value may be null.
        args: The typed children, converted to what the function works on.
        mask: The mask of the column policies it derives from, or None.
        deterministic: Whether equal rows give equal values.
    """

    term: Term
    dtype: DType
    nullable: bool
    args: tuple[Typed, ...] = ()
    mask: str | None = None
    deterministic: bool = True


def infer(term: Term, schema: Schema) -> Typed:
    """The typed form of a term over rows of a schema.

    Raises:
        UnknownNameError: If a column does not exist.
        PlanError: If types do not fit.
    """
    match term:
        case Column(name):
            field = schema[name]
            return Typed(term, field.dtype, field.nullable, mask=field.mask)
        case Literal(value, dtype):
            if dtype == Int64 and value is not None and not -(2**63) <= value < 2**63:
                raise PlanError(f"the integer {value} does not fit 64 bits")
            return Typed(term, dtype, value is None)
        case Cast(inner, dtype, strict):
            arg = infer(inner, schema)
            _check_cast(term, arg.dtype)
            return Typed(term, dtype, arg.nullable or not strict, (arg,), arg.mask, arg.deterministic)
        case Case():
            return _case(term, schema)
        case Call():
            return _call(term, schema)
        case Aggregation():
            raise PlanError(f"the aggregate {term} has no place here", hint="aggregates belong into .agg(...)")
        case Over() | Lag() | Apply():
            raise PlanError(f"{term} has no place here", hint="compute it by .select or .with_columns before")
    raise PlanError(f"{term!r} is no expression")


def _check_cast(term: Cast, source: DType) -> None:
    try:
        check_cast(source, term.dtype)
    except PlanError as refused:
        raise _in_term(refused, term) from None


def _in_term(refused: PlanError, term: Term) -> PlanError:
    """The same error, saying in which term."""
    if isinstance(refused, UnknownNameError):
        return refused.inside(str(term))
    return type(refused)(f"{refused.message} in {term}", hint=refused.hint)


def _mask(args: tuple[Typed, ...]) -> str | None:
    return next((arg.mask for arg in args if arg.mask), None)


def _case(term: Case, schema: Schema) -> Typed:
    return chosen(term, [infer(child, schema) for child in term.children])


def chosen(term: Case, args: list[Typed]) -> Typed:
    """The typed form of a case of which conditions and values are typed already, in the order of `term.children`.

    Raises:
        PlanError: If types do not fit.
    """
    values = [*range(1, len(args) - 1, 2), len(args) - 1]
    for i in range(0, len(args) - 1, 2):
        if args[i].dtype not in (Boolean, Null):
            raise PlanError(f"a condition must be a boolean, found {args[i].dtype}: {args[i].term}")
        args[i] = convert(args[i], Boolean)
    shared = common_of(_literal_types([args[i] for i in values]), "branches")
    for i in values:
        args[i] = convert(args[i], shared)
    typed = tuple(args)
    nullable = any(typed[i].nullable for i in values)
    return Typed(term, shared, nullable, typed, _mask(typed), all(a.deterministic for a in typed))


def _call(term: Call, schema: Schema) -> Typed:
    return applied(term, [infer(child, schema) for child in term.args])


def applied(term: Call, args: list[Typed]) -> Typed:
    """The typed form of a call of which the arguments are typed already.

    Raises:
        PlanError: If types do not fit.
    """
    function = FUNCTIONS[term.function]
    try:
        signature = function.signature(_literal_types(args), dict(term.options))
    except PlanError as refused:
        raise _in_term(refused, term) from None
    typed = tuple(convert(arg, dtype) for arg, dtype in zip(args, signature.args, strict=True))
    deterministic = function.deterministic and all(a.deterministic for a in typed)
    nullable = _nullable(function, typed, signature, dict(term.options))
    return Typed(term, signature.returns, nullable, typed, _mask(typed), deterministic)


def _nullable(function: Function, args: tuple[Typed, ...], signature: Signature, options: dict[str, Any]) -> bool:
    gives_null = (
        function.gives_null if isinstance(function.gives_null, bool) else function.gives_null(signature, options)
    )
    match function.null:
        case "never":
            return False
        case "own":
            return True
        case "first":
            return gives_null or args[0].nullable
        case "all":
            return gives_null or all(arg.nullable for arg in args)
    return gives_null or any(arg.nullable for arg in args)


def _literal_types(args: list[Typed]) -> list[DType]:
    """The argument types, in which a flexible literal takes the type of what it meets."""
    firm = [a.dtype for a in args if not _flexible(a) and a.dtype != Null]
    if not firm:
        return [a.dtype for a in args]
    shared: DType | None = firm[0]
    for dtype in firm[1:]:
        shared = common(shared, dtype) if shared else None
    return [_adapted(a, shared) if shared and _flexible(a) else a.dtype for a in args]


def _flexible(arg: Typed) -> bool:
    return isinstance(arg.term, Literal) and arg.term.flexible


def _adapted(arg: Typed, target: DType) -> DType:
    value = arg.term.value if isinstance(arg.term, Literal) else None
    if isinstance(value, float):
        return target if target in FLOATS else arg.dtype
    if isinstance(value, decimal.Decimal):
        return _tight(value)
    if target in FLOATS:
        return target
    if isinstance(target, Decimal):
        return _tight(decimal.Decimal(value or 0))
    if target in INTEGERS and value is not None:
        low, high = limits(target)
        return target if low <= value <= high else arg.dtype
    return arg.dtype


def _tight(value: decimal.Decimal) -> Decimal:
    """The smallest decimal type that holds a value."""
    _, digits, exponent = value.as_tuple()
    scale = max(0, -int(exponent))
    return Decimal(max(len(digits) + max(0, int(exponent)), scale, 1), scale)


def convert(arg: Typed, dtype: DType) -> Typed:
    """The typed term converted to a wider type without loss; unchanged if it has it already."""
    if arg.dtype == dtype:
        return arg
    if isinstance(arg.term, Literal) and arg.term.value is None:
        return Typed(Literal(None, dtype), dtype, arg.nullable)
    if isinstance(arg.term, Literal) and arg.term.flexible and is_numeric(dtype):
        value: Any = arg.term.value
        if isinstance(dtype, Decimal):
            value = decimal.Decimal(str(value))
        elif dtype in FLOATS:
            value = float(value)
        return Typed(Literal(value, dtype, flexible=True), dtype, arg.nullable)
    return Typed(Cast(arg.term, dtype), dtype, arg.nullable, (arg,), arg.mask, arg.deterministic)


def infer_aggregation(term: Term, schema: Schema) -> tuple[Typed, Typed | None]:
    """The typed form of an aggregation and of its condition; `args` are the aggregated terms.

    Raises:
        PlanError: If the term is no aggregation, or types do not fit.
    """
    if not isinstance(term, Aggregation):
        raise PlanError(f"{term} is no aggregate", hint="such as ps.count() or col('x').sum()")
    aggregate = declared(term)
    args = [infer(child, schema) for child in term.args]
    try:
        signature = aggregate.signature([a.dtype for a in args], dict(term.options))
    except PlanError as refused:
        raise _in_term(refused, term) from None
    typed = tuple(convert(arg, dtype) for arg, dtype in zip(args, signature.args, strict=True))
    where = infer(term.where, schema) if term.where else None
    if where is not None and where.dtype not in (Boolean, Null):
        raise PlanError(f"a condition must be a boolean, found {where.dtype}: {term.where}")
    can_be_empty = where is not None or any(a.nullable for a in typed)
    nullable = aggregate.empty is None and (can_be_empty or aggregate.gives_null)
    result = Typed(term, signature.returns, nullable, typed, _mask(typed), all(a.deterministic for a in typed))
    return result, where
