"""Window functions of tables, and the old ones of GROUP BY: to the windows of the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.core.dtypes import Datetime
from penstock.core.errors import PlanError, nearest
from penstock.core.timespan import DAY, Span
from penstock.core.where import Where
from penstock.plan.windows import UTC, Cumulative, Hopping, Tumbling, Windows
from penstock.sql.scope import PROCTIME, Related, ScopeColumn
from penstock.sql.syntax import Descriptor, Interval, Name, Syntax, TableArgument, TableFunction
from penstock.sql.text import Text

PARAMETERS = {
    "TUMBLE": ("DATA", "TIMECOL", "SIZE", "OFFSET"),
    "HOP": ("DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"),
    "CUMULATE": ("DATA", "TIMECOL", "STEP", "SIZE", "OFFSET"),
    "SESSION": ("DATA", "TIMECOL", "GAP"),
}
_NEEDED = {"TUMBLE": 3, "HOP": 4, "CUMULATE": 4, "SESSION": 3}
_SHOWN = {
    "TUMBLE": "TUMBLE(TABLE t, DESCRIPTOR(time), INTERVAL '10' MINUTE)",
    "HOP": "HOP(TABLE t, DESCRIPTOR(time), INTERVAL '5' MINUTE, INTERVAL '10' MINUTE): the slide, then the size",
    "CUMULATE": "CUMULATE(TABLE t, DESCRIPTOR(time), INTERVAL '1' HOUR, INTERVAL '1' DAY): the step, then the size",
    "SESSION": "SESSION(TABLE t PARTITION BY k, DESCRIPTOR(time), INTERVAL '10' MINUTE)",
}


@dataclass(frozen=True)
class PendingWindow:
    """Windows that rows were assigned to.

    Attributes:
        windows: The windows; None for sessions.
        gap: The gap of sessions in microseconds, or None.
        partition: The columns that sessions are per.
        place: Where it was written.
        clock: Whether the clock tells where rows are.
        zone: The zone of the time; None = it has none.
    """

    windows: Windows | None
    gap: int | None = None
    partition: tuple[str, ...] = ()
    place: Where | None = None
    clock: bool = False
    zone: str | None = None

    @property
    def sessions(self) -> bool:
        """Whether they are sessions."""
        return self.gap is not None


def arguments(function: TableFunction, text: Text) -> dict[str, Syntax]:
    """The arguments of a window function by their names.

    Raises:
        PlanError: If one is missing, unknown, or too many.
    """
    names = PARAMETERS[function.name]
    shown = _SHOWN[function.name]
    found: dict[str, Syntax] = {}
    for i, (name, value) in enumerate(function.args):
        if name is None:
            if i >= len(names):
                raise text.error(
                    f"{function.name} takes at most {len(names)} arguments", value.at, value.end, hint=shown
                )
            name = names[i]
        elif name not in names:
            raise text.error(
                f'{function.name} has no argument "{name}"{nearest(name, names)}', value.at, value.end, hint=shown
            )
        if name in found:
            raise text.error(f'the argument "{name}" is given twice', value.at, value.end)
        found[name] = value
    for name in names[: _NEEDED[function.name]]:
        if name not in found:
            raise text.error(f"{function.name} lacks the argument {name}", function.at, function.end, hint=shown)
    if not isinstance(found["DATA"], TableArgument):
        one = found["DATA"]
        hint = shown
        if isinstance(one, Name):
            hint = f"write TABLE {one.parts[-1].name}: {shown}"
        raise text.error(f"the first argument of {function.name} is a table", one.at, one.end, hint=hint)
    if not isinstance(found["TIMECOL"], Descriptor):
        one = found["TIMECOL"]
        raise text.error(f"the time of {function.name} is a DESCRIPTOR", one.at, one.end, hint=shown)
    return found


def time_column(related: Related, descriptor: Descriptor, text: Text) -> ScopeColumn:
    """The column of a DESCRIPTOR.

    Raises:
        PlanError: If it is no event time.
    """
    if len(descriptor.names) != 1:
        raise text.error("DESCRIPTOR names one column here", descriptor.at, descriptor.end)
    (wanted,) = descriptor.names
    found = next((one for one in related.columns if one.name == wanted.name), None)
    if found is None:
        known = [one.name for one in related.columns if one.shown]
        raise text.unknown("column", wanted.name, known, wanted.at)
    if not related.is_time(found) and found.role != PROCTIME:
        hint = f"CREATE TABLE t (..., WATERMARK FOR {wanted.name} AS {wanted.name} - INTERVAL '5' SECOND)"
        if found.role in ("start", "end") or related.used is not None:
            hint = "after a window the time is window_time: DESCRIPTOR(window_time)"
        elif related.time is not None:
            hint = f"the event time of this table is {related.time}"
        raise text.error(f'"{wanted.name}" is no event time: it has no watermark', wanted.at, wanted.end, hint=hint)
    return found


def length(argument: Syntax, what: str, text: Text) -> int:
    """Microseconds of an INTERVAL.

    Raises:
        PlanError: If it is none, or one of months.
    """
    if not isinstance(argument, Interval):
        raise text.error(f"{what} is an interval", argument.at, argument.end, hint="INTERVAL '10' MINUTE")
    if argument.months:
        raise text.error(f"{what} has a fixed length, found months", argument.at, argument.end, hint="days")
    return argument.us


def span(us: int) -> Span:
    """A length as the plan has it: whole days follow the calendar of the zone."""
    return Span(days=us // DAY) if us and us % DAY == 0 else Span(us=us)


def build(kind: str, lengths: Sequence[int], offset: int, time: ScopeColumn, text: Text, place: Syntax) -> Windows:
    """The windows of the plan.

    Raises:
        PlanError: If they cannot be.
    """
    zone = zone_of(time) or UTC
    try:
        if any(one <= 0 for one in lengths):
            raise PlanError("a window must have a length")
        if kind == "TUMBLE":
            return Tumbling(size=span(lengths[0]), offset=offset % lengths[0], zone=zone)
        every, size = lengths
        if size % every:
            hint = f"{kind} takes the {'slide' if kind == 'HOP' else 'step'} first, then the size"
            raise PlanError(
                f"the size of {kind} must be a multiple of its {'slide' if kind == 'HOP' else 'step'}", hint=hint
            )
        whole = size % DAY == 0 and every % DAY == 0
        both = (span(size), span(every)) if whole else (Span(us=size), Span(us=every))
        if kind == "HOP":
            return Hopping(size=both[0], every=both[1], offset=offset % every, zone=zone)
        return Cumulative(size=both[0], every=both[1], offset=offset % size, zone=zone)
    except PlanError as refused:
        refused.where = text.where(place.at, place.end)
        raise


def zone_of(time: ScopeColumn) -> str | None:
    """The zone of a time; None for a TIMESTAMP."""
    return time.dtype.zone if isinstance(time.dtype, Datetime) else None


def pending(function: TableFunction, related: Related, text: Text, partition: tuple[str, ...]) -> PendingWindow:
    """The windows that a function of tables assigns.

    Raises:
        PlanError: If its arguments do not fit.
    """
    found = arguments(function, text)
    descriptor = found["TIMECOL"]
    assert isinstance(descriptor, Descriptor)
    time = time_column(related, descriptor, text)
    place, clock = text.where(function.at, function.end), time.role == PROCTIME
    if function.name == "SESSION":
        return PendingWindow(None, length(found["GAP"], "the gap", text), partition, place, clock, zone_of(time))
    names = PARAMETERS[function.name][2 : _NEEDED[function.name]]
    lengths = [length(found[name], f"the {name.lower()}", text) for name in names]
    offset = length(found["OFFSET"], "the offset", text) if "OFFSET" in found else 0
    return PendingWindow(
        build(function.name, lengths, offset, time, text, function), None, (), place, clock, zone_of(time)
    )
