"""From typed terms to plain-Python functions of one row: the meaning that engines are tested against."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from penstock.core.errors import InvariantError
from penstock.expr.ast import Call, Case, Cast, Column, Literal, plain
from penstock.expr.casts import python_cast
from penstock.expr.function import RowFault
from penstock.expr.functions import FUNCTIONS
from penstock.expr.infer import Typed

Row = Mapping[str, Any]
Meaning = Callable[[Row], Any]


def interpret(typed: Typed) -> Meaning:
    """A function from a row (names to Python values) to the term's value; it raises RowFault where there is none."""
    match typed.term:
        case Column(name):
            return lambda row: row[name]
        case Literal(value):
            constant = plain(value, typed.dtype)
            return lambda row: constant
        case Cast(strict=strict):
            return _cast(typed, strict)
        case Case():
            return _case(typed)
        case Call():
            return _call(typed)
    raise InvariantError(f"{typed.term} cannot be interpreted")


def _cast(typed: Typed, strict: bool) -> Meaning:
    inner, source, target = interpret(typed.args[0]), typed.args[0].dtype, typed.dtype
    name = str(typed.args[0].term)

    def cast(row: Row) -> Any:
        value = inner(row)
        if value is None:
            return None
        try:
            return python_cast(value, source, target)
        except RowFault:
            if strict:
                raise RowFault(f"cannot cast {name} to {target}") from None
            return None

    return cast


def _case(typed: Typed) -> Meaning:
    parts = [interpret(arg) for arg in typed.args]

    def case(row: Row) -> Any:
        for i in range(0, len(parts) - 1, 2):
            if parts[i](row) is True:
                return parts[i + 1](row)
        return parts[-1](row)

    return case


def _call(typed: Typed) -> Meaning:
    assert isinstance(typed.term, Call)
    function = FUNCTIONS[typed.term.function]
    parts = [interpret(arg) for arg in typed.args]
    options, name = dict(typed.term.options), str(typed.term)
    if function.typed:
        options |= {"types": tuple(arg.dtype for arg in typed.args), "returns": typed.dtype}

    def call(row: Row) -> Any:
        values = [part(row) for part in parts]
        if function.null == "propagate" and any(value is None for value in values):
            return None
        try:
            return function.oracle(*values, **options)
        except RowFault:
            raise RowFault(f"no value for {name}") from None

    return call
