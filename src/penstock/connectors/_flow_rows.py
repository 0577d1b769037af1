"""Elements of a flow as rows: dicts by their names, anything else as the value of the only column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.connectors.base import BadRow, Polled, ReadRequest
from penstock.core.lazy import np, pl


def polled(elements: Sequence[Any], first: int, request: ReadRequest) -> Polled:
    """Rows of elements whose first has the offset `first`; elements that do not fit are bad rows."""
    rows = [_row(x, request) for x in elements]
    faults = {i: row for i, row in enumerate(rows) if isinstance(row, str)}
    if not faults:
        frame = _frame([row for row in rows if not isinstance(row, str)], request)
        if frame is not None:
            return Polled(frame, ((first, len(rows)),) if rows else (), (), first + len(rows))
        for i, row in enumerate(rows):
            if not isinstance(row, str) and (why := _fault(row, request)):
                faults[i] = why
    else:
        for i, row in enumerate(rows):
            if not isinstance(row, str) and (why := _fault(row, request)):
                faults[i] = why
    good = np.array([i not in faults for i in range(len(rows))], dtype=np.bool_)
    frame = _frame([row for i, row in enumerate(rows) if i not in faults and not isinstance(row, str)], request)
    assert frame is not None
    bad = tuple(
        BadRow(first + i, f"element {first + i}: {why}", repr(elements[i]) if request.keep_raw else None)
        for i, why in sorted(faults.items())
    )
    return Polled(frame, _runs(good, first), bad, first + len(rows))


def _runs(good: np.ndarray, first: int) -> tuple[tuple[int, int], ...]:
    from penstock.connectors.formats._chunk import runs_of

    return runs_of(good, first)


def _row(x: Any, request: ReadRequest) -> Mapping[str, Any] | str:
    """A row, or why there is none."""
    if isinstance(x, Mapping):
        unknown = [name for name in x if name not in request.schema] if request.extra == "forbid" else []
        return f"unknown field {unknown[0]!r}" if unknown else x
    if len(request.schema.names) == 1:
        return {request.schema.names[0]: x}
    return f"a row of {len(request.schema.names)} columns is a dict, found {type(x).__name__}"


def _frame(rows: Sequence[Mapping[str, Any]], request: ReadRequest) -> pl.DataFrame | None:
    """The columns that are wanted; None if a value does not fit."""
    columns = []
    for one in request.read_schema:
        wanted = request.read_schema.to_polars()[one.name]
        try:
            series = pl.Series(one.name, [row.get(one.name) for row in rows], dtype=wanted, strict=True)
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
            return None
        if series.dtype != wanted or (not one.nullable and series.null_count()):
            return None
        columns.append(series)
    return pl.DataFrame(columns)


def _fault(row: Mapping[str, Any], request: ReadRequest) -> str | None:
    """The first column that refuses a row."""
    for one in request.read_schema:
        alone = ReadRequest(request.schema, (one.name,), request.extra, request.keep_raw)
        if _frame([row], alone) is None:
            return f'column "{one.name}": {row.get(one.name)!r} is not {one.dtype}'
    return None
