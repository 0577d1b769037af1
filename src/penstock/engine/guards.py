"""What must hold on every edge, checked on every delta: always on in tests, by `PENSTOCK_GUARDS=1` elsewhere."""

from __future__ import annotations

import os

from penstock.core.delta import Delta
from penstock.core.dtypes import to_polars
from penstock.core.errors import InvariantError
from penstock.core.schema import Schema
from penstock.core.timespan import instant_text


def wanted() -> bool:
    """Whether the environment asks for guards."""
    return os.environ.get("PENSTOCK_GUARDS", "0") == "1"


def check_delta(delta: Delta, schema: Schema, *, updating: bool, edge: str) -> None:
    """The delta is what the plan says of the edge: columns, types, lengths, nullability, changes.

    Raises:
        InvariantError: If it is not.
    """
    if tuple(delta.columns) != schema.names:
        raise InvariantError(f"{edge}: columns {tuple(delta.columns)} instead of {schema.names}")
    for field in schema:
        series = delta.columns[field.name]
        if len(series) != delta.length:
            raise InvariantError(f'{edge}: "{field.name}" has {len(series)} values for {delta.length} rows')
        if series.dtype != to_polars(field.dtype):
            raise InvariantError(f'{edge}: "{field.name}" is {series.dtype} instead of {field.dtype}')
        if not field.nullable and series.null_count():
            raise InvariantError(f'{edge}: "{field.name}" has nulls and is declared without')
    if (delta.diff is not None) != updating:
        raise InvariantError(
            f"{edge}: {'changes on an append-only' if delta.diff is not None else 'none on an updating'} edge"
        )
    if delta.watermarks is not None and len(delta.watermarks) != delta.length:
        raise InvariantError(f"{edge}: {len(delta.watermarks)} watermarks for {delta.length} rows")
    if delta.positions is not None and len(delta.positions.rows()) != delta.length:
        raise InvariantError(f"{edge}: {len(delta.positions.rows())} positions for {delta.length} rows")
    if delta.diff is not None:
        _check_changes(delta, edge)


def _check_changes(delta: Delta, edge: str) -> None:
    assert delta.diff is not None
    if not delta.diff.is_in([-1, 1]).all():
        raise InvariantError(f"{edge}: a change is neither +1 nor -1")
    if delta.diff.null_count():
        raise InvariantError(f"{edge}: a change is null")


def check_watermark(before: int, after: int, edge: str) -> None:
    """A watermark never goes back.

    Raises:
        InvariantError: If it does.
    """
    if after < before:
        raise InvariantError(f"{edge}: the watermark went back from {instant_text(before)} to {instant_text(after)}")
