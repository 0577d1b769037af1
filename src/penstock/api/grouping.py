"""`group_by(...)`, `.window(...)` and `.agg(...)`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from penstock.api.columns import NamedTerms, named_terms, split_aggregates
from penstock.api.rows import RankVerbs
from penstock.api.verbs import unknown_verb
from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.timespan import duration
from penstock.core.where import caller
from penstock.expr.ast import Column
from penstock.operators.group import Group
from penstock.operators.select import Select
from penstock.operators.window import Window
from penstock.plan.node import Node
from penstock.plan.windows import Windows

if TYPE_CHECKING:
    from penstock.api.stream import Stream, Table


class Grouped(RankVerbs):
    """Rows by key, waiting to be told what to do with each key.

    Attributes:
        node: The rows.
        keys: The key columns.
    """

    def __init__(self, node: Node, keys: tuple[str, ...]) -> None:
        self.node = node
        self.keys = keys

    def agg(self, *aggregates: Any, **named: Any) -> Table:
        """Running aggregates per key: a Table keyed by the keys; see `Group`."""
        terms, after = split_aggregates(named_terms(aggregates, named), self.keys)
        node: Node = Group(input=self.node, keys=self.keys, aggregates=terms, where=caller())
        table: Table = _handle(_computed(node, self.keys, after))
        return table

    def window(self, windows: Any, *, emit: str = "close", allowed_lateness: Any = "0 s", **more: Any) -> Windowed:
        """Per window too: `ps.tumbling("10 s")`, `ps.hopping(...)`, `ps.cumulative(...)`; see `Window`."""
        if not isinstance(windows, Windows):
            hint = 'such as ps.tumbling("10 s")'
            raise PlanError(f"window takes windows, found {windows!r}", where=caller(), hint=hint)
        if emit != "close" or duration(allowed_lateness) or more:
            found = f"emit={emit!r}" if emit != "close" else ", ".join(more) or "allowed_lateness"
            raise UnsupportedError(
                f"windows are sent once, when they close; {found} is not offered yet", where=caller()
            )
        return Windowed(self.node, self.keys, windows)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise unknown_verb(name, type(self))


class Windowed:
    """Rows by key and window, waiting for aggregates.

    Attributes:
        node: The rows.
        keys: The key columns.
        windows: The windows.
    """

    def __init__(self, node: Node, keys: tuple[str, ...], windows: Windows) -> None:
        self.node = node
        self.keys = keys
        self.windows = windows

    def agg(self, *aggregates: Any, **named: Any) -> Stream:
        """Aggregates per key and window, sent when the window closes: a Stream; see `Window`."""
        keys = (*self.keys, "window_start", "window_end")
        terms, after = split_aggregates(named_terms(aggregates, named), keys)
        node: Node = Window(input=self.node, keys=self.keys, windows=self.windows, aggregates=terms, where=caller())
        rows: Stream = _handle(_computed(node, keys, after))
        return rows

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise unknown_verb(name, type(self))


def _computed(node: Node, keys: tuple[str, ...], after: NamedTerms | None) -> Node:
    if after is None:
        return node
    return Select(input=node, columns=(*((k, Column(k)) for k in keys), *after), spelling="agg", where=caller())


def _handle(node: Node) -> Any:
    # The handles know of groups and groups of handles: one of the two is found by name.
    return importlib.import_module("penstock.api.stream").stream(node)
