"""Going through syntax and terms."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from penstock.expr.ast import Aggregation, Call, Case, Cast, Column, Term
from penstock.sql.syntax import Call as SqlCall
from penstock.sql.syntax import Expression, Query, Syntax


def walk(piece: Any) -> Iterator[Syntax]:
    """A piece of syntax and all in it, outermost first; queries inside are given, and not entered."""
    if isinstance(piece, Syntax):
        yield piece
        if isinstance(piece, Query):
            return
        for one in dataclasses.fields(piece):
            yield from walk(getattr(piece, one.name))
    elif isinstance(piece, tuple):
        for item in piece:
            yield from walk(item)


def calls(piece: Any) -> Iterator[SqlCall]:
    """All calls in a piece of syntax."""
    return (one for one in walk(piece) if isinstance(one, SqlCall))


def outer_calls(piece: Any, found: Callable[[SqlCall], bool]) -> Iterator[SqlCall]:
    """The outermost calls that fit."""
    if isinstance(piece, SqlCall) and found(piece):
        yield piece
        return
    if isinstance(piece, Syntax) and not isinstance(piece, Query):
        for one in dataclasses.fields(piece):
            yield from outer_calls(getattr(piece, one.name), found)
    elif isinstance(piece, tuple):
        for item in piece:
            yield from outer_calls(item, found)


def substitute(term: Term, known: Mapping[Term, Term], column: Callable[[Column], Term]) -> Term:
    """The term with whole parts replaced, the outermost first; columns that are left go through `column`."""
    if term in known:
        return known[term]
    match term:
        case Column():
            return column(term)
        case Call(function, args, options):
            return Call(function, tuple(substitute(a, known, column) for a in args), options)
        case Cast(inner, dtype, strict):
            return Cast(substitute(inner, known, column), dtype, strict)
        case Case(branches, otherwise):
            pairs = tuple((substitute(c, known, column), substitute(v, known, column)) for c, v in branches)
            return Case(pairs, substitute(otherwise, known, column))
        case Aggregation(name, args, where, options):
            inside = substitute(where, known, column) if where is not None else None
            return Aggregation(name, tuple(substitute(a, known, column) for a in args), inside, options)
    return term


def mapped(piece: Any, change: Callable[[Expression], Expression]) -> Any:
    """A piece of syntax with what is directly in it changed; queries inside stay as they are."""
    if isinstance(piece, tuple):
        return tuple(change(one) if isinstance(one, Expression) else mapped(one, change) for one in piece)
    if not isinstance(piece, Syntax) or isinstance(piece, Query):
        return piece
    found: dict[str, Any] = {}
    for one in dataclasses.fields(piece):
        value = getattr(piece, one.name)
        if isinstance(value, Expression):
            found[one.name] = change(value)
        elif isinstance(value, (tuple, Syntax)):
            found[one.name] = mapped(value, change)
    return dataclasses.replace(piece, **found)
