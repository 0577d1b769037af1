"""What a person would write: no selection of all columns as they are, and one of what is left of several.

Only what one statement made is put together. A view is somebody's own cut, and is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from penstock.core.where import Where
from penstock.expr.ast import Column, Literal, Term
from penstock.operators.select import Select
from penstock.plan.node import Node
from penstock.sql.walk import substitute

Named = tuple[tuple[str, Term], ...]


def selected(node: Node, columns: Named, where: Where | None) -> Node:
    """The rows with these columns: the node itself, if it has them as they are."""
    if tuple(name for name, _ in columns) == node.schema.names and all(t == Column(n) for n, t in columns):
        return node
    return Select(input=node, columns=columns, where=where)


def grouped(node: Any, columns: Named) -> Node | None:
    """A grouping whose aggregates have the names of the result at once; None if more is asked of it than names.

    Args:
        node: The grouping that a SELECT has just made, with names of the binder's own.
        columns: What the SELECT shows of it.
    """
    if node.verb != "group":
        return None
    names = [*node.keys, *(name for name, _ in node.aggregates)]
    if [term for _, term in columns] != [Column(name) for name in names]:
        return None
    if [name for name, _ in columns[: len(node.keys)]] != list(node.keys):
        return None
    terms = [term for _, term in node.aggregates]
    new = [name for name, _ in columns[len(node.keys) :]]
    made: Node = replace(node, aggregates=tuple(zip(new, terms, strict=True)))
    return made


def named(node: Any, columns: Named) -> tuple[Node, Named]:
    """A grouping whose aggregates have the names under which they are shown, and what is shown of it."""
    if node.verb not in ("group", "window", "keyed_window"):
        return node, columns
    taken = set(node.schema.names)
    new: dict[str, str] = {}
    for name, term in columns:
        made = isinstance(term, Column) and term.name.startswith(("$a", "EXPR$"))
        if isinstance(term, Column) and made and term.name not in new and name not in taken:
            new[term.name] = name
            taken.add(name)
    if not new or not set(new) <= {name for name, _ in node.aggregates}:
        return node, columns
    aggregates = tuple((new.get(name, name), term) for name, term in node.aggregates)
    known: dict[Term, Term] = {Column(old): Column(name) for old, name in new.items()}
    return replace(node, aggregates=aggregates), tuple((name, _over(term, known)) for name, term in columns)


def collapsed(node: Node, kept: Callable[[Node], bool]) -> Node:
    """A stack of selections as one, as far as nothing is computed twice.

    Args:
        node: The topmost.
        kept: Whether a node is somebody's own, which others may read too.
    """
    while isinstance(node, Select) and isinstance(node.input, Select) and not kept(node.input):
        below = node.input
        if below.state_name is not None or below.spelling != "select":
            return node
        known: dict[Term, Term] = {Column(name): term for name, term in below.columns}
        uses = Counter(one for _, term in node.columns for one in term.walk() if isinstance(one, Column))
        if any(uses[Column(n)] > 1 and not isinstance(t, (Column, Literal)) for n, t in below.columns):
            return node
        columns = tuple((name, _over(term, known)) for name, term in node.columns)
        node = selected(below.input, columns, below.where)
    return node


def _over(term: Term, known: Mapping[Term, Term]) -> Term:
    return substitute(term, known, lambda column: column)
