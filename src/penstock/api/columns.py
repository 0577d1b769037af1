"""From what users write for columns and aggregates to named terms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from penstock.core.errors import PlanError
from penstock.core.schema import Schema
from penstock.core.where import caller
from penstock.expr.ast import Aggregation, Column, Term
from penstock.expr.build import Expr, term_of

NamedTerms = tuple[tuple[str, Term], ...]


def flat(items: Iterable[Any]) -> Iterator[Any]:
    """The items, with lists and tuples among them spread out."""
    for item in items:
        if isinstance(item, (list, tuple)):
            yield from flat(item)
        else:
            yield item


def named_terms(items: Iterable[Any], named: dict[str, Any]) -> NamedTerms:
    """Columns from names, expressions and keyword arguments; a text is the name of a column, as in Polars.

    Raises:
        PlanError: If an expression has no name, or is none.
    """
    found: list[tuple[str, Term]] = []
    for item in flat(items):
        if isinstance(item, str):
            found.append((item, Column(item)))
        elif isinstance(item, Expr):
            name = item.output_name()
            if name is None:
                raise PlanError(f"{item.term} needs a name", where=caller(), hint='.alias("name"), or name=expression')
            found.append((name, item.term))
        else:
            raise PlanError(f"expected a column name or an expression, found {item!r}", where=caller())
    found += [(name, Column(value) if isinstance(value, str) else term_of(value)) for name, value in named.items()]
    _distinct(found)
    return tuple(found)


def _distinct(found: list[tuple[str, Term]]) -> None:
    names = [name for name, _ in found]
    for name in names:
        if names.count(name) > 1:
            raise PlanError(f'two columns have the name "{name}"', where=caller(), hint=".alias gives another name")


def names_of(items: Iterable[Any], verb: str) -> tuple[str, ...]:
    """Column names from names and plain `col(...)`.

    Raises:
        PlanError: If one is an expression that is no column.
    """
    found = []
    for item in flat(items):
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, Expr) and isinstance(item.term, Column):
            found.append(item.term.name)
        else:
            raise PlanError(f"{verb} takes column names, found {item!r}", where=caller())
    return tuple(found)


def passed(schema: Schema) -> NamedTerms:
    """All columns as they are."""
    return tuple((name, Column(name)) for name in schema.names)


def replaced(schema: Schema, new: NamedTerms) -> NamedTerms:
    """All columns, with the new ones in their place or at the end."""
    changes = dict(new)
    kept = [(name, changes.pop(name, Column(name))) for name in schema.names]
    return (*kept, *changes.items())


def split_aggregates(terms: NamedTerms, keys: Iterable[str]) -> tuple[NamedTerms, NamedTerms | None]:
    """Aggregates, and the columns computed of them if some are more than one aggregate.

    `(col("a").sum() / col("b").sum())` becomes two aggregates and one computed column.

    Raises:
        PlanError: If a term has no aggregate in it.
    """
    aggregates: list[tuple[str, Term]] = []
    after: list[tuple[str, Term]] = []
    taken = {name for name, _ in terms} | set(keys)
    for name, term in terms:
        if isinstance(term, Aggregation):
            aggregates.append((name, term))
            after.append((name, Column(name)))
            continue
        if not any(isinstance(inner, Aggregation) for inner in term.walk()):
            raise PlanError(
                f'"{name}" is no aggregate: {term}', where=caller(), hint="such as ps.count() or col('x').sum()"
            )
        after.append((name, term.rewrite(_Hoist(name, aggregates, taken))))
    return tuple(aggregates), (tuple(after) if len(after) != len(aggregates) or _computed(after) else None)


def _computed(after: list[tuple[str, Term]]) -> bool:
    return any(not isinstance(term, Column) for _, term in after)


class _Hoist:
    """Puts the aggregates inside a term into a list and columns in their place."""

    def __init__(self, name: str, aggregates: list[tuple[str, Term]], taken: set[str]) -> None:
        self.name = name
        self.aggregates = aggregates
        self.taken = taken

    def __call__(self, term: Term) -> Term:
        """The column that stands for an aggregate; any other term as it is."""
        if not isinstance(term, Aggregation):
            return term
        for known, aggregate in self.aggregates:
            if aggregate == term:
                return Column(known)
        i = 1
        while f"{self.name}_{i}" in self.taken:
            i += 1
        self.taken.add(f"{self.name}_{i}")
        self.aggregates.append((f"{self.name}_{i}", term))
        return Column(f"{self.name}_{i}")
