"""Comparing rows: as bags, as sequences, as the Tables that changes add up to; floats within a tolerance."""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

Values = Mapping[str, Any]
Change = tuple[dict[str, Any], int]
"""A row, and +1 or -1."""

RELATIVE = 1e-12


class Tolerance(NamedTuple):
    """How far apart two floats may be and still count as equal.

    Attributes:
        relative: As a share of the greater magnitude.
        absolute: Whatever their magnitude: what rounding leaves of greater numbers that cancel out.
    """

    relative: float = RELATIVE
    absolute: float = 0.0

    @classmethod
    def of_sum(cls, magnitudes: float) -> Tolerance:
        """For what was added up from numbers with this sum of magnitudes."""
        return cls(RELATIVE, RELATIVE * magnitudes)


EXACT = Tolerance(0.0)

_UTC = dt.UTC


class CheckFailed(AssertionError):
    """Two runs that must agree do not, or a run is not what was expected."""


def canonical(value: Any) -> Any:
    """A value as something hashable that is equal for equal values: NaN equals itself, instants have no zone."""
    match value:
        case bool() | None | str() | bytes():
            return value
        case float():
            return "NaN" if math.isnan(value) else value + 0.0
        case dt.datetime():
            return value.astimezone(_UTC) if value.tzinfo else value
        case list() | tuple():
            return tuple(canonical(item) for item in value)
        case Mapping():
            return tuple((name, canonical(item)) for name, item in value.items())
    return value


def identity(row: Values) -> tuple[Any, ...]:
    """A row as something hashable."""
    return tuple(canonical(value) for value in row.values())


# -- with a tolerance ----------------------------------------------------------


def close(a: Any, b: Any, within: Tolerance) -> bool:
    """Whether two values are equal, floats within a tolerance."""
    if isinstance(a, float) and isinstance(b, (float, int)) and not isinstance(b, bool):
        if math.isnan(a) or math.isnan(b):
            return math.isnan(a) and math.isnan(b)
        if a == b:
            return True
        return (
            math.isfinite(a)
            and math.isfinite(b)
            and abs(a - b) <= max(within.relative * max(abs(a), abs(b)), within.absolute)
        )
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(close(x, y, within) for x, y in zip(a, b, strict=True))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(close(a[name], b[name], within) for name in a)
    return type(canonical(a)) is type(canonical(b)) and canonical(a) == canonical(b)


def rows_close(a: Values, b: Values, within: Tolerance) -> bool:
    """Whether two rows are equal, floats within the tolerance."""
    return a.keys() == b.keys() and all(close(a[name], b[name], within) for name in a)


def _rough(value: Any) -> Any:
    """What two values that are close have in common: all but finite floats."""
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else value if math.isinf(value) else "float"
    if isinstance(value, (list, tuple)):
        return tuple(_rough(item) for item in value)
    if isinstance(value, Mapping):
        return tuple((name, _rough(item)) for name, item in value.items())
    return canonical(value)


def _sorting(row: Values) -> str:
    return repr([canonical(value) for value in row.values()])


def unmatched(left: Iterable[Values], right: Iterable[Values], within: Tolerance) -> tuple[list[Values], list[Values]]:
    """The rows of two bags that have no partner in the other.

    Args:
        left: Rows.
        right: Rows with the same columns.
        within: How far apart floats may be.
    """
    places: dict[Any, list[Values]] = defaultdict(list)
    for row in right:
        places[tuple((name, _rough(value)) for name, value in row.items())].append(row)
    alone = []
    for row in left:
        candidates = places[tuple((name, _rough(value)) for name, value in row.items())]
        exact = identity(row)
        found = next((i for i, other in enumerate(candidates) if identity(other) == exact), None)
        if found is None:
            found = next((i for i, other in enumerate(candidates) if rows_close(row, other, within)), None)
        if found is None:
            alone.append(row)
        else:
            candidates.pop(found)
    rest = [row for candidates in places.values() for row in candidates]
    return alone, sorted(rest, key=_sorting)


# -- Tables --------------------------------------------------------------------


def fold(changes: Iterable[Change], what: str = "the output") -> list[dict[str, Any]]:
    """The rows that changes add up to, in the order of their last coming.

    Raises:
        CheckFailed: If a row goes that is not there: equal in every column to one that came and has not gone.
    """
    present: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for number, (row, diff) in enumerate(changes):
        key = identity(row)
        if diff > 0:
            present[key].append(row)
        elif present[key]:
            present[key].pop()
        else:
            raise CheckFailed(f"{what}: change {number + 1} takes back a row that is not there: {text_of(row)}")
    return [row for rows in present.values() for row in rows]


def check_key(rows: Iterable[dict[str, Any]], key: Sequence[str] | None, what: str) -> None:
    """The rows of a Table with a key are one for each of its values.

    Raises:
        CheckFailed: If two rows have the same.
    """
    seen: set[tuple[Any, ...]] = set()
    for row in rows if key is not None else ():
        of = tuple(canonical(row[name]) for name in key or ())
        if of in seen:
            raise CheckFailed(f"{what}: another row has the same key ({', '.join(key or ())}): {text_of(row)}")
        seen.add(of)


def net(changes: Sequence[Change]) -> list[Change]:
    """Changes without pairs that cancel out, what goes before what comes."""
    counts: dict[tuple[Any, ...], int] = defaultdict(int)
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row, diff in changes:
        counts[identity(row)] += diff
        rows[identity(row)] = row
    gone = [(rows[key], -1) for key, count in counts.items() for _ in range(-count)]
    come = [(rows[key], 1) for key, count in counts.items() for _ in range(count)]
    return gone + come


def check_step(changes: Sequence[Change], key: Sequence[str] | None, what: str) -> None:
    """Changes sent together are consolidated: at most one row of a key goes and one comes, that is not the same.

    Raises:
        CheckFailed: If they are not.
    """
    seen: set[tuple[Any, ...]] = set()
    for row, diff in changes:
        if key is not None:
            of = (*(canonical(row[name]) for name in key), diff)
            if of in seen:
                raise CheckFailed(f"{what}: more than one change of a key at a time: {text_of(row)} ({diff:+d})")
            if diff < 0 and (*of[:-1], 1) in seen:
                raise CheckFailed(f"{what}: a row comes before the one that it replaces goes: {text_of(row)}")
            seen.add(of)
    if len(net(changes)) != len(changes):
        raise CheckFailed(f"{what}: a row is taken back as it is brought")


def with_ops(changes: Sequence[Change], key: Sequence[str] | None) -> list[dict[str, Any]]:
    """The net changes of a step as rows with `op`: an update if a row of the same key both goes and comes."""
    consolidated = net(changes)

    def of(row: Values) -> tuple[Any, ...]:
        return tuple(canonical(row[name]) for name in key or ())

    gone = {of(row) for row, diff in consolidated if diff < 0}
    come = {of(row) for row, diff in consolidated if diff > 0}
    names = {1: ("+I", "+U"), -1: ("-D", "-U")}
    return [{"op": names[d][bool(key) and of(row) in gone & come], **row} for row, d in consolidated]


# -- for people ----------------------------------------------------------------


def text_of(row: Values) -> str:
    """A row on one line."""
    return ", ".join(f"{name}={cell(value)}" for name, value in row.items())


def cell(value: Any) -> str:
    """A value as a drawn table has it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case dt.datetime():
            text = value.isoformat(sep=" ").removesuffix("+00:00")
            return text.removeprefix("1970-01-01 ")
        case str():
            plain = value and value == value.strip() and not set(value) & set('|#"')
            return value if plain else f'"{value}"'
    return str(value)


def table(rows: Sequence[Values], mark: str = "") -> str:
    """Rows as a drawn table.

    Args:
        rows: The rows, with the same columns.
        mark: What to put before each row.
    """
    if not rows:
        return "  (no rows)"
    names = list(rows[0])
    lines = [names, *([cell(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(names))]
    drawn = [" | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join(f"  {mark if i else ' ' * len(mark)}{line}" for i, line in enumerate(drawn))


def difference(
    left: Sequence[Values], right: Sequence[Values], within: Tolerance, names: tuple[str, str], most: int = 20
) -> str | None:
    """How two bags differ, as a drawn table; None if they do not.

    Args:
        left: Rows.
        right: Rows.
        within: How far apart floats may be.
        names: What the two are called.
        most: How many rows to show of each.
    """
    only_left, only_right = unmatched(left, right, within)
    if not only_left and not only_right:
        return None
    parts = []
    for name, rows, sign in ((names[0], only_left, "-"), (names[1], only_right, "+")):
        if rows:
            more = f" and {len(rows) - most} more" if len(rows) > most else ""
            shown = rows[:most]
            parts.append(f"only in {name}: {len(rows)} row(s){more}\n{table(shown, f'{sign} ')}")
    return "\n".join(parts)
