"""Decoded columns with their faults to good rows and bad ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from penstock.connectors.base import BadRow, ReadRequest
from penstock.connectors.formats._adapt import adapt, missing_column
from penstock.connectors.formats.base import Chunk
from penstock.core.lazy import np, pl
from penstock.core.schema import Field

if TYPE_CHECKING:
    import numpy.typing as npt

LONGEST_RAW = 16_384
"""How many characters of a bad row are kept."""
_LONGEST_VALUE = 120


class Decoded(NamedTuple):
    """A column as it was decoded.

    Attributes:
        field: What was asked for.
        values: The values; null where `wrong`.
        wrong: The values that do not fit, or None if all do.
    """

    field: Field
    values: pl.Series
    wrong: npt.NDArray[np.bool_] | None = None

    def refused(self) -> npt.NDArray[np.bool_] | None:
        """The rows that the column refuses: values that do not fit, and nulls where there must be none."""
        if self.field.nullable or not self.values.null_count():
            return self.wrong
        return self.values.is_null().to_numpy()


def runs_of(good: npt.NDArray[np.bool_], first: int) -> tuple[tuple[int, int], ...]:
    """The places of the good rows as runs `(first, count)`, counting from `first`."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], good, [False])).astype(np.int8)))
    return tuple((first + int(start), int(end - start)) for start, end in zip(edges[::2], edges[1::2], strict=True))


def short(text: str, limit: int = _LONGEST_VALUE) -> str:
    """The beginning of a text that is too long."""
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text):,} characters)"


def assemble(
    columns: Sequence[Decoded],
    count: int,
    first_row: int,
    reason: Callable[[int, Decoded | None], str],
    raw: Callable[[int], str | None],
    faults: npt.NDArray[np.bool_] | None = None,
) -> Chunk:
    """Columns of one length as a chunk; rows with a fault anywhere are bad.

    Args:
        columns: The columns in the order of the schema.
        count: How many rows there are.
        first_row: The number of the first row.
        reason: Says what is wrong with a row, given the column that refused it (None: a fault of the row).
        raw: The text of a row.
        faults: Rows that are bad whatever their columns say.
    """
    frame = _frame([column.values for column in columns], count)
    refused = [(column, mask) for column in columns if (mask := column.refused()) is not None and mask.any()]
    if not refused and (faults is None or not faults.any()):
        return Chunk(frame, ((first_row, count),) if count else (), (), first_row + count)
    wrong = np.zeros(count, dtype=np.bool_) if faults is None else faults.copy()
    first_wrong: dict[int, Decoded | None] = dict.fromkeys(np.flatnonzero(wrong).tolist())
    for column, mask in refused:
        for row in np.flatnonzero(mask & ~wrong).tolist():
            first_wrong[row] = column
        wrong |= mask
    bad = tuple(
        BadRow(first_row + row, reason(row, column), _cut(raw(row)))
        for row, column in sorted(first_wrong.items(), key=_row)
    )
    return Chunk(frame.filter(pl.Series(~wrong)), runs_of(~wrong, first_row), bad, first_row + count)


def _row(item: tuple[int, Decoded | None]) -> int:
    return item[0]


def _cut(raw: str | None) -> str | None:
    return None if raw is None else short(raw, LONGEST_RAW)


def _frame(columns: list[pl.Series], count: int) -> pl.DataFrame:
    if columns:
        return pl.DataFrame(columns)
    return pl.DataFrame({"": pl.Series([None]).new_from_index(0, count)}).drop("")


def typed_chunk(frame: pl.DataFrame, request: ReadRequest, first_row: int, place: Callable[[int], str]) -> Chunk:
    """A frame of a typed format as the chunk that was asked for.

    Args:
        frame: The rows, with at least the wanted columns.
        request: What is wanted.
        first_row: The number of the first row.
        place: Says where a row is, given its number.

    Raises:
        MismatchError: If a column is missing or its type does not go with the declared one.
    """
    columns = []
    for field in request.read_schema:
        if field.name not in frame.columns:
            raise missing_column(field.name, frame.schema)
        values, wrong = adapt(frame.get_column(field.name), field.dtype)
        columns.append(Decoded(field, values, None if wrong is None else wrong.fill_null(value=False).to_numpy()))

    def reason(row: int, column: Decoded | None) -> str:
        assert column is not None
        value = frame.get_column(column.field.name)[row]
        return f"{place(first_row + row)}: {refusal(column.field, value)}"

    def raw(row: int) -> str | None:
        return str(frame.row(row, named=True)) if request.keep_raw else None

    return assemble(columns, frame.height, first_row, reason, raw)


def refusal(field: Field, value: Any) -> str:
    """Why a column refuses a value."""
    if value is None:
        return f'column "{field.name}" is null, and must not be'
    shown = f'"{short(value)}"' if isinstance(value, str) else short(str(value))
    article = "an" if str(field.dtype)[0] in "AEIO" or str(field.dtype).startswith("UInt") else "a"
    return f'column "{field.name}": {shown} is not {article} {field.dtype}'
