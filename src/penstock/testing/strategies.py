"""Hypothesis strategies: values with their corners, inputs with disorder and ties, interleavings, cuts."""

from __future__ import annotations

import datetime as dt
import decimal
import zoneinfo
from collections.abc import Sequence
from typing import Any

from penstock.core.dtypes import (
    FLOATS,
    SIGNED,
    UNSIGNED,
    Binary,
    Boolean,
    Date,
    Datetime,
    Decimal,
    DType,
    Duration,
    Float64,
    Int64,
    List,
    Map,
    Null,
    String,
    Struct,
    Time,
)
from penstock.core.errors import PlanError
from penstock.core.schema import Field, Schema
from penstock.core.timespan import EPOCH, HOUR, MILLISECOND, SECOND
from penstock.plan.watermark import Bounded, Policy, Scripted
from penstock.plan.windows import Windows, cumulative, hopping, tumbling
from penstock.testing.drawing import DrawFn, SearchStrategy, st
from penstock.testing.oracle import Event
from penstock.testing.scene import Input, Scene, Steps, Values, cut

INSTANT = Datetime("us", "UTC")
KEY_TYPES: tuple[DType, ...] = (String, Int64, Boolean, Float64, Date, INSTANT)
"""Types that keys are drawn from; strings and integers first, since examples shrink towards them."""
VALUE_TYPES: tuple[DType, ...] = (Int64, Float64, String, Boolean)
ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe")
STARTS = (0, -7 * SECOND, 1_700_000_000 * SECOND, 1_710_053_990 * SECOND)
"""Where event time begins: at the epoch, before it, today, and ten seconds before summer time begins in New York."""

# -- values --------------------------------------------------------------------


def values(dtype: DType, *, nullable: bool = True, finite: bool = False) -> SearchStrategy[Any]:
    """Values of a type, with its corners, and equal ones often.

    Args:
        dtype: The type.
        nullable: Whether null is among them.
        finite: Whether floats are numbers: neither NaN nor infinite.

    Raises:
        PlanError: For types that no strategy is known of.
    """
    found = _present(dtype, finite)
    return st.one_of(found, st.none()) if nullable else found


def _present(dtype: DType, finite: bool) -> SearchStrategy[Any]:
    if dtype in SIGNED or dtype in UNSIGNED:
        return _integers(dtype)
    if dtype in FLOATS:
        return _floats(finite, 32 if dtype != Float64 else 64)
    if isinstance(dtype, Datetime):
        return _moments(dtype)
    match dtype:
        case Decimal(precision, scale):
            return _decimals(precision, scale)
        case List(inner):
            return st.lists(values(inner, finite=finite), max_size=4)
        case Struct(fields):
            return st.fixed_dictionaries({name: values(inner, finite=finite) for name, inner in fields})
        case Map(key, inner):
            return st.dictionaries(values(key, nullable=False), values(inner, finite=finite), max_size=3)
        case Duration():
            return st.integers(-HOUR // MILLISECOND, HOUR // MILLISECOND).map(lambda ms: dt.timedelta(milliseconds=ms))
    if dtype not in _SIMPLE:
        raise PlanError(f"no strategy draws values of {dtype}")
    return _SIMPLE[dtype]


def _integers(dtype: DType) -> SearchStrategy[int]:
    bits = int("".join(c for c in str(dtype) if c.isdigit()))
    low, high = (0, 2**bits - 1) if dtype in UNSIGNED else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    few = st.integers(max(-3, low), 3)
    many = st.integers(max(low, -1_000_000), min(high, 1_000_000))
    return st.one_of(few, few, few, st.sampled_from([low, high]), many)


def _floats(finite: bool, width: int) -> SearchStrategy[float]:
    odd = [0.0, -0.0, 0.5, -1.5] if finite else [0.0, -0.0, float("nan"), float("inf"), float("-inf")]
    bound = 1024.0
    drawn = st.floats(-bound, bound, allow_nan=False, allow_subnormal=False, width=64 if width == 64 else 32)
    return st.one_of(st.sampled_from([1.0, 2.0, 2.5]), st.sampled_from(odd), drawn)


def _decimals(precision: int, scale: int) -> SearchStrategy[decimal.Decimal]:
    most = 10 ** min(precision, 9) - 1
    return st.integers(-most, most).map(lambda digits: decimal.Decimal(digits).scaleb(-scale))


def _moments(dtype: Datetime) -> SearchStrategy[dt.datetime]:
    unit = MILLISECOND if dtype.unit == "ms" else 1
    instants = st.integers(-100 * HOUR // unit, 100 * HOUR // unit).map(lambda n: n * unit)
    return instants.map(lambda instant: at(instant, dtype.zone))


def at(instant: int, zone: str | None = "UTC") -> dt.datetime:
    """An instant in microseconds as a Python datetime in a zone, or without one."""
    moment = EPOCH + dt.timedelta(microseconds=instant)
    return moment.replace(tzinfo=None) if zone is None else moment.astimezone(zoneinfo.ZoneInfo(zone))


_WORDS = ["a", "b", "c", "", "null", "a b", "ä", "ﬁ", "\U0001f680", "a" * 40, "NaN", "line\nbreak", "\u0000"]
_SIMPLE: dict[DType, SearchStrategy[Any]] = {
    Boolean: st.booleans(),
    String: st.one_of(st.sampled_from(_WORDS[:3]), st.sampled_from(_WORDS), st.text(max_size=16)),
    Binary: st.binary(max_size=12),
    Date: st.dates(dt.date(1960, 1, 1), dt.date(2060, 12, 31)),
    Time: st.times(),
    Null: st.none(),
}


def schemas(types: Sequence[DType] = (*KEY_TYPES, *VALUE_TYPES), most: int = 5) -> SearchStrategy[Schema]:
    """Schemas of one to `most` columns of some types, nullable or not."""
    names = st.text("abcdefgh_ä", min_size=1, max_size=6).filter(lambda name: not name.startswith("_"))
    fields = st.builds(Field, names, st.sampled_from(list(types)), st.booleans())
    return st.lists(fields, min_size=1, max_size=most, unique_by=lambda one: one.name).map(lambda f: Schema(tuple(f)))


def rows(schema: Schema, *, most: int = 12, finite: bool = False) -> SearchStrategy[list[Values]]:
    """Lists of rows of a schema."""
    drawn = [values(f.dtype, nullable=f.nullable, finite=finite) for f in schema]
    return st.lists(st.tuples(*drawn).map(lambda row: dict(zip(schema.names, row, strict=True))), max_size=most)


# -- time ----------------------------------------------------------------------


@st.composite
def event_times(
    draw: DrawFn, count: int, *, start: int = 0, disorder: int = 15 * SECOND, exact: bool = False
) -> list[int]:
    """Event times in microseconds that mostly go on, with ties, whole seconds, and rows far behind.

    Args:
        draw: Given by Hypothesis.
        count: How many.
        start: Where they begin.
        disorder: How far behind rows may be.
        exact: Whether times have whole milliseconds.
    """
    steps = st.sampled_from([0, 0, SECOND, SECOND // 2, 3 * SECOND, 10 * SECOND, MILLISECOND])
    backs = st.sampled_from([0, 0, 0, MILLISECOND, SECOND, disorder])
    odd = st.just(0) if exact else st.sampled_from([0, 0, 1, 999])
    now, found = start, []
    for _ in range(count):
        now += draw(steps)
        found.append(now - draw(backs) + draw(odd))
    return found


@st.composite
def policies(draw: DrawFn, splits: Sequence[Sequence[int]]) -> Policy | None:
    """Watermark policies for the event times of some splits: none, bounded by little or much, or scripted."""
    kind = draw(st.sampled_from(["bounded", "scripted", "none"]))
    if kind == "none":
        return None
    if kind == "bounded":
        return Bounded(draw(st.sampled_from([0, MILLISECOND, SECOND, 5 * SECOND, 60 * SECOND])))
    marks = []
    for split, times in enumerate(splits):
        for count in sorted(draw(st.sets(st.integers(1, len(times)), max_size=3))) if times else []:
            ahead = draw(st.sampled_from([-SECOND, 0, MILLISECOND, 5 * SECOND]))
            marks.append((split, count, max(times[:count]) // MILLISECOND * MILLISECOND + ahead))
    return Scripted(tuple(marks))


# -- inputs --------------------------------------------------------------------


@st.composite
def inputs(
    draw: DrawFn,
    name: str = "input",
    *,
    most_rows: int = 14,
    most_splits: int = 3,
    key_types: Sequence[DType] = KEY_TYPES,
    finite: bool = False,
    starts: Sequence[int] = STARTS,
) -> Input:
    """Inputs with the columns `at` (event time), `k` (a key), `i`, `f`, `s` and `l` (integer, float, text, list).

    Args:
        draw: Given by Hypothesis.
        name: What the input is called.
        most_rows: How many rows a split has at most.
        most_splits: How many splits there are at most.
        key_types: The types of `k`.
        finite: Whether floats are numbers.
        starts: Where event time may begin, in microseconds.
    """
    key = draw(st.sampled_from(list(key_types)))
    schema = Schema.of({"at": INSTANT, "k": key, "i": Int64, "f": Float64, "s": String, "l": List(Int64)})
    few = st.sampled_from(draw(st.lists(values(key), min_size=1, max_size=4)))
    columns = {
        "k": few,
        "i": st.one_of(st.integers(-5, 5), values(Int64)) if not finite else st.one_of(st.none(), st.integers(-99, 99)),
        "f": values(Float64, finite=True) if finite else st.one_of(values(Float64, finite=True), st.just(float("nan"))),
        "s": values(String),
        "l": st.one_of(st.none(), st.lists(st.one_of(st.none(), st.integers(-2, 2)), max_size=3)),
    }
    start = draw(st.sampled_from(list(starts)))
    times, splits = [], []
    for _ in range(draw(st.integers(1, most_splits))):
        count = draw(st.integers(0, most_rows))
        instants = draw(event_times(count, start=start))
        times.append(instants)
        splits.append(tuple({"at": at(i)} | {name: draw(columns[name]) for name in columns} for i in instants))
    return Input(name, schema, tuple(splits), "at", draw(policies(times)))


@st.composite
def scenes(draw: DrawFn, given: Sequence[SearchStrategy[Input]] | None = None) -> Scene:
    """Inputs with an interleaving of their splits."""
    chosen = tuple(draw(one) for one in given or [inputs()])
    return Scene(chosen, draw(orders(chosen)))


@st.composite
def orders(draw: DrawFn, given: Sequence[Input]) -> tuple[tuple[int, int], ...]:
    """Interleavings of the splits of some inputs."""
    pairs = [
        (source, split) for source, one in enumerate(given) for split, found in enumerate(one.splits) for _ in found
    ]
    return tuple(draw(st.permutations(pairs)))


def cuts(events: Sequence[Event], most: int = 6) -> SearchStrategy[Steps]:
    """Cuts of events into steps, some of them empty."""
    return st.lists(st.integers(0, len(events)), max_size=most).map(lambda places: cut(events, places))


# -- windows -------------------------------------------------------------------


@st.composite
def windows(draw: DrawFn, *, zones: bool = True) -> Windows:
    """Tumbling, hopping and cumulative windows of seconds, with offsets and gaps, or of days and hours in a zone."""
    kind = draw(st.sampled_from(["tumbling", "hopping", "cumulative"]))
    if zones and draw(st.integers(0, 3)) == 0:
        return _local_windows(draw, kind)
    size = draw(st.sampled_from([1, 2, 5, 10, 15, 60]))
    offset = draw(st.sampled_from([None, "1 s", "-2500 ms", "70 s"]))
    found: Windows
    if kind == "tumbling":
        found = tumbling(f"{size} s", offset=offset)
    elif kind == "hopping":
        every = draw(st.sampled_from([1, 2, 3, 5, 7, 20]))
        found = hopping(f"{size} s", every=f"{every} s", offset=offset)
    else:
        parts = draw(st.sampled_from([1, 2, 5]))
        found = cumulative(f"{size * parts} s", every=f"{size} s", offset=offset)
    return found


def _local_windows(draw: DrawFn, kind: str) -> Windows:
    zone = draw(st.sampled_from(ZONES))
    days = draw(st.integers(1, 3))
    found: Windows
    if kind == "hopping":
        found = hopping(f"{days} d", every=f"{draw(st.integers(1, 2))} d", zone=zone)
    elif kind == "cumulative":
        found = cumulative(f"{days} d", every="1 d", zone=zone)
    else:
        found = tumbling(draw(st.sampled_from([f"{days} d", "6 h", "30 min"])), zone=zone)
    return found
