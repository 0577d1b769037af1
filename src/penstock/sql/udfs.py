"""Functions in Python: where CREATE FUNCTION may take them from, and how a SELECT calls them.

`CREATE FUNCTION f AS 'module.name' LANGUAGE PYTHON` imports a module, and so runs its code. A text can therefore name
modules of its own folder only: that of the file, or the current one. What is installed, and the standard library, is
not reached - `'os.system'` is no function - unless a module of the folder has a function of its own around it.
`ps.sql` takes others from the program: `functions={"f": f}`.

Each call is a column of a node of its own, below the SELECT; see `Apply`.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.core import files
from penstock.core.dtypes import as_dtype
from penstock.core.errors import PlanError, nearest
from penstock.expr.ast import Column
from penstock.expr.infer import Typed
from penstock.expr.user_functions import UserFunction, annotated, reference
from penstock.operators.apply import Apply
from penstock.sql.bind_expression import conjuncts
from penstock.sql.scope import Related, Scope
from penstock.sql.statements import CreateFunction
from penstock.sql.syntax import Bound, Call, Expression, Ident, Name, Query, Select, SelectItem, Syntax
from penstock.sql.text import Text
from penstock.sql.walk import walk

if TYPE_CHECKING:
    from penstock.sql.bind_query import Queries

_TARGET = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")
_HINT = "CREATE FUNCTION f AS 'module.name' LANGUAGE PYTHON"


# -- where they are from -----------------------------------------------------------


def imported(statement: CreateFunction, text: Text, folder: Path) -> UserFunction:
    """The function that a statement names.

    Args:
        statement: The statement.
        text: Its text.
        folder: Where modules may be.

    Raises:
        PlanError: If there is none there, or it is no function with declared types.
    """
    place = text.where(statement.at, statement.end)
    try:
        return declared(*found(statement.target, folder, place, _HINT))
    except PlanError as refused:
        raise refused.at(place) from None


def found(target: str, folder: Path, place: Any, hint: str) -> tuple[Any, str, str]:
    """What `module.name` is in a folder, its name, and its module.

    Args:
        target: What was written.
        folder: Where modules may be.
        place: Where it was written.
        hint: How it is written.

    Raises:
        PlanError: If there is none there.
    """
    path_of = target.replace(":", ".")
    if not _TARGET.fullmatch(path_of):
        raise PlanError(f"'{target}' does not say where a function is", where=place, hint=hint)
    module, _, name = path_of.rpartition(".")
    path = _path(module, folder)
    if path is None:
        raise PlanError(
            f'there is no module "{module}" in "{folder}": a text takes functions of its own folder only', where=place,
            hint='in a program: ps.sql(..., functions={"f": f})',
        )  # fmt: skip
    value = _value(module, name, path, folder, place)
    of = getattr(getattr(value, "declared", value), "module", None) or getattr(value, "__module__", module)
    if of != module:
        raise PlanError(f'"{name}" is a function of "{of}", which "{module}" has only imported', where=place)
    return value, name, module


def _path(module: str, folder: Path) -> Path | None:
    """The file of a module in a folder."""
    stem = folder.joinpath(*module.split("."))
    found = (stem.with_name(f"{stem.name}.py"), stem / "__init__.py")
    return next((one for one in found if files.kind(one) == "file"), None)


def _value(module: str, name: str, path: Path, folder: Path, place: Any) -> Any:
    known = str(folder.resolve())
    if known not in sys.path:
        sys.path.insert(0, known)
    try:
        found = importlib.import_module(module)
    except Exception as failure:  # noqa: BLE001  (the code of a user's module may raise anything)
        told = f"{type(failure).__name__}: {failure}"
        raise PlanError(f'the module "{module}" cannot be imported: {told}', where=place) from None
    there = getattr(found, "__file__", None)
    if there is None or Path(there).resolve() != path.resolve():
        raise PlanError(f'another module is called "{module}": {there or "a part of Python"}', where=place)
    value = getattr(found, name, None)
    if value is None:
        own = [one for one, known in vars(found).items() if callable(known) and not one.startswith("_")]
        raise PlanError(f'"{module}" has no function "{name}"{nearest(name, own)}', where=place)
    return value


def declared(value: Any, name: str, module: str | None = None) -> UserFunction:
    """The declaration of a function: that of `@ps.udf`, or of its annotations.

    Raises:
        PlanError: If it has none, or is of another module.
    """
    made = getattr(value, "declared", value)
    if not isinstance(made, UserFunction):
        if not callable(value) or isinstance(value, type) or not hasattr(value, "__code__"):
            raise PlanError(f'"{name}" is no function: {value!r}', hint="@ps.udf, or def f(x: int) -> int")
        parameters, returned = annotated(value)
        if returned is None:
            raise PlanError(f'"{name}" does not say what it gives', hint=f"def {name}(...) -> float, or @ps.udf")
        made = reference(value, parameters=parameters, returns=as_dtype(returned))
    return made


# -- how they are called -----------------------------------------------------------


def has_calls(piece: Any, udfs: Mapping[str, UserFunction]) -> bool:
    """Whether a piece of syntax calls one."""
    return bool(udfs) and any(isinstance(one, Call) and one.written in udfs for one in walk(piece))


def split(condition: Expression | None, udfs: Mapping[str, UserFunction]) -> tuple[Expression | None, list[Expression]]:
    """The conditions that AND joins: those without calls as one, and those with calls."""
    plain: Expression | None = None
    later: list[Expression] = []
    for one in conjuncts(condition):
        if has_calls(one, udfs):
            later.append(one)
        elif plain is None:
            plain = one
        else:
            plain = Call("AND", (plain, one), at=plain.at, end=one.end, written="AND")
    return plain, later


def lifted(binder: Queries, related: Related, piece: Any, outer: Scope | None) -> tuple[Related, Any]:
    """Rows with a column for each call in a piece of syntax, and the piece with these columns in their places.

    Raises:
        PlanError: If a call does not fit the function.
    """
    while True:
        found = next(_innermost(piece, binder.udfs), None)
        if found is None:
            return related, piece
        related, value = _applied(binder, related, found, outer)
        piece = _replaced(piece, found, value)


def _innermost(piece: Any, udfs: Mapping[str, UserFunction]) -> Any:
    for one in walk(piece):
        if isinstance(one, Call) and one.written in udfs and not has_calls(one.args, udfs):
            yield one


def _applied(binder: Queries, related: Related, call: Call, outer: Scope | None) -> tuple[Related, Bound]:
    text, function = binder.text, binder.udfs[call.written]
    place = text.where(call.at, call.end)
    if call.distinct or call.filter is not None or call.over is not None:
        raise text.error(f"{call.written} is a function of one row: DISTINCT, FILTER and OVER have no place", call.at)
    expressions = binder.expressions(Scope(related, outer), f"the arguments of {call.written}")
    args = tuple(expressions.bind(arg).term for arg in call.args)
    if any(name.startswith("$window_") for arg in args for name in arg.columns()):
        raise text.unsupported(
            "a function of the bounds of windows goes behind their aggregation", call.at, call.end, hint="a subquery"
        )
    taken = related.node.schema
    column = next(name for i in range(len(taken) + 1) if (name := f"$udf{i}") not in taken)
    try:
        node = Apply(input=related.node, column=column, function=function, args=args, where=place)
    except PlanError as refused:
        raise refused.at(place) from None
    value = Bound(Typed(Column(column), function.gives, True), at=call.at, end=call.end)
    return replace(related, node=node), value


def _replaced(piece: Any, call: Call, value: Bound) -> Any:
    """The piece with a value in the place of every call that is the same; queries inside are not entered."""
    if isinstance(piece, tuple):
        return tuple(_replaced(one, call, value) for one in piece)
    if not isinstance(piece, Syntax) or (isinstance(piece, Query) and not isinstance(piece, Select)):
        return piece
    if isinstance(piece, Call) and piece == call:
        return replace(value, at=piece.at, end=piece.end)
    changes = {one.name: _replaced(getattr(piece, one.name), call, value) for one in dataclasses.fields(piece)}
    changed = {key: value for key, value in changes.items() if value is not getattr(piece, key)}
    return replace(piece, **changed) if changed else piece


def named_items(items: list[SelectItem]) -> list[SelectItem]:
    """The items under the names that they have before calls in them are replaced."""
    return [
        replace(item, alias=Ident(f"EXPR${i}", at=item.at, end=item.end))
        if item.alias is None and not isinstance(item.expression, Name)
        else item
        for i, item in enumerate(items)
    ]
