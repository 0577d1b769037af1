"""`group_by(...)`, `.window(...)` and `.agg(...)`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from penstock.api.columns import NamedTerms, named_terms, split_aggregates
from penstock.api.frames import in_time_order
from penstock.api.process import ProcessVerbs
from penstock.api.rows import RankVerbs
from penstock.api.verbs import unknown_verb
from penstock.api.window_rows import WindowRowVerbs
from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.where import caller
from penstock.expr.ast import Column
from penstock.operators.group import Group
from penstock.operators.keyed_window import KeyedWindow
from penstock.operators.select import Select
from penstock.operators.sliding_window import SlidingWindow
from penstock.operators.window import Window
from penstock.plan.emission import Emit, emission
from penstock.plan.keyed_windows import Hybrid, KeyedWindows, Sliding
from penstock.plan.node import UPDATING, Node
from penstock.plan.ttl import ProcessingTime
from penstock.plan.windows import Windows

if TYPE_CHECKING:
    from penstock.api.stream import Stream, Table


class Grouped(RankVerbs, ProcessVerbs):
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

    def window(
        self,
        windows: Any,
        *,
        on: Any = None,
        emit: Any = "close",
        allowed_lateness: Any = "0 s",
        accumulate: bool = True,
        **more: Any,
    ) -> Windowed:
        """Per window too; see `Window` and, for sessions and whatever is sent more than once, `KeyedWindow`.

        Args:
            windows: `ps.tumbling("10 s")`, `ps.hopping(...)`, `ps.cumulative(...)`, `ps.session("30 min")`,
                `ps.count_window(...)`, `ps.hybrid(...)`, `ps.sliding(...)`, `ps.custom(...)`, `ps.global_window()`.
            on: `ps.processing_time()`: rows are where the clock says. By default their event time does.
            emit: When results are sent: `"close"`, `"change"`, `ps.every("5 s")`, `ps.every(rows=100)`.
            allowed_lateness: For how long after its end a window takes late rows, which correct what was sent.
            accumulate: False sends only what is new since the last time.
            more: Not offered yet.

        Raises:
            PlanError: If that is no window, or the options do not fit each other.
        """
        if not isinstance(windows, (Windows, KeyedWindows)):
            hint = 'such as ps.tumbling("10 s")'
            raise PlanError(f"window takes windows, found {windows!r}", where=caller(), hint=hint)
        if more:
            newest = "the newest rows are .window(...).top_n(n, by=...)" if "evict" in more else None
            raise UnsupportedError(f"{', '.join(more)} of a window is not offered yet", where=caller(), hint=newest)
        if on is not None and (not isinstance(on, ProcessingTime) or on.span is not None):
            hint = "windows follow the event time, or on=ps.processing_time()"
            raise PlanError(f"on says which time a window follows, found {on!r}", where=caller(), hint=hint)
        try:
            when = emission(emit, allowed_lateness, accumulate)
        except PlanError as refused:
            raise refused.at(caller()) from None
        return Windowed(self.node, self.keys, windows, when, clock=on is not None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise unknown_verb(name, type(self))


class Windowed(WindowRowVerbs):
    """Rows by key and window, waiting for aggregates, or to be sent as they are.

    Attributes:
        node: The rows.
        keys: The key columns.
        windows: The windows.
        emit: When results are sent.
        clock: Whether the clock says where rows are.
    """

    def __init__(
        self,
        node: Node,
        keys: tuple[str, ...],
        windows: Windows | KeyedWindows,
        emit: Emit | None = None,
        *,
        clock: bool = False,
    ) -> None:
        self.node = node
        self.keys = keys
        self.windows = windows
        self.emit = emit or Emit()
        self.clock = clock

    def agg(self, *aggregates: Any, **named: Any) -> Stream:
        """Aggregates per key and window: a Stream if each is sent once, else a Table; see `Window`, `KeyedWindow`."""
        bounded = not isinstance(self.windows, KeyedWindows) or self.windows.bounded
        keys = (*self.keys, "window_start", "window_end") if bounded else self.keys
        terms, after = split_aggregates(named_terms(aggregates, named), keys)
        rows: Stream = _handle(_computed(self._node(terms), keys, after))
        return rows

    def _node(self, terms: NamedTerms) -> Node:
        if isinstance(self.windows, Sliding):
            return self._sliding(self.windows, terms)
        if isinstance(self.windows, Hybrid) and not self.clock:
            return self._keyed(in_time_order(self.node, "a hybrid window"), terms)
        aligned = isinstance(self.windows, Windows) and self.node.facts.mode != UPDATING
        if aligned and isinstance(self.windows, Windows) and self.emit.once and not self.clock:
            return Window(input=self.node, keys=self.keys, windows=self.windows, aggregates=terms, where=caller())
        return self._keyed(self.node, terms)

    def _keyed(self, rows: Node, terms: NamedTerms) -> Node:
        return KeyedWindow(
            input=rows, keys=self.keys, windows=self.windows, aggregates=terms, emit=self.emit, clock=self.clock,
            where=caller(),
        )  # fmt: skip

    def _sliding(self, windows: Sliding, terms: NamedTerms) -> Node:
        if self.clock or not (self.emit.once and self.emit.accumulate):
            raise UnsupportedError(
                "a sliding window is sent once, when the watermark reaches the row at which it ends",
                where=caller(), hint="no on=, emit= or allowed_lateness=; a longer watermark= waits for more rows",
            )  # fmt: skip
        return SlidingWindow(input=self.node, keys=self.keys, windows=windows, aggregates=terms, where=caller())

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
