"""Aggregates that users write: `@ps.aggregate`."""

from __future__ import annotations

import inspect
from typing import Any

from penstock.core.dtypes import as_dtype
from penstock.core.errors import PlanError
from penstock.core.where import caller
from penstock.expr.build import Expr, term_of
from penstock.expr.user_aggregates import UserAggregation
from penstock.expr.user_functions import UserFunction, annotated, reference


class UserAggregate:
    """An aggregate of the user's; made by `aggregate`.

    Attributes:
        declared: The reference of the class, with its types.
        ordered: Whether its result depends on the order of rows.
    """

    def __init__(self, declared: UserFunction, *, ordered: bool) -> None:
        self.declared, self.ordered = declared, ordered
        self.__doc__ = declared.function.__doc__
        self.__name__ = declared.name

    def __call__(self, *args: Any) -> Expr:
        """The aggregate of expressions and constants, as `col("x").sum()` is one."""
        terms = tuple(term_of(arg) for arg in args)
        made = UserAggregation(self.declared.name, terms, function=self.declared, ordered=self.ordered)
        return Expr(made, self.declared.name)

    def __repr__(self) -> str:
        return f"<aggregate {self.declared.module}:{self.declared.qualname}>"


def aggregate(cls: Any = None, *, returns: Any = None, ordered: bool = False, version: str | None = None) -> Any:
    """Make a class an aggregate: `rows.group_by("user").agg(p=SumOfSquares(col("p")))`.

    A group has an object of the class; its attributes are the state, and begin as the class says (a list or dict in
    the body of the class is one of its own for each object), or as `__init__` without arguments leaves them.
    `add(self, x, ...)` takes a row, `result(self)` gives the value. `merge(self, other)` adds the state of another part
    of the group: overlapping windows, sessions, and windows that are sent more than once need it. `retract(self,
    x, ...)` undoes `add`: without it the aggregate is refused over a Table. It must be right in any order of rows,
    unless it is `ordered`. The group that has no row that counts has the result of a new object, as in Flink.

    Attributes must be plain values, since checkpoints hold them as text: numbers, texts, bytes, times, decimals, lists,
    tuples, dicts, sets, deques, of any depth. A checkpoint takes the groups that were touched; a step reads and writes
    the whole state of each group that it touches, so a list that grows for ever costs more with every step.

    Rows in which an argument is null do not count, unless the annotation of the parameter takes None. A row that
    cannot be added to an empty state leaves by `errors` before anything counts it. If `add`, `merge` or `retract` fails
    later, or `result` fails or gives another type, the group has no result: the row after which that is so leaves by
    `errors`, of a window a row with its key. The row is counted all the same, and a group of
    which `add` has failed has no result until all its rows were taken back.

    Args:
        cls: The class, if the decorator is written without arguments.
        returns: The type of the result; by default that of the return annotation of `result`.
        ordered: Whether the result depends on the order of rows: rows come in order of their positions. Such an
            aggregate is refused over a Table, in overlapping windows and in sessions.
        version: Names the state of its code; under another one stored state is not taken.

    Raises:
        PlanError: If a method or a type is missing, or an annotation is no type.
    """
    if cls is None:
        return lambda given: aggregate(given, returns=returns, ordered=ordered, version=version)
    try:
        made = _declared(cls, returns, version)
    except PlanError as refused:
        raise refused.at(caller()) from None
    return UserAggregate(made, ordered=ordered)


def _declared(given: Any, returns: Any, version: str | None) -> UserFunction:
    if not inspect.isclass(given):
        hint = "@ps.aggregate(returns=ps.Float64), then class SumOfSquares: ..."
        raise PlanError(f"an aggregate is a class, found {given!r}", hint=hint)
    cls: Any = given
    for name in ("add", "result"):
        if not callable(getattr(cls, name, None)):
            raise PlanError(f"the aggregate {cls.__name__} has no method {name}", hint=f"def {name}(self, ...)")
    for name in ("add", "result", "merge", "retract"):
        if inspect.iscoroutinefunction(getattr(cls, name, None)):
            raise PlanError(f"{name} of {cls.__name__} is async: aggregates wait for nothing")
    parameters, _ = annotated(cls.add, skip=1)
    # A null counts only where the annotation says so: aggregates skip nulls.
    parameters = tuple((name, dtype, null and dtype is not None) for name, dtype, null in parameters)
    if callable(getattr(cls, "retract", None)) and len(annotated(cls.retract, skip=1)[0]) != len(parameters):
        raise PlanError(f"retract of {cls.__name__} must take what add takes")
    _, hint = annotated(cls.result, skip=1)
    if returns is None and hint is None:
        shown = f"@ps.aggregate(returns=ps.Float64), or def result(self) -> float in {cls.__name__}"
        raise PlanError(f"{cls.__name__} does not say what it gives", hint=shown)
    dtype = as_dtype(hint if returns is None else returns)
    try:
        cls()
    except Exception as failed:  # noqa: BLE001  (user code may raise anything)
        raise PlanError(
            f"{cls.__name__} cannot be made without arguments: {failed}", hint="its attributes need defaults"
        ) from None
    return reference(cls, named=True, parameters=parameters, returns=dtype, version=version)
