"""Functions that users wrote, as values of a plan: references that are bound again, never code that is stored."""

from __future__ import annotations

import importlib
import typing
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from penstock.core.dtypes import DType, as_dtype, from_json
from penstock.core.errors import PlanError, UnsupportedError
from penstock.expr.function import RowFault
from penstock.expr.user_values import conform

_LOCAL: weakref.WeakValueDictionary[tuple[str, str, int, int], UserFunction] = weakref.WeakValueDictionary()
"""Functions that have no place in a module, by what tells them apart in this process."""

COROUTINE = 0x80
"""The flag of coroutine functions (`inspect.CO_COROUTINE`)."""

ASYNC = COROUTINE | 0x200
"""The flags of coroutine functions and of asynchronous generators (`inspect.CO_COROUTINE`, `CO_ASYNC_GENERATOR`)."""

SHOWN = 200
"""How many characters of an exception are shown in a reason."""


@dataclass(frozen=True, kw_only=True)
class UserFunction:
    """A function of the user's program: where it is, and what was declared of it.

    Two are equal if they are the same function, declared in the same way. What is stored of one is `module`,
    `qualname` and the declaration; a plan that is read again takes the function from the program.

    Attributes:
        module: The module that has it.
        qualname: Its name there. A lambda, or a function inside of another, has a name in this process only.
        parameters: Its parameters' names, with the types that were declared, and whether they take null.
        returns: The type of what it gives; None if a verb declares columns instead.
        vectorized: Whether it takes and gives Polars series.
        deterministic: Whether equal arguments give equal results.
        version: What the user calls the state of its code.
        ordinal: Which one it is among those of the same line; 0 for a function that a module has.
        line: The line where a local function begins, else 0.
        function: The function itself.
        setup: Gives its first argument, once for each operator that calls it.
    """

    module: str
    qualname: str
    parameters: tuple[tuple[str, DType | None, bool], ...] = ()
    returns: DType | None = None
    vectorized: bool = False
    deterministic: bool = True
    version: str | None = None
    ordinal: int = 0
    line: int = 0
    function: Callable[..., Any] = field(compare=False, repr=False)
    setup: Callable[[], Any] | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.qualname.rpartition(".")[2]

    def __str__(self) -> str:
        return self.name

    @property
    def gives(self) -> DType:
        """The type of what it gives.

        Raises:
            PlanError: If none was declared.
        """
        if self.returns is None:
            raise PlanError(f"{self.name} does not say what it gives", hint="@ps.udf(returns=ps.Float64)")
        return self.returns

    def bound(self) -> Callable[..., Any]:
        """The function, with what its `setup` gave as the first argument."""
        if self.setup is None:
            return self.function
        first, function = self.setup(), self.function
        return lambda *args: function(first, *args)

    def plan_reference(self) -> dict[str, Any]:
        """What is stored of it."""
        return {
            "module": self.module,
            "qualname": self.qualname,
            "parameters": [[name, dtype.to_json() if dtype else None, null] for name, dtype, null in self.parameters],
            "returns": self.returns.to_json() if self.returns else None,
            "vectorized": self.vectorized,
            "deterministic": self.deterministic,
            "version": self.version,
            "ordinal": self.ordinal,
            "line": self.line,
        }


def is_async(function: Any) -> bool:
    """Whether a function, or the call of an object, is a coroutine function."""
    own = getattr(function, "__code__", None)
    found = own or getattr(vars(type(function)).get("__call__"), "__code__", None)
    return bool(getattr(found, "co_flags", 0) & COROUTINE)


def reference(function: Any, *, named: bool = False, awaited: bool = False, **declared: Any) -> UserFunction:
    """The reference of a function.

    Args:
        function: A function, or any callable object of a module.
        awaited: Whether who calls it can wait for a coroutine.
        named: Whether the module will have what is made of it under its name: a decorator knows.
        declared: Further fields of `UserFunction`.

    Raises:
        PlanError: If it cannot be called, or is a coroutine function.
    """
    if isinstance(function, UserFunction):
        return function
    if not callable(function):
        raise PlanError(f"a function is needed, found {function!r}")
    if getattr(getattr(function, "__code__", None), "co_flags", 0) & (ASYNC - COROUTINE if awaited else ASYNC):
        raise UnsupportedError(
            f"{function.__name__} is async, and nothing waits for it here",
            hint="map_async calls functions that wait, and so do expressions of @ps.udf",
        )
    module = getattr(function, "__module__", None) or type(function).__module__
    qualname = getattr(function, "__qualname__", None) or type(function).__qualname__
    place: dict[str, Any] = {"module": module, "qualname": qualname}
    found = named and "<" not in qualname
    if not found and _lookup(module, qualname) is not function:
        place |= _local_place(function, module, qualname, declared)
    made = UserFunction(function=function, **place, **declared)
    if made.ordinal:
        made = _LOCAL.setdefault((made.module, made.qualname, made.line, made.ordinal), made)
    return made


def _local_place(function: Any, module: str, qualname: str, declared: dict[str, Any]) -> dict[str, int]:
    """Line and ordinal of a function that has no name in a module: those made at one place are counted."""
    line = getattr(getattr(function, "__code__", None), "co_firstlineno", 0)
    ordinal = 1
    while (known := _LOCAL.get((module, qualname, line, ordinal))) is not None:
        same = known.function is function
        if same and all(getattr(known, name) == value for name, value in declared.items()):
            break
        ordinal += 1
    return {"line": line, "ordinal": ordinal}


def _lookup(module: str, qualname: str) -> Any:
    """What a module has under a name; None if it has nothing."""
    try:
        found: Any = importlib.import_module(module)
        for part in qualname.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError):
        return None
    return found


def resolve(stored: dict[str, Any]) -> UserFunction:
    """The function that a stored reference names, from the program.

    Raises:
        PlanError: If the program has no such function.
    """
    module, qualname = stored["module"], stored["qualname"]
    if stored["ordinal"]:
        local = _LOCAL.get((module, qualname, stored["line"], stored["ordinal"]))
        if local is None:
            raise PlanError(
                f"the plan calls {qualname} of {module}, a lambda or an inner function, which only the program has "
                "that built the plan",
                hint="write it as a function of a module",
            )
        return local
    found = _lookup(module, qualname)
    declared = getattr(found, "declared", None)
    if isinstance(declared, UserFunction):
        return declared
    if not callable(found):
        raise PlanError(f"the plan calls {module}:{qualname}, which this program does not have")
    return UserFunction(
        module=module,
        qualname=qualname,
        parameters=tuple((n, from_json(t) if t else None, null) for n, t, null in stored["parameters"]),
        returns=from_json(stored["returns"]) if stored["returns"] else None,
        vectorized=stored["vectorized"],
        deterministic=stored["deterministic"],
        version=stored["version"],
        function=found,
    )


def annotated(function: Any, *, skip: int = 0) -> tuple[tuple[tuple[str, DType | None, bool], ...], Any]:
    """The parameters of a function with their types, and its return annotation (None if it has none).

    Args:
        function: The function.
        skip: How many parameters at the front are not rows' values.

    Raises:
        PlanError: If a parameter is given by keyword only, or an annotation is no type of values.
    """
    import inspect

    try:
        hints = typing.get_type_hints(function)
    except NameError:
        hints = {}  # names that exist for type checkers only
    found = []
    for parameter in list(inspect.signature(function).parameters.values())[skip:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD):
            raise PlanError(f'{function.__name__} takes its arguments by position, found "{parameter}"')
        hint = hints.get(parameter.name, Any)
        series = getattr(hint, "__module__", "").startswith("polars")
        dtype = None if hint is Any or series else as_dtype(hint)
        null = dtype is None or type(None) in typing.get_args(hint)
        found.append((parameter.name, dtype, null))
    return tuple(found), hints.get("return")


def reason_of(name: str, failed: BaseException, *, masked: bool = False) -> str:
    """Why a call failed, for people; of a masked row without the words of the exception, which may quote values."""
    if masked:
        return f"{name} failed: {type(failed).__name__}"
    if isinstance(failed, RowFault):
        return f"{name} {failed}" if str(failed).startswith("gave ") else f"{name}: {failed}"
    text = str(failed)
    text = text if len(text) <= SHOWN else text[:SHOWN] + "…"
    return f"{name} failed: {type(failed).__name__}{': ' if text else ''}{text}"


def called(function: Callable[..., Any], declared: UserFunction, values: list[Any]) -> Any:
    """What a function gives for the values of one row, checked against its declared type.

    A null for a parameter whose annotation does not take None gives null, and the function is not called.

    Raises:
        RowFault: If the call fails, or gives something else than declared.
    """
    if any(value is None and not null for value, (_, _, null) in zip(values, declared.parameters, strict=True)):
        return None
    try:
        return conform(function(*values), declared.gives)
    except (Exception, SystemExit) as failed:  # noqa: BLE001  (user code may raise anything)
        raise RowFault(reason_of(declared.name, failed)) from None
