"""Windows that are kept key by key: sessions and counts; and aligned windows that are sent more than once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from penstock.core.dtypes import Datetime
from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.schema import Field, Schema
from penstock.core.timespan import MILLISECOND
from penstock.expr.function import NotOnFlink
from penstock.operators.aggregation import (
    Named,
    aggregate_fields,
    check_merging,
    declaration,
    describe,
    key_fields,
    order_sensitive,
)
from penstock.operators.base import Environment, Executable, Executor, Meaning
from penstock.operators.keyed_window_meaning import KeyedWindowMeaning
from penstock.plan.emission import ONCE, ROWS, TIME, Emit
from penstock.plan.keyed_windows import Count, Everything, Hybrid, KeyedWindows, Session
from penstock.plan.node import APPEND, UPDATING, Facts, Node
from penstock.plan.windows import UTC, Windows

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class KeyedWindow(Executable):
    """Aggregates per key and window, sent as often as `emit` says.

    Sent once they are a Stream, else a Table keyed by keys and window.

    Sessions: a row at `t` makes `[t, t + gap)`; it becomes one with the sessions of its key that it overlaps or touches
    and that are not over for it. For a row, a window is over if `end - 1 ms + allowed <= ` the watermark of its own
    split before it. A row whose own window is over, and that joins no other, leaves by `late`. Which sessions there are
    does not depend on the steps; where splits are further apart in time than sessions, it may depend on how their rows
    interleave.

    Emission: a window is sent when the watermark reaches `end - 1 ms`, whatever was sent before. With an allowed
    lateness rows are taken for so long after that, and correct what was sent. `change`: at most one change per key,
    window and step. `ps.every("5 s")`: what has changed, when the clock passes a multiple. `ps.every(rows=n)`: after
    each n rows of a window. A sent row stands until its window is sent anew, closes no more (a late row has prolonged
    the session), or becomes part of another. The watermark is held back by the allowed lateness, so that corrections
    are not late below.

    By the clock (`on=ps.processing_time()`) rows are in the windows of the instant at which they come, nothing is late,
    and a window is over when the clock has reached its end.

    A row whose gap is null or not positive leaves by `errors`, and so does, when its window closes, a key whose sum
    does not fit its type. State: one entry per key and open window. Source of the rules: Flink's windows of its
    DataStream API.

    Attributes:
        input: The rows.
        keys: The key columns; none = one key for all.
        windows: The windows.
        aggregates: The aggregates by the names of their columns.
        emit: When results are sent.
        clock: Whether the clock tells where rows are, and not their event time.
    """

    verb: ClassVar[str] = "keyed_window"
    refuses: ClassVar[tuple[str, ...]] = ("late", "errors")
    stateful: ClassVar[bool] = True

    input: Node
    keys: tuple[str, ...]
    windows: Windows | KeyedWindows
    aggregates: Named
    emit: Emit = ONCE
    clock: bool = False

    def derive(self) -> Facts:
        """Key columns, bounds and aggregates."""
        below = self.input.facts
        self._check()
        fields = key_fields(below.schema, self.keys)
        updating = below.mode == UPDATING
        made = aggregate_fields(below.schema, self.aggregates, updating=updating, grouped=self._grouped)
        self._check_users(updating)
        bounds = self._bounds()
        for field in bounds:
            if field.name in self.keys or field.name in dict(self.aggregates):
                raise PlanError(f'the window makes a column "{field.name}", and there is one already')
        timed = self._timed and bool(bounds) and not self.clock
        resent = self.emit.updating
        sensitive = isinstance(self.windows, KeyedWindows) and self.windows.sensitive
        return Facts(
            schema=Schema((*fields, *bounds, *made)),
            mode=UPDATING if resent else APPEND,
            key=(*self.keys, *(field.name for field in bounds)) if resent else None,
            time="window_end" if timed else None,
            time_shift=-MILLISECOND if timed else 0,
            watermarked=timed,
            bounded=below.bounded,
            deterministic=below.deterministic and not self.clock and self.emit.when != TIME,
            order_sensitive=sensitive or order_sensitive(self.aggregates),
        )

    def _check_users(self, updating: bool) -> None:
        sessions, resent = isinstance(self.windows, Session), not self.emit.once
        if sessions or resent:
            what = "sessions" if sessions else "windows that are sent more than once"
            check_merging(self.aggregates, what, in_order=not sessions)
        theirs = [declaration(term).name for _, term in self.aggregates if declaration(term).user is not None]
        if theirs and resent and updating:
            raise UnsupportedError(
                f"{theirs[0]} in windows over a Table that are sent more than once is not offered yet",
                hint='emit="close" sends them once',
            )

    @property
    def _grouped(self) -> bool:
        return bool(self.keys)

    @property
    def _timed(self) -> bool:
        return not isinstance(self.windows, KeyedWindows) or self.windows.timed

    @property
    def grows(self) -> bool:
        """State goes with the windows, unless these have no end, or rows are counted."""
        return isinstance(self.windows, (Everything, Count))

    def _bounds(self) -> tuple[Field, ...]:
        windows = self.windows
        if isinstance(windows, KeyedWindows) and not windows.bounded:
            return ()
        dtype = Datetime("us", windows.zone if isinstance(windows, Windows) else UTC)
        return Field("window_start", dtype, nullable=False), Field("window_end", dtype, nullable=False)

    def _check(self) -> None:
        below, emit, windows = self.input.facts, self.emit, self.windows
        if self._timed and not self.clock and (below.time is None or not below.watermarked):
            raise PlanError(
                "a window needs an event time, and this stream has none",
                hint="ps.read(..., event_time=...), or on=ps.processing_time(); a select that drops it loses it",
            )
        if isinstance(windows, KeyedWindows):
            windows.check(below.schema)
        if isinstance(windows, (Count, Hybrid)) and not (emit.once and emit.accumulate):
            raise UnsupportedError(f"a {windows.kind} window is sent once, when it is complete, found: {emit}")
        if below.mode == UPDATING and isinstance(windows, (Session, Count, Hybrid)):
            raise UnsupportedError(f"a {windows.kind} window over a Table is not offered: its rows are taken back")
        if isinstance(windows, Session) and emit.when == ROWS:
            raise UnsupportedError("sessions are not sent by rows yet", hint='emit=ps.every("5 s"), emit="change"')
        if isinstance(windows, Session) and emit.when == TIME and emit.lateness:
            raise UnsupportedError(
                "sessions that are sent by the clock allow no lateness: what stands would depend on the steps",
                hint='emit="close" or emit="change"',
            )
        if isinstance(windows, Session) and windows.split is not None and not emit.once:
            raise UnsupportedError(
                "sessions that are split are sent once: two of them may have the same bounds", hint='emit="close"'
            )
        if self.clock and emit.lateness:
            raise PlanError("by the clock nothing is late: allowed_lateness means nothing here")
        if isinstance(windows, Everything) and emit.lateness:
            raise PlanError("in a window for all time nothing is late: allowed_lateness means nothing here")
        if not emit.accumulate and (emit.when != TIME or emit.lateness or below.mode == UPDATING):
            hint = 'emit=ps.every("5 s") without lateness, over a Stream'
            raise UnsupportedError("what is new only (accumulate=False) is sent by the clock", hint=hint)

    def describe(self) -> str:
        """Windows, keys, aggregates and emission."""
        clock = " of the clock" if self.clock else ""
        sent = "" if self.emit == ONCE else f"; {self.emit}"
        return f"{self.windows}{clock} by {', '.join(self.keys) or 'nothing'}: {describe(self.aggregates)}{sent}"

    def needs(self, used: set[str]) -> list[set[str]]:
        """The keys, the event time, what is aggregated, and what says which window a row is in."""
        found = {*self.keys} | {name for _, term in self.aggregates for name in term.columns()}
        if self._timed and not self.clock:
            found.add(str(self.input.facts.time))
        return [found | (self.windows.columns() if isinstance(self.windows, KeyedWindows) else set())]

    def meaning(self) -> Meaning:
        """See `KeyedWindowMeaning`."""
        return KeyedWindowMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `KeyedWindowExecutor`."""
        from penstock.operators.keyed_window_execution import KeyedWindowExecutor

        return KeyedWindowExecutor(self, environment)


# -- Meaning -------------------------------------------------------------------
# See `operators/keyed_window_meaning.py`.

# -- Execution -----------------------------------------------------------------
# See `operators/keyed_window_execution.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
