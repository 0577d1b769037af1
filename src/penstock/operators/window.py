"""Aligned windows: tumbling, hopping and cumulative, over panes of event time."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from penstock.core.dtypes import Datetime
from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.schema import Field, Schema
from penstock.core.timespan import EPOCH, MILLISECOND, from_datetime, to_datetime
from penstock.expr.function import NotOnFlink, RowFault
from penstock.operators.aggregation import (
    Named,
    PlainAggregate,
    aggregate_fields,
    check_merging,
    describe,
    key_fields,
    key_order,
    order_sensitive,
    plain_key,
    results_of,
)
from penstock.operators.base import Emission, Environment, Executable, Executor, Meaning, Row
from penstock.plan.node import UPDATING, Facts, Node
from penstock.plan.windows import Cumulative, Hopping, Tumbling, Windows

# -- Plan ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Window(Executable):
    """Aggregates per key and window, sent once, when the watermark passes the window's end: a Stream.

    A window is `[start, end)`. It fires when the watermark reaches `end - 1 ms`. A row is late for a window
    if the watermark of its own split had reached that before it; a row late for all its windows leaves by
    `late`. A window without rows sends nothing. Of a key whose sum does not fit its type a row with the key columns
    only leaves by `errors` when the window closes. State: one entry per key and pane; it goes with the window.
    Source of the rules: Flink's window table-valued functions.

    Attributes:
        input: The rows; they need an event time.
        keys: The key columns; none = one window for all.
        windows: The windows.
        aggregates: The aggregates by the names of their columns.
    """

    verb: ClassVar[str] = "window"
    refuses: ClassVar[tuple[str, ...]] = ("late", "errors")
    stateful: ClassVar[bool] = True

    input: Node
    keys: tuple[str, ...]
    windows: Windows
    aggregates: Named

    def derive(self) -> Facts:
        """Key columns, bounds and aggregates; append-only, with the time of `window_end` less 1 ms."""
        below = self.input.facts
        if below.mode == UPDATING:
            raise UnsupportedError(
                "a window over a Table is not offered yet", hint="put the window before the grouping"
            )
        if below.time is None or not below.watermarked:
            raise PlanError(
                "a window needs an event time, and this stream has none",
                hint="ps.read(..., event_time=...), or .with_event_time(...); a select that drops it loses it",
            )
        fields = key_fields(below.schema, self.keys)
        for name in ("window_start", "window_end"):
            if name in self.keys or name in dict(self.aggregates):
                raise PlanError(f'the window makes a column "{name}", and there is one already')
        bound = Datetime("us", self.windows.zone)
        bounds = (Field("window_start", bound, nullable=False), Field("window_end", bound, nullable=False))
        made = aggregate_fields(below.schema, self.aggregates, updating=False, grouped=bool(self.keys))
        if not isinstance(self.windows, Tumbling):
            check_merging(self.aggregates, "overlapping windows", in_order=False)
        return Facts(
            schema=Schema((*fields, *bounds, *made)),
            time="window_end",
            time_shift=-MILLISECOND,
            watermarked=True,
            bounded=below.bounded,
            deterministic=below.deterministic,
            order_sensitive=order_sensitive(self.aggregates),
        )

    def describe(self) -> str:
        """Windows, keys and aggregates."""
        return f"{self.windows} by {', '.join(self.keys) or 'nothing'}: {describe(self.aggregates)}"

    def needs(self, used: set[str]) -> list[set[str]]:
        """The keys and what is aggregated."""
        return [
            {*self.keys, str(self.input.facts.time)} | {name for _, term in self.aggregates for name in term.columns()}
        ]

    def meaning(self) -> Meaning:
        """See `WindowMeaning`."""
        return WindowMeaning(self)

    def executor(self, environment: Environment) -> Executor:
        """See `WindowExecutor`."""
        from penstock.operators.window_execution import WindowExecutor

        return WindowExecutor(self, environment)


# -- Meaning -------------------------------------------------------------------


class WindowMeaning(Meaning):
    """Each row is added to each of its windows for which it is not late; a window is sent when it is over."""

    def __init__(self, node: Window) -> None:
        facts = node.input.facts
        assert facts.time is not None
        self.keys, self.windows, self.columns = node.keys, node.windows, facts.schema.names
        self.time, self.shift = facts.time, facts.time_shift
        self.zone = zoneinfo.ZoneInfo(node.windows.zone)
        self.aggregates = [PlainAggregate(name, term, node.input.schema) for name, term in node.aggregates]
        self.order = key_order([node.input.schema[name].dtype for name in node.keys])
        self.open: dict[tuple[int, int], dict[tuple[Any, ...], tuple[dict[str, Any], list[Any]]]] = {}

    def row(self, port: int, row: Row) -> Iterator[Emission] | Iterable[Emission]:
        """Add one row."""
        try:
            arguments = [aggregate.arguments(row.values) for aggregate in self.aggregates]
        except RowFault:
            yield "errors", row
            return
        moment = row.values[self.time]
        instant = from_datetime(moment) + self.shift
        if self.windows.is_local and not 2 <= _utc(moment).year <= 9997:
            yield "errors", row
            return
        found = list(dict.fromkeys(windows_of(self.windows, instant)))
        in_time = [(start, end) for start, end in found if end - MILLISECOND > row.watermark]
        if found and not in_time:
            yield "late", row
            return
        key = plain_key(row.values, self.keys)
        for bounds in in_time:
            groups = self.open.setdefault(bounds, {})
            names = {name: row.values[name] for name in self.keys}
            names, states = groups.get(key, (names, [a.start() for a in self.aggregates]))
            states = [a.add(s, args, 1) for a, s, args in zip(self.aggregates, states, arguments, strict=True)]
            groups[key] = (names, states)

    def advance(self, watermark: int) -> Iterable[Emission]:
        """Send the windows that are over, by end, then by key."""
        over = sorted((end, start) for start, end in self.open if end - MILLISECOND <= watermark)
        for end, start in over:
            groups = self.open.pop((start, end))
            for key in sorted(groups, key=self.order):
                names, states = groups[key]
                made = results_of(self.aggregates, states)
                if made is None:
                    yield "errors", Row({name: names.get(name) for name in self.columns})
                    continue
                bounds = {"window_start": self._local(start), "window_end": self._local(end)}
                yield "out", Row({**names, **bounds, **made})

    def _local(self, instant: int) -> dt.datetime:
        return to_datetime(instant).astimezone(self.zone)


def _utc(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC) if moment.tzinfo else moment


def windows_of(windows: Windows, instant: int) -> Iterator[tuple[int, int]]:
    """The bounds of all windows that contain an instant, by trying every candidate."""
    if windows.is_calendar:
        yield from _calendar_windows(windows, instant)
        return
    if windows.is_local:
        yield from _local_windows(windows, instant)
        return
    size, offset = windows.size.exact(), windows.offset
    if isinstance(windows, Cumulative):
        step = windows.every.exact()
        start = (instant - offset) // size * size + offset
        yield from ((start, end) for end in range(start + step, start + size + 1, step) if instant < end)
        return
    step = windows.every.exact() if isinstance(windows, Hopping) else size
    start = (instant - offset) // step * step + offset
    while start + size > instant:
        yield start, start + size
        start -= step


def _local_windows(windows: Windows, instant: int) -> Iterator[tuple[int, int]]:
    zone = zoneinfo.ZoneInfo(windows.zone)
    day = (to_datetime(instant).astimezone(zone).date() - EPOCH.date()).days
    if not windows.size.days:
        start, size = _midnight(day, zone), windows.size.us
        start += (instant - start) // size * size
        yield start, min(start + size, _midnight(day + 1, zone))
        return
    size = windows.size.days
    if isinstance(windows, Cumulative):
        first = day // size * size
        ends = range(first + windows.every.days, first + size + 1, windows.every.days)
        yield from ((_midnight(first, zone), _midnight(end, zone)) for end in ends if day < end)
        return
    step = windows.every.days if isinstance(windows, Hopping) else size
    first = day // step * step
    while first + size > day:
        yield _midnight(first, zone), _midnight(first + size, zone)
        first -= step


def _calendar_windows(windows: Windows, instant: int) -> Iterator[tuple[int, int]]:
    """All windows of a calendar around an instant, those that contain it."""
    zone = zoneinfo.ZoneInfo(windows.zone)
    shift = dt.timedelta(microseconds=windows.offset)
    near = to_datetime(instant).astimezone(zone).replace(tzinfo=None) - shift
    size = windows.size
    step = windows.every if isinstance(windows, Hopping) else size
    # Windows begin where the number of the month, Monday or day since 1970 is a multiple of the step.
    if step.months:
        month = (near.year - 1970) * 12 + near.month - 1
        numbers = range((month - size.months) // step.months - 1, month // step.months + 3)
        starts = [_month(number * step.months) for number in numbers]
        pairs = [(start, _month(_months_since(start) + size.months)) for start in starts]
    else:
        weekly = windows.unit == "week"
        monday = dt.datetime(1969, 12, 29) if weekly else dt.datetime(1970, 1, 1)
        days, length = step.weeks * 7 + step.days, dt.timedelta(days=size.weeks * 7 + size.days)
        last = (near - monday).days // days + 2
        first = (near - length - monday).days // days - 2
        starts = [monday + dt.timedelta(days=number * days) for number in range(first, last)]
        pairs = [(start, start + length) for start in starts]
    for start, end in pairs:
        ends = [end]
        if isinstance(windows, Cumulative) and windows.in_days:
            by = dt.timedelta(days=windows.every.weeks * 7 + windows.every.days)
            ends = [start + by * n for n in range(1, (end - start).days + 1) if start + by * n < end] + [end]
        elif isinstance(windows, Cumulative) and windows.every.months:
            count = size.months // windows.every.months
            ends = [_month(_months_since(start) + windows.every.months * n) for n in range(1, count + 1)]
        elif isinstance(windows, Cumulative):
            by = dt.timedelta(days=windows.every.weeks * 7 + windows.every.days)
            ends = [start + by * n for n in range(1, (end - start) // by + 1)]
        begin = from_datetime((start + shift).replace(tzinfo=zone))
        for one in ends:
            stop = from_datetime((one + shift).replace(tzinfo=zone))
            if begin <= instant < stop:
                yield begin, stop


def _month(number: int) -> dt.datetime:
    return dt.datetime(1970 + number // 12, number % 12 + 1, 1)


def _months_since(start: dt.datetime) -> int:
    return (start.year - 1970) * 12 + start.month - 1


def _midnight(day: int, zone: zoneinfo.ZoneInfo) -> int:
    """The instant at which a local day begins; of two, the earlier; in a gap, the first instant after it."""
    date = EPOCH.date() + dt.timedelta(days=day)
    return from_datetime(dt.datetime(date.year, date.month, date.day, tzinfo=zone))


# -- Execution -----------------------------------------------------------------
# See `operators/window_execution.py`.

# -- Flink ---------------------------------------------------------------------

FLINK = NotOnFlink("not implemented: comes with the Flink engine")
