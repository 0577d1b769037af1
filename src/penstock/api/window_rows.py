"""`rows`, `top_n` and `dedup` of windows: their rows instead of aggregates."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from penstock.api.rows import ordered, rows_of
from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.where import caller
from penstock.expr.ast import Column
from penstock.operators.select import Select
from penstock.operators.window_rows import BOUNDS, WindowRows
from penstock.plan.emission import Emit
from penstock.plan.keyed_windows import KeyedWindows
from penstock.plan.node import Node
from penstock.plan.windows import Windows

if TYPE_CHECKING:
    from penstock.api.stream import Stream


class WindowRowVerbs:
    """What `window(...)` can do with whole rows; each is sent once, when its window closes. See `WindowRows`."""

    node: Node
    keys: tuple[str, ...]
    windows: Windows | KeyedWindows
    emit: Emit
    clock: bool

    def rows(self) -> Stream:
        """All rows, once for each window that they are in, with `window_start` and `window_end`.

        They come when the window closes, in the order in which they came; keys change nothing.

        Raises:
            PlanError: If the rows are a Table's, or have no event time.
        """
        node = WindowRows(input=self.node, windows=self._aligned("rows"), clock=self.clock, where=caller())
        return _handle(node)

    def top_n(
        self, n: int, *, by: Any, descending: Any = True, nulls: Any = None, rank: str | None = None, offset: int = 0
    ) -> Stream:
        """The first `n` rows of each window and key in an order, with `window_start` and `window_end`.

        Args:
            n: How many.
            by: Columns or expressions, the first decides first. Rows that are equal come as they arrived.
            descending: Whether the greatest come first; one for all, or one for each of `by`.
            nulls: `"first"` or `"last"`; None = null is the least value, as in Flink.
            rank: The name of a column for the rank, from 1.
            offset: How many ranks to leave out before.

        Raises:
            PlanError: If columns do not exist, or a number is not one of rows.
        """
        rows_of("top_n", n)
        if offset < 0:
            raise PlanError(f"offset is a number of ranks from 0, found {offset}", where=caller())
        windows = self._aligned("top_n")
        node, order = ordered(self.node, by, descending, nulls, "top_n")
        made: Node = WindowRows(
            input=node, keys=self.keys, windows=windows, by=order, first=offset + 1, last=offset + n, rank=rank,
            clock=self.clock, where=caller(),
        )  # fmt: skip
        if node is not self.node:
            names = (*self.node.schema.names, *BOUNDS, *([rank] if rank else []))
            columns = tuple((name, Column(name)) for name in names)
            made = Select(input=made, columns=columns, spelling="top_n", where=caller())
        return _handle(made)

    def dedup(self, *, keep: str = "first") -> Stream:
        """One row of each window and key: the first or the last by event time. Of equal ones it is the first to come.

        Args:
            keep: `"first"` or `"last"`.

        Raises:
            PlanError: If there is no event time.
        """
        if keep not in ("first", "last"):
            raise PlanError(f'keep is "first" or "last", found {keep!r}', where=caller())
        time = self.node.facts.time
        if time is None:
            hint = "ps.read(..., event_time=...)"
            raise PlanError(
                "the first row of a window is that by event time, and there is none", where=caller(), hint=hint
            )
        return self.top_n(1, by=time, descending=keep == "last")

    def _aligned(self, verb: str) -> Windows:
        if not isinstance(self.windows, Windows):
            raise UnsupportedError(
                f"{verb} of a {self.windows.kind} window is not offered yet", where=caller(),
                hint="ps.tumbling, ps.hopping and ps.cumulative have it",
            )  # fmt: skip
        if not (self.emit.once and self.emit.accumulate):
            raise UnsupportedError(
                f"the rows of a window are sent once, when it closes, found: {self.emit}", where=caller(),
                hint='emit="close" without allowed_lateness',
            )  # fmt: skip
        return self.windows


def _handle(node: Node) -> Stream:
    # The handles know of these verbs and the verbs of handles: one of the two is found by name.
    made: Stream = importlib.import_module("penstock.api.stream").stream(node)
    return made
