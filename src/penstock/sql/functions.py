"""Flink's function library: from SQL names and typed arguments to typed terms of the plan.

The binder gives operators under their symbols (`+`, `||`, `=`, `AND`, `IS NULL`, `LIKE`), a word of the syntax as a
constant STRING (`EXTRACT(YEAR FROM x)` is `EXTRACT` of 'YEAR' and x; `TRIM(BOTH 'a' FROM x)` is `TRIM` of 'BOTH', 'a'
and x; `FLOOR(x TO HOUR)` is `FLOOR` of x and 'HOUR'), and clauses such as RETURNING or ON EMPTY as options.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.core.dtypes import DType
from penstock.core.errors import PlanError, UnknownNameError, UnsupportedError
from penstock.core.where import Where
from penstock.expr.ast import Aggregation
from penstock.expr.infer import Typed
from penstock.sql import aggregates, library
from penstock.sql.entries import Entry, Given
from penstock.sql.terms import Session, case, common, common_of, constant, number, spelled, widened

__all__ = [
    "NAMES",
    "Session",
    "case",
    "cast",
    "common",
    "common_of",
    "constant",
    "number",
    "resolve",
    "resolve_aggregate",
    "spelled",
    "widened",
]

UTC = Session()

ENTRIES: dict[str, list[Entry]] = {}
for _entry in library.ENTRIES:
    for _name in _entry.names:
        ENTRIES.setdefault(_name, []).append(_entry)

NAMES = frozenset(ENTRIES)
"""The names of all functions and operators, in capitals."""


def resolve(
    name: str, args: Sequence[Typed], where: Where | None = None, session: Session = UTC, **options: Any
) -> Typed:
    """The term of a call as Flink means it: with its implicit casts, its result's type and nullability.

    Args:
        name: Flink's name, in any case; an operator's symbol.
        args: The typed arguments.
        where: The place in the user's text, for errors.
        session: What the text does not say.
        options: Clauses of the syntax, by function: `returning`, `on_empty`, `on_error`, `default_empty`,
            `default_error`, `wrapper`, `on_null`, `names`, `escape`.

    Raises:
        UnknownNameError: If there is no function of this name; the message names the nearest.
        UnsupportedError: If Flink has it and this version does not.
        PlanError: If no signature fits the arguments.
    """
    upper = name.upper()
    if upper not in ENTRIES:
        if upper in library.NOT_YET:
            raise UnsupportedError(f"{upper} is not offered yet", where=where, hint=library.NOT_YET[upper])
        raise UnknownNameError("function", upper, NAMES, where=where)
    candidates = ENTRIES[upper]
    try:
        for candidate in candidates:
            fitting = candidate.fit(args)
            if fitting is not None and set(options) <= set(candidate.options):
                return candidate.build(Given(fitting, session, dict(options)))
    except PlanError as refused:
        raise refused.at(where) from None
    if any(candidate.fit(args) is not None for candidate in candidates):
        said = " and ".join(name.replace("_", " ").upper() for name in options)
        raise UnsupportedError(f"{upper} is not offered with {said}", where=where)
    found = ", ".join(spelled(arg.dtype) for arg in args)
    signatures = " or ".join(dict.fromkeys(candidate.signature for candidate in candidates))
    raise PlanError(f"{upper} does not take ({found})", where=where, hint=f"there is {signatures}")


def cast(
    value: Typed,
    dtype: DType,
    where: Where | None = None,
    session: Session = UTC,
    *,
    attempt: bool = False,
    length: int | None = None,
    fixed: bool = False,
    digits: int | None = None,
) -> Typed:
    """CAST, or TRY_CAST if `attempt`.

    Args:
        value: What is converted.
        dtype: The target; TIMESTAMP_LTZ has the session's zone.
        where: The place in the user's text, for errors.
        session: What the text does not say.
        attempt: Whether a value that cannot be converted is NULL, not an error.
        length: The n of CHAR(n), VARCHAR(n), BINARY(n), VARBINARY(n); None for STRING and BYTES.
        fixed: Whether it is CHAR or BINARY, which are filled up.
        digits: The p of TIME(p), TIMESTAMP(p) and TIMESTAMP_LTZ(p); None for all that the type holds.

    Raises:
        PlanError: If there is no such conversion.
    """
    try:
        return library.cast(value, dtype, session, attempt, length, fixed, digits)
    except PlanError as refused:
        raise refused.at(where) from None


def resolve_aggregate(
    name: str,
    args: Sequence[Typed],
    where: Where | None = None,
    session: Session = UTC,
    *,
    distinct: bool = False,
    condition: Typed | None = None,
    **options: Any,
) -> Aggregation:
    """The aggregation of a call as Flink means it.

    Args:
        name: Flink's name, in any case; COUNT without arguments is COUNT(*).
        args: The typed arguments.
        where: The place in the user's text, for errors.
        session: What the text does not say.
        distinct: Whether equal values count once.
        condition: FILTER (WHERE ...).
        options: Clauses of the syntax: `separator`.

    Raises:
        UnknownNameError: If there is no aggregate of this name.
        UnsupportedError: If Flink has it and this version does not.
        PlanError: If the arguments do not fit.
    """
    try:
        return aggregates.resolve(name.upper(), args, session, distinct=distinct, condition=condition, **options)
    except PlanError as refused:
        raise refused.at(where) from None
