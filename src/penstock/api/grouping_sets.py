"""`group_by` over several sets of keys at once: `ps.rollup`, `ps.cube`, `ps.grouping_sets`."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

from penstock.api.columns import flat, names_of
from penstock.api.grouping import Grouped
from penstock.api.verbs import unknown_verb
from penstock.core.dtypes import Int64
from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.where import caller
from penstock.expr.ast import Column, Literal, Term
from penstock.operators.select import Select
from penstock.operators.union import Union
from penstock.plan.node import Node

if TYPE_CHECKING:
    from penstock.api.stream import Stream

MOST = 64
"""How many sets a grouping may stand for, as in SQL."""


@dataclass(frozen=True)
class Groupings:
    """Sets of key columns; made by `rollup`, `cube` and `grouping_sets`.

    Attributes:
        sets: The sets.
        id: The column that says which keys a row is not grouped by; None = there is none.
    """

    sets: tuple[tuple[str, ...], ...]
    id: str | None = None


def rollup(*keys: Any, id: str | None = None) -> Groupings:
    """Totals at every level: of `rollup("a", "b")` by a and b, by a, and over all, as ROLLUP of SQL.

    Args:
        keys: Column names. A list of names is one level.
        id: The name of a column that says which keys are missing; see `grouping_sets`.
    """
    levels = _levels(keys, "rollup")
    return Groupings(tuple(_joined(levels[:n]) for n in range(len(levels), -1, -1)), id)


def cube(*keys: Any, id: str | None = None) -> Groupings:
    """Totals of every choice of keys: of `cube("a", "b")` by a and b, by a, by b, and over all, as CUBE of SQL.

    Args:
        keys: Column names. A list of names stays together.
        id: The name of a column that says which keys are missing; see `grouping_sets`.
    """
    levels = _levels(keys, "cube")
    if 2 ** len(levels) > MOST:
        raise _too_many(2 ** len(levels))
    return Groupings(tuple(_joined(one) for n in range(len(levels), -1, -1) for one in combinations(levels, n)), id)


def grouping_sets(*sets: Any, id: str | None = None) -> Groupings:
    """One grouping for each set of keys: `grouping_sets(["a", "b"], "a", [])`, as GROUPING SETS of SQL.

    A key that a set lacks is null in its rows. A key may be null of itself: `id` names a column (Int64) that tells the
    two apart, GROUPING_ID of SQL over all keys: a bit for each, the last key the lowest, 1 where it is not grouped by.

    Args:
        sets: Each a column name, or a list of them; an empty list is the total.
        id: The name of that column; without it there is none.
    """
    if not sets:
        raise PlanError("grouping_sets takes at least one set", where=caller(), hint='such as ["a", "b"], "a", []')
    return Groupings(tuple(names_of([one], "grouping_sets") for one in sets), id)


def _levels(keys: Sequence[Any], verb: str) -> list[tuple[str, ...]]:
    if not keys:
        raise PlanError(f"{verb} takes at least one column", where=caller(), hint=f'such as ps.{verb}("a", "b")')
    return [names_of([key], verb) for key in keys]


def _joined(levels: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for level in levels for name in level))


def _too_many(count: int) -> UnsupportedError:
    return UnsupportedError(f"these are {count} grouping sets, at most {MOST} are possible", where=caller())


class GroupedSets:
    """Rows by several sets of keys, waiting for aggregates: the union of one grouping for each set.

    Every row counts once in each set. The state is that of all the groupings. Over a Stream without windows the result
    is a Table without a key, as a union of Tables is.

    Attributes:
        node: The rows.
        sets: The sets of keys.
        id: The column of the grouping id, or None.
        windows: What `.window` was called with, or None.
    """

    def __init__(self, node: Node, keys: Sequence[Any], windows: tuple[Any, dict[str, Any]] | None = None) -> None:
        parts = [one.sets if isinstance(one, Groupings) else (names_of([one], "group_by"),) for one in keys]
        self.node = node
        self.keys = tuple(keys)
        self.sets = [_joined(chosen) for chosen in product(*parts)]
        self.windows = windows
        ids = {one.id for one in keys if isinstance(one, Groupings) and one.id is not None}
        if len(ids) > 1:
            raise PlanError("one grouping has one id", where=caller(), hint="name it once")
        self.id = ids.pop() if ids else None
        if len(self.sets) > MOST:
            raise _too_many(len(self.sets))

    @classmethod
    def of(cls, node: Node, keys: Sequence[Any], named: dict[str, Any]) -> GroupedSets | None:
        """The groupings, if there are such among the keys of `group_by`."""
        found = list(flat(keys))
        if not any(isinstance(one, Groupings) for one in found):
            return None
        if named:
            hint = "compute them with .with_columns before"
            raise PlanError("beside grouping sets keys are names of columns", where=caller(), hint=hint)
        return cls(node, found)

    def window(self, windows: Any, **options: Any) -> GroupedSets:
        """Per window too; see `Grouped.window`."""
        return GroupedSets(self.node, self.keys, (windows, options))

    def agg(self, *aggregates: Any, **named: Any) -> Any:
        """The aggregates of every set; see `Grouped.agg`."""
        every = _joined(self.sets)
        made = [self._of_set(chosen, every, aggregates, named) for chosen in self.sets]
        node = made[0] if len(made) == 1 else Union(streams=tuple(made), where=caller())
        return importlib.import_module("penstock.api.stream").stream(node)

    def _of_set(self, chosen: tuple[str, ...], every: tuple[str, ...], aggregates: Any, named: Any) -> Node:
        grouped: Any = Grouped(self.node, chosen)
        if self.windows is not None:
            grouped = grouped.window(self.windows[0], **self.windows[1])
        rows: Stream = grouped.agg(*aggregates, **named)
        absent = [name for name in every if name not in chosen]
        clash = next((name for name in (*absent, self.id) if name in rows.columns), None)
        if clash is not None:
            raise PlanError(f'two columns have the name "{clash}"', where=caller(), hint=".alias gives another name")
        terms: dict[str, Term] = {}
        for name in every:
            terms[name] = Column(name) if name in chosen else Literal(None, self.node.schema[name].dtype)
        if self.id is not None:
            bits = sum((name in absent) << place for place, name in enumerate(reversed(every)))
            terms[self.id] = Literal(bits, Int64)
        columns = (*terms.items(), *((name, Column(name)) for name in rows.columns if name not in chosen))
        return Select(input=rows.node, columns=columns, spelling="group_by", where=caller())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise unknown_verb(name, type(self))
