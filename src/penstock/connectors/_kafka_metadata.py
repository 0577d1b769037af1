"""What the cluster says of a message beside its value, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from penstock.connectors.base import Polled, ReadRequest
from penstock.core.dtypes import Datetime, DType, Int32, Int64, String
from penstock.core.errors import PlanError, StartError, one_of
from penstock.core.lazy import np, pl
from penstock.core.schema import Schema

if TYPE_CHECKING:
    from penstock.kernels.arrays import Words

METADATA: dict[str, tuple[DType, ...]] = {
    "topic": (String,),
    "partition": (Int32, Int64),
    "offset": (Int64,),
    "timestamp": (Datetime("ms", "UTC"), Datetime("us", "UTC")),
}
"""What there is, and the types that its column may have; times of any zone."""


def checked_metadata(given: Any) -> dict[str, str]:
    """What `metadata=` says: columns, and what each is.

    Raises:
        PlanError: If there is no such thing.
    """
    if not isinstance(given, Mapping):
        raise PlanError(f'metadata is a mapping of columns, such as {{"at": "timestamp"}}, found {given!r}')
    for key in given.values():
        if key not in METADATA:
            raise one_of("metadata", str(key), tuple(METADATA))
    return dict(given)


def fits(key: str, dtype: DType) -> bool:
    """Whether a column of this type can hold it."""
    if key == "timestamp":
        return isinstance(dtype, Datetime) and dtype.zone is not None
    return dtype in METADATA[key]


def check_columns(metadata: Mapping[str, str], schema: Schema) -> None:
    """The columns are there, with types that fit, and not the only ones.

    Raises:
        StartError: If not.
    """
    for column, key in metadata.items():
        if column not in schema:
            raise StartError(f'metadata names a column "{column}" that schema= has not', hint=", ".join(schema.names))
        if not fits(key, schema[column].dtype):
            wanted = "Datetime with a zone" if key == "timestamp" else " or ".join(map(str, METADATA[key]))
            raise StartError(f'"{column}" is the {key} of a message: {wanted}, found {schema[column].dtype}')
    if metadata and len(metadata) == len(schema.names):
        raise StartError("a message needs a column that is not metadata", hint="one of those of its value")


def of_values(request: ReadRequest, metadata: Mapping[str, str]) -> ReadRequest:
    """The request for what is in values; one column at least, since a frame without any has no rows."""
    physical = tuple(name for name in request.schema.names if name not in metadata)
    columns = tuple(name for name in request.columns if name not in metadata) or physical[:1]
    return replace(request, schema=request.schema.select(physical), columns=columns)


def with_metadata(
    polled: Polled,
    request: ReadRequest,
    metadata: Mapping[str, str],
    place: tuple[str, int],
    times: tuple[Words, Words],
) -> Polled:
    """Rows with the columns that are metadata.

    Args:
        polled: The rows of the values.
        request: What is wanted.
        metadata: The columns, and what each is.
        place: Topic and partition.
        times: The offsets of all messages, ascending, and their times in milliseconds; negative = none.
    """
    frame = polled.frame
    parts = [np.arange(first, first + count, dtype=np.int64) for first, count in polled.offsets]
    offsets = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    made = []
    for name in request.columns:
        if name not in metadata:
            continue
        dtype, key = request.schema[name].dtype, metadata[name]
        if key == "timestamp":
            assert isinstance(dtype, Datetime)
            column = _moments(times[1][np.searchsorted(times[0], offsets)], dtype)
        elif key == "offset":
            column = pl.Series(offsets)
        else:
            value = place[0] if key == "topic" else place[1]
            column = pl.Series([value], dtype=request.schema.to_polars()[name]).new_from_index(0, len(offsets))
        made.append(column.alias(name).cast(request.schema.to_polars()[name]))
    return polled._replace(frame=frame.with_columns(made).select(request.columns))


def _moments(milliseconds: Words, dtype: Datetime) -> pl.Series:
    column = pl.Series(milliseconds)
    column = column.set(column < 0, None).cast(pl.Datetime("ms", "UTC"))
    return column.dt.convert_time_zone(str(dtype.zone))


def times_of(messages: Sequence[Any]) -> Words:
    """The times of messages in milliseconds; -1 = none."""
    found = (message.timestamp() for message in messages)
    return np.fromiter((at if kind else -1 for kind, at in found), np.int64, len(messages))
