"""Aggregates that users wrote: a class with `add` and `result`, as a declaration like those of the table.

The state of a group is an object of the class; what is stored of it are its attributes, as text. User code that raises
never stops a run: a row that cannot be added to an empty state is refused, as one for which a function
fails; a state that cannot go on is `Broken`, and its group has no result.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.dtypes import DType
from penstock.core.errors import PlanError
from penstock.expr.ast import Aggregation, Term
from penstock.expr.function import Aggregate, NotOnFlink, RowFault, Signature
from penstock.expr.signatures import common
from penstock.expr.stored_values import from_text, to_text
from penstock.expr.user_functions import UserFunction, reason_of
from penstock.expr.user_values import conform

BROKEN = "!"
"""How the text of a broken state begins: no JSON does."""


@dataclass(frozen=True)
class UserAggregation(Aggregation):
    """An aggregate that the user wrote, over the rows of a group.

    Attributes:
        function: The class, a `UserFunction`.
        ordered: Whether its result depends on the order of rows.
    """

    function: Any = None
    ordered: bool = False


@dataclass(frozen=True)
class Broken:
    """The state of a group in which user code has failed; nothing is added to it any more.

    Attributes:
        reason: What failed.
    """

    reason: str


class Accumulators:
    """The calls of one aggregate class; none of them raises anything but `RowFault`.

    Args:
        function: The class.
    """

    def __init__(self, function: UserFunction) -> None:
        self.declared, self.name = function, function.name
        self.cls: Any = function.function
        self.takes_null = tuple(null for _, _, null in function.parameters)
        self.merges = callable(getattr(self.cls, "merge", None))
        self.retracts = callable(getattr(self.cls, "retract", None))
        self._defaults = _changing_defaults(self.cls)

    def new(self) -> Any:
        """The state of an empty group; what a class has as `x = []` is a list of its own for each."""
        made = self.cls()
        for name, value in self._defaults.items():
            if name not in _attributes(made):
                setattr(made, name, copy.deepcopy(value))
        return made

    def start(self) -> Any:
        """As `new`; `Broken` if the class cannot be made."""
        try:
            return self.new()
        except (Exception, SystemExit) as failed:  # noqa: BLE001  (user code may raise anything)
            return Broken(reason_of(self.name, failed))

    def trial(self, arguments: Sequence[Any]) -> None:
        """Add to an empty state, and see whether that can be stored.

        Raises:
            RowFault: If not.
        """
        try:
            state = self.new()
            state.add(*arguments)
            self.text(state)
        except (Exception, SystemExit) as failed:  # noqa: BLE001  (user code may raise anything)
            raise RowFault(reason_of(self.name, failed)) from None

    def changed(self, state: Any, verb: str, *arguments: Any) -> Any:
        """The state after `add`, `retract` or `merge`, which change it in place; `Broken` if the call fails."""
        if isinstance(state, Broken):
            return state
        try:
            getattr(state, verb)(*arguments)
        except (Exception, SystemExit) as failed:  # noqa: BLE001  (user code may raise anything)
            return Broken(reason_of(f"{verb} of {self.name}", failed))
        return state

    def merged(self, state: Any, other: Any) -> Any:
        """The state of both of two parts of a group, the earlier first; it is the first one, changed."""
        return other if isinstance(other, Broken) else self.changed(state, "merge", other)

    def result(self, state: Any) -> Any:
        """The value of a group.

        Raises:
            RowFault: If there is none.
        """
        if isinstance(state, Broken):
            raise RowFault(state.reason)
        try:
            return conform(state.result(), self.declared.gives)
        except (Exception, SystemExit) as failed:  # noqa: BLE001  (user code may raise anything)
            raise RowFault(reason_of(f"result of {self.name}", failed)) from None

    def text(self, state: Any) -> str:
        """A state as text.

        Raises:
            NotStorableError: If an attribute is no plain value.
        """
        return BROKEN + state.reason if isinstance(state, Broken) else to_text(_attributes(state))

    def of_text(self, text: str) -> Any:
        """The inverse of `text`; attributes that the class has got since are as in an empty state."""
        if text.startswith(BROKEN):
            return Broken(text[len(BROKEN) :])
        state = self.start()
        if not isinstance(state, Broken):
            for name, value in from_text(text).items():
                setattr(state, name, value)
        return state


def _attributes(state: Any) -> dict[str, Any]:
    if hasattr(state, "__dict__"):
        found: dict[str, Any] = vars(state)
        return found
    names = [name for cls in type(state).__mro__ for name in getattr(cls, "__slots__", ())]
    return {name: getattr(state, name) for name in names if hasattr(state, name)}


def _changing_defaults(cls: Any) -> dict[str, Any]:
    """Attributes of a class that could be changed in place: each state needs its own."""
    found: dict[str, Any] = {}
    for part in reversed(cls.__mro__[:-1]):
        for name, value in vars(part).items():
            if not name.startswith("__") and isinstance(value, (list, dict, set, bytearray)):
                found[name] = value
    return found


def declaration_of(function: UserFunction, ordered: bool) -> Aggregate:
    """The declaration of an aggregate that the user wrote."""
    user = Accumulators(function)

    def signature(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        return Signature(_fitting(function, types), function.gives)

    def changing(verb: str) -> Any:
        # The meaning keeps states as values; what the user wrote changes them in place.
        return lambda state, *arguments: user.changed(copy.deepcopy(state), verb, *arguments)

    return Aggregate(
        name=function.name,
        doc=(function.function.__doc__ or "").strip(),
        arity=len(function.parameters),
        signature=signature,
        init=user.start,
        add=changing("add"),
        merge=lambda a, b: user.merged(copy.deepcopy(a), copy.deepcopy(b)),
        retract=changing("retract") if user.retracts else None,
        result=user.result,
        retraction="invertible" if user.retracts else "refused",
        polars=_no_lowering,
        words=lambda types, options: None,
        flink=NotOnFlink("a function of the user's program: comes with the Flink engine"),
        examples=(),
        order_sensitive=ordered,
        gives_null=True,
        user=user,
    )


def _no_lowering(*columns: Any) -> Any:
    raise NotImplementedError("user aggregates keep states, not values")


def _fitting(function: UserFunction, types: Sequence[DType]) -> tuple[DType, ...]:
    """The types that arguments are converted to.

    Raises:
        PlanError: If there are too many or too few, or one does not fit.
    """
    declared = function.parameters
    if len(types) != len(declared):
        names = ", ".join(name for name, _, _ in declared)
        raise PlanError(f"{function.name} takes {len(declared)} argument(s) ({names}), found {len(types)}")
    made = []
    for found, (name, dtype, _) in zip(types, declared, strict=True):
        if dtype is not None and found != dtype and common(found, dtype) != dtype:
            raise PlanError(
                f'"{name}" of {function.name} is {dtype}, found {found}',
                hint="cast the argument, or change the annotation",
            )
        made.append(found if dtype is None else dtype)
    return tuple(made)


def user_aggregate_of(term: Term) -> Aggregate | None:
    """The declaration of an aggregation, if the user wrote its function."""
    return declaration_of(term.function, term.ordered) if isinstance(term, UserAggregation) else None
