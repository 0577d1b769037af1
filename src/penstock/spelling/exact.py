"""Terms of a plan by their own names, in Python: for what the expressions of `ps` have no word for.

`explain --as python` writes them for functions that SQL has bound, whose rules are Flink's, as
`exact.call("sql.add", ...)`.
"""

from __future__ import annotations

import json
from typing import Any

from penstock.core.dtypes import as_dtype
from penstock.core.errors import PlanError, one_of
from penstock.core.where import caller
from penstock.expr.aggregates import AGGREGATES
from penstock.expr.ast import Aggregation, Call, Case, Literal
from penstock.expr.build import Expr, term_of
from penstock.expr.function import with_options
from penstock.expr.functions import FUNCTIONS
from penstock.plan.values import decode


def call(name: str, /, *args: Any, **options: Any) -> Expr:
    """A function of the plan by its own name, such as `call("sql.divide", col("a"), col("b"))`.

    Args:
        name: The name; `docs/reference/functions.md` lists those of Python.
        *args: Expressions and constants.
        **options: Its options.

    Raises:
        PlanError: If there is no such function or option.
    """
    if name not in FUNCTIONS:
        raise one_of("function of the plan", name, FUNCTIONS, where=caller())
    terms = tuple(term_of(arg) for arg in args)
    return Expr(Call(name, terms, with_options(FUNCTIONS[name].options, options, name)))


def aggregate(name: str, /, *args: Any, **options: Any) -> Expr:
    """An aggregate of the plan by its own name, such as `aggregate("sql.avg", col("x"), dtype=ps.Int64)`.

    Args:
        name: The name.
        *args: Expressions and constants.
        **options: Its options.

    Raises:
        PlanError: If there is no such aggregate or option.
    """
    if name not in AGGREGATES:
        raise one_of("aggregate of the plan", name, AGGREGATES, where=caller())
    terms = tuple(term_of(arg) for arg in args)
    return Expr(Aggregation(name, terms, None, with_options(AGGREGATES[name].options, options, name)))


def constant(value: Any, dtype: Any) -> Expr:
    """A constant of exactly this type, which does not give way to that of what it meets.

    Args:
        value: A number, text, moment or None, as a plan stores it.
        dtype: Its type.
    """
    return Expr(Literal(value, as_dtype(dtype)))


def stored(text: str) -> Expr:
    """A constant as a stored plan has it.

    Args:
        text: JSON.

    Raises:
        PlanError: If it is no constant.
    """
    found = decode(json.loads(text), _none)
    if not isinstance(found, Literal):
        raise PlanError("stored takes a constant of a plan as JSON", where=caller())
    return Expr(found)


def _none(stored: dict[str, Any]) -> Any:
    raise PlanError(f'a connector is no constant, found "{stored.get("connector")}"')


def case(*parts: Any) -> Expr:
    """Conditions with values in turn, and a last value: the value of the first condition that is true.

    Args:
        *parts: An odd number of expressions and constants.
    """
    terms = [term_of(part) for part in parts]
    pairs = tuple((terms[i], terms[i + 1]) for i in range(0, len(terms) - 1, 2))
    return Expr(Case(pairs, terms[-1]))
