"""What windows that are kept key by key mean: one row at a time, every window by itself."""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.core.timespan import END, MILLISECOND, NEVER, Span, from_datetime, to_datetime
from penstock.expr.ast import Term
from penstock.expr.function import RowFault
from penstock.expr.infer import infer
from penstock.expr.interpret import interpret
from penstock.operators.aggregation import PlainAggregate, key_order, plain_key, results_of
from penstock.operators.base import Emission, Meaning, Row
from penstock.operators.window import windows_of
from penstock.plan.custom_windows import Custom
from penstock.plan.emission import CHANGE, ROWS, TIME
from penstock.plan.keyed_windows import Count, Everything, Hybrid, Session
from penstock.plan.windows import Windows
from penstock.plan.zoned_windows import Zoned, zone_fault

if TYPE_CHECKING:
    from penstock.operators.keyed_window import KeyedWindow


@dataclass(eq=False)
class Plain:
    """A window of a key.

    Attributes:
        key: The key.
        names: The key columns.
        begin: Its start.
        end: Its end; END for one that has none.
        items: What each row adds: its place among all rows, the arguments of the aggregates, and +1 or -1.
        part: Its number, where windows are counted.
        rows: How many rows it has, and how many of them have come since it was last sent.
        since: See `rows`.
        sent: The row that stands.
        closed: Whether it was over when it was last sent.
        sealed: Whether nothing joins it any more.
        told: Whether it was said that it has no result.
    """

    key: tuple[Any, ...]
    names: dict[str, Any]
    begin: int
    end: int
    items: list[tuple[int, list[Any], int]] = field(default_factory=list)
    part: int = 0
    rows: int = 0
    since: int = 0
    sent: dict[str, Any] | None = None
    closed: bool = False
    sealed: bool = False
    told: bool = False


@dataclass(eq=False)
class PlainKey:
    """A key: its windows, and how many rows it has had."""

    windows: list[Plain] = field(default_factory=list)
    rows: int = 0


class KeyedWindowMeaning(Meaning):
    """Each row is added to its windows; each window is sent when it is its turn."""

    def __init__(self, node: KeyedWindow) -> None:
        facts = node.input.facts
        self.keys, self.columns, self.emit, self.clock = node.keys, facts.schema.names, node.emit, node.clock
        self.windows, self.updating = node.windows, facts.mode != "append"
        self.time, self.shift = facts.time, facts.time_shift
        self.aggregates = [PlainAggregate(name, term, facts.schema) for name, term in node.aggregates]
        self.order = key_order([facts.schema[name].dtype for name in node.keys])
        bounds = {f.name: f.dtype for f in node.schema}.get("window_start")
        self.zone = None if bounds is None else zoneinfo.ZoneInfo(str(getattr(bounds, "zone", None) or "UTC"))
        session = node.windows if isinstance(node.windows, Session) else None
        self.gap = self._term(session.gap, facts.schema) if session and isinstance(session.gap, Term) else None
        zoned = node.windows if isinstance(node.windows, Zoned) else None
        self.row_zone = self._term(zoned.zone, facts.schema) if zoned is not None else None
        self.here: Windows | None = None
        self.split = self._term(session.split, facts.schema) if session and session.split is not None else None
        self.open: dict[tuple[Any, ...], PlainKey] = {}
        self.watermark_now, self.now, self.taken = NEVER, 0, 0

    def _term(self, term: Term, schema: Any) -> Any:
        return interpret(infer(term, schema))

    # -- rows

    def row(self, port: int, row: Row) -> Iterator[Emission] | Iterable[Emission]:
        """Add one row."""
        try:
            arguments = [aggregate.arguments(row.values) for aggregate in self.aggregates]
            gap = self._gap(row)
            zone = self.row_zone(row.values) if self.row_zone is not None else None
            splits = self.split is not None and self.split(row.values) is True
        except RowFault:
            yield "errors", row
            return
        instant = self._instant(row)
        self.here = self.windows if isinstance(self.windows, Windows) else None
        if isinstance(self.windows, Zoned):
            if zone is None or zone_fault(zone) is not None:
                yield "errors", row
                return
            self.here = self.windows.within(zone)
        if self.here is not None and self.here.is_local and not 2 <= to_datetime(instant).year <= 9997:
            yield "errors", row
            return
        if isinstance(self.windows, Custom) and isinstance(self.windows.windows_of_all([instant])[0], str):
            yield "errors", row
            return
        if self.gap is not None and gap <= 0:
            yield "errors", row
            return
        values = {name: row.values[name] for name in self.keys}
        key = plain_key(row.values, self.keys)
        home = self.open.setdefault(key, PlainKey())
        found = list(self._places(home, key, values, instant, gap, splits, row))
        if any(isinstance(one, str) for one in found):
            yield "late", row
            return
        for one in found:
            if isinstance(one, Row):
                yield "out", one
                continue
            assert isinstance(one, Plain)
            one.items.append((self.taken, arguments, row.diff))
            one.rows += row.diff
            one.since += 1
            yield from self._after(home, one, instant)
        home.rows += 1
        self.taken += 1

    def _gap(self, row: Row) -> int:
        if self.gap is not None:
            found = self.gap(row.values)
            if found is None:
                return 0
            us: int = found // found.resolution
            return us // MILLISECOND * MILLISECOND
        return (
            self.windows.gap.exact() if isinstance(self.windows, Session) and isinstance(self.windows.gap, Span) else 0
        )

    def _instant(self, row: Row) -> int:
        if self.clock:
            return self.now
        found = from_datetime(row.values[self.time]) + self.shift if self.time is not None else 0
        # The watermark has whole milliseconds: a row is there when it reaches the next one.
        return -(-found // MILLISECOND) * MILLISECOND if isinstance(self.windows, Hybrid) else found

    def _over(self, end: int, watermark: int) -> bool:
        """Whether a window takes no more rows that come behind a watermark."""
        return not self.clock and end - MILLISECOND + self.emit.lateness <= watermark

    def _places(
        self, home: PlainKey, key: Any, names: dict[str, Any], instant: int, gap: int, splits: bool, row: Row
    ) -> Iterator[Plain | Row | str]:
        """The windows of a row; rows that are taken back because their window becomes part of another; "late"."""
        windows = self.windows

        def made(begin: int, end: int, part: int = 0) -> Plain:
            for one in home.windows:
                if (one.begin, one.end, one.part) == (begin, end, part) and not isinstance(windows, Session):
                    return one
            new = Plain(key, names, begin, end, [], part)
            home.windows.append(new)
            return new

        if isinstance(windows, Session):
            yield from self._session(home, made, instant, gap, splits, row)
        elif isinstance(windows, Hybrid):
            has_room = [one for one in home.windows if not one.closed and instant < one.end]
            yield has_room[0] if has_room else made(instant, instant + windows.size.exact(), self.taken)
        elif isinstance(windows, Everything):
            yield made(0, END)
        elif isinstance(windows, Count):
            # The window with the number j has the rows from (j + 1) * every - rows to (j + 1) * every - 1 of the key.
            numbers = range(home.rows // windows.every, (home.rows + windows.rows) // windows.every)
            yield from (made(0, END, number) for number in numbers)
        else:
            bounds = self._windows_of(instant)
            in_time = [pair for pair in bounds if not self._over(pair[1], row.watermark)]
            if bounds and not in_time:
                yield "late"
            yield from (made(*pair) for pair in in_time)

    def _windows_of(self, instant: int) -> list[tuple[int, int]]:
        if isinstance(self.windows, Custom):
            return self.windows.windows_of(instant)
        assert self.here is not None
        return list(dict.fromkeys(windows_of(self.here, instant)))

    def _session(
        self, home: PlainKey, made: Any, instant: int, gap: int, splits: bool, row: Row
    ) -> Iterator[Plain | Row | str]:
        begin, end = instant, instant + gap
        met = [
            one
            for one in home.windows
            if one.begin <= end and one.end >= instant and not one.sealed and not self._over(one.end, row.watermark)
        ]
        if splits:
            for one in met:
                one.sealed = True
            met = []
        if not met:
            yield "late" if self._over(end, row.watermark) else made(begin, end)
            return
        root = min(met, key=lambda one: (one.sent is None, one.begin, one.end))
        for one in met:
            begin, end = min(begin, one.begin), max(end, one.end)
            if one is root:
                continue
            home.windows.remove(one)
            if one.sent is not None:
                yield Row(one.sent, -1)
            root.items = sorted([*root.items, *one.items], key=lambda item: item[0])
            root.rows, root.since = root.rows + one.rows, root.since + one.since
        root.begin, root.end = begin, end
        if root.closed and end - MILLISECOND > self.watermark_now:
            root.closed = False
            if root.sent is not None and self.emit.when == "close":
                yield Row(root.sent, -1)
                root.sent = None
        yield root

    # -- sending

    def _after(self, home: PlainKey, one: Plain, instant: int) -> Iterator[Emission]:
        """What a row sends at once."""
        emit, windows = self.emit, self.windows
        if isinstance(windows, Count):
            if home.rows == (one.part + 1) * windows.every - 1:
                one.closed = True
                yield from self._send(one)
                home.windows.remove(one)
        elif isinstance(windows, Hybrid):
            if one.rows == windows.rows:
                one.end, one.closed = min(instant + MILLISECOND, one.end), True
                yield from self._send(one)
                home.windows.remove(one)
        elif emit.when == CHANGE or one.closed or (emit.when == ROWS and one.since == emit.every):
            yield from self._send(one)

    def _send(self, one: Plain) -> Iterator[Emission]:
        """Send a window as it is now, in the place of what stands."""
        results = self._results(one) if one.rows else None
        row = None if results is None else {**one.names, **self._bounds(one), **results}
        one.since = 0
        if results is None and one.rows and one.closed and not one.told:
            one.told = True
            yield "errors", Row({name: one.names.get(name) for name in self.columns})
        if not self.emit.updating:
            if row is not None:
                yield "out", Row(row)
            if not self.emit.accumulate:
                one.items, one.rows = [], 0
            return
        if one.sent is not None:
            yield "out", Row(one.sent, -1)
        if row is not None:
            yield "out", Row(row)
        one.sent = row

    def _results(self, one: Plain) -> dict[str, Any] | None:
        states = [a.start() for a in self.aggregates]
        for _, arguments, diff in one.items:
            states = [a.add(s, args, diff) for a, s, args in zip(self.aggregates, states, arguments, strict=True)]
        return results_of(self.aggregates, states)

    def _bounds(self, one: Plain) -> dict[str, Any]:
        if self.zone is None:
            return {}
        moments = [to_datetime(instant).astimezone(self.zone) for instant in (one.begin, one.end)]
        return {"window_start": moments[0], "window_end": moments[1]}

    def _in_order(self) -> list[tuple[PlainKey, Plain]]:
        """All windows by end, start and key."""
        found = [(home, one) for home in self.open.values() for one in home.windows]
        return sorted(found, key=lambda pair: (pair[1].end, pair[1].begin, self.order(pair[1].key), pair[1].part))

    def tick(self, now: int) -> Iterable[Emission]:
        """The clock moves: what it closes is sent, and what is sent by the clock."""
        before, self.now = self.now, now
        if self.clock:
            yield from self._close(now - MILLISECOND)
        if self.emit.when == TIME and before // self.emit.every < now // self.emit.every:
            for _, one in self._in_order():
                if one.since:
                    yield from self._send(one)

    def advance(self, watermark: int) -> Iterable[Emission]:
        """Event time moves: what is over is sent."""
        self.watermark_now = watermark
        if not self.clock or watermark == END:
            yield from self._close(watermark)

    def _close(self, watermark: int) -> Iterator[Emission]:
        for home, one in self._in_order():
            over = watermark == END or one.end - MILLISECOND <= watermark
            if over and not one.closed:
                one.closed = True
                left = isinstance(self.windows, Count) and one is not min(home.windows, key=lambda w: w.part)
                done = isinstance(self.windows, Count) and home.rows % self.windows.every == 0
                if (not (left or done) and (one.since or one.sent is None)) or (self.emit.updating and one.since):
                    yield from self._send(one)
        for home in self.open.values():
            home.windows = [
                one
                for one in home.windows
                if watermark != END and not one.end - MILLISECOND + self.emit.lateness <= watermark
            ]

    def watermark(self, incoming: Any) -> int:
        """Held back by the allowed lateness."""
        return held_back(min(incoming), self.emit.lateness)


def held_back(watermark: int, lateness: int) -> int:
    """The watermark behind windows that allow lateness."""
    if watermark in (END, NEVER) or not lateness:
        return watermark
    return max(NEVER, watermark - lateness)
