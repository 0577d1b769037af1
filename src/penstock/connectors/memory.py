"""Frames and lists of dicts as sources, and a sink that keeps what it is given: for tests and notebooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from json import dumps
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from penstock.connectors.base import (
    TRANSACTIONAL,
    Content,
    Polled,
    Reader,
    ReadRequest,
    Sealed,
    Sink,
    Source,
    Split,
    Writer,
    WriteRequest,
)
from penstock.connectors.formats._adapt import (
    MismatchError,
    canonical,
    convertible,
    missing_column,
    schema_of_frame,
)
from penstock.connectors.formats._chunk import typed_chunk
from penstock.connectors.formats._infer import common_type
from penstock.core.changelog import net, operations
from penstock.core.dtypes import DType, Json, from_polars, to_polars
from penstock.core.errors import PlanError, SourceError
from penstock.core.lazy import np, pl
from penstock.core.schema import Schema
from penstock.core.spec import option

if TYPE_CHECKING:
    import numpy.typing as npt

# -- Source --------------------------------------------------------------------


@dataclass(frozen=True, init=False, eq=False)
class MemorySource(Source):
    """Rows at hand: a frame, or several frames as so many splits.

    Polling slices the frames without copying. Positions are row numbers. Times finer than microseconds are cut;
    categories are read as text, arrays as lists.

    Attributes:
        name: What the source is called in messages and reports.
        frames: The rows, one frame per split.
    """

    connector: ClassVar[str] = "memory"
    inline: ClassVar[bool] = True

    name: str = option("memory", doc="What the source is called in messages and reports.")
    frames: tuple[pl.DataFrame, ...] = field(default=(), repr=False)

    def __init__(
        self, data: Any = None, *, splits: Sequence[Any] | None = None, schema: Any = None, name: str = "memory"
    ) -> None:
        """Hold rows.

        Args:
            data: A Polars or Arrow frame, or a list of dicts.
            splits: Several of them instead, each a split of its own.
            schema: Column names and types of lists of dicts; without it they are taken from the values.
            name: What the source is called.

        Raises:
            PlanError: If the rows are not of one schema, or there are none.
        """
        if (data is None) == (splits is None):
            raise PlanError("a memory source takes rows, or splits=[rows, rows, ...]")
        declared = schema if schema is None or isinstance(schema, Schema) else Schema.of(schema)
        frames = tuple(_frame_of(one, declared) for one in (splits if splits is not None else [data]))
        if not frames:
            raise PlanError("a memory source has at least one split")
        for other in frames[1:]:
            if other.schema != frames[0].schema:
                raise PlanError(f"splits differ in their columns: {frames[0].schema} and {other.schema}")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "frames", frames)

    @property
    def bounded(self) -> bool:
        """Always."""
        return True

    def schema(self) -> Schema:
        """The columns of the frames; all may be null."""
        return schema_of_frame(self.frames[0].schema)

    def splits(self) -> Sequence[Split]:
        """One per frame, named by its number."""
        return [Split(str(number)) for number in range(len(self.frames))]

    def reader(self, split: Split, position: Any, request: ReadRequest) -> Reader:
        """A reader from a row number."""
        return MemoryReader(self.frames[int(split.name)], int(position or 0), request, f"{self.name}/{split.name}")

    def default_name(self) -> str:
        """Its name."""
        return self.name

    @property
    def identity(self) -> str:
        """The frames themselves: two sources over one frame are one source."""
        return ",".join(str(id(frame)) for frame in self.frames)


class MemoryReader(Reader):
    """Slices a frame."""

    def __init__(self, frame: pl.DataFrame, position: int, request: ReadRequest, place: str) -> None:
        self._frame = frame.select([name for name in request.columns if name in frame.columns])
        self._exact = dict(self._frame.schema) == request.read_schema.to_polars() and not any(
            not one.nullable and self._frame.get_column(one.name).null_count() for one in request.read_schema
        )
        self._height = frame.height
        self._at = position
        self._request = request
        self._place = place

    def poll(self, max_rows: int) -> Polled | None:
        """The next rows; None at the end.

        Raises:
            SourceError: If the frame has not the columns that were declared.
        """
        count = min(max_rows, self._height - self._at)
        if count <= 0:
            return None
        first, self._at = self._at, self._at + count
        rows = self._frame.slice(first, count)
        if self._exact:
            return Polled(rows, ((first, count),), (), self._at)
        try:
            chunk = typed_chunk(rows, self._request, first, lambda row: f"{self._place}: row {row}")
        except MismatchError as mismatch:
            raise SourceError(f"{self._place}: {mismatch}") from None
        return Polled(chunk.frame, chunk.rows, chunk.bad, self._at)

    @property
    def ended(self) -> bool:
        """Whether all rows were given."""
        return self._at >= self._height


def as_source(value: Any, schema: Any = None) -> Source:
    """What users read from as a source: a source, a Polars or Arrow frame, a list of dicts.

    Args:
        value: See above; frames of other libraries are taken if they speak Arrow's PyCapsule interface.
        schema: The declared columns, a `Schema` or a mapping, or None.

    Raises:
        PlanError: If it is none of these, or has not the declared columns.
    """
    if isinstance(value, Source):
        return value
    declared = schema if schema is None or isinstance(schema, Schema) else Schema.of(schema)
    source = MemorySource(value, schema=declared)
    types = source.frames[0].schema
    for one in declared or ():
        if one.name not in types:
            raise PlanError(str(missing_column(one.name, types)))
        if not convertible(from_polars(types[one.name]), one.dtype):
            raise PlanError(f'column "{one.name}" is {from_polars(types[one.name])}, not {one.dtype}')
    return source


def _frame_of(value: Any, schema: Schema | None) -> pl.DataFrame:
    if isinstance(value, pl.LazyFrame):
        raise PlanError("a lazy frame cannot be read", hint="collect it first: .collect()")
    if isinstance(value, (list, tuple)) and all(isinstance(row, Mapping) for row in value):
        return _frame_of_rows(value, schema)
    if not isinstance(value, pl.DataFrame):
        if not hasattr(value, "__arrow_c_stream__"):
            raise PlanError(
                f"{type(value).__name__} cannot be read",
                hint="files are read by penstock.connectors.files.FileSource(path)"
                if isinstance(value, (str, PurePath))
                else "a source is a connector, a Polars or Arrow frame, or a list of dicts",
            )
        value = pl.DataFrame(value)
    return canonical(value).rechunk()


def _frame_of_rows(rows: Sequence[Mapping[str, Any]], schema: Schema | None) -> pl.DataFrame:
    if schema is None and not rows:
        raise PlanError("an empty list has no columns", hint='say schema={"name": type}')
    names: Iterable[str] = schema.names if schema is not None else dict.fromkeys(name for row in rows for name in row)
    columns = []
    for name in names:
        values = [row.get(name) for row in rows]
        dtype = schema[name].dtype if schema is not None else common_type(values, _refuse(name))
        columns.append(_series(name, values, dtype))
    return pl.DataFrame(columns)


def _refuse(name: str) -> Any:
    def conflict(one: DType, other: DType) -> DType:
        raise PlanError(f'column "{name}" holds both {one} and {other}', hint="say schema={...}")

    return conflict


def _series(name: str, values: list[Any], dtype: DType) -> pl.Series:
    if dtype == Json:
        values = [value if value is None or isinstance(value, str) else dumps(value) for value in values]
    wanted = to_polars(dtype)
    try:
        series = pl.Series(name, values, dtype=wanted, strict=True)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
        series = None
    if series is not None and series.dtype == wanted:
        return series
    for row, value in enumerate(values):
        try:
            fits = pl.Series(name, [value], dtype=wanted, strict=True).dtype == wanted
        except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):
            fits = False
        if not fits:
            raise PlanError(f'row {row}, column "{name}": {value!r} is not {dtype}')
    raise PlanError(f'column "{name}" is not {dtype}')


# -- Sink ----------------------------------------------------------------------


@dataclass
class _Kept:
    """What one run has committed."""

    request: WriteRequest
    parts: list[tuple[pl.DataFrame, npt.NDArray[np.int8] | None]] = field(default_factory=list)
    epochs: int = 0


@dataclass(frozen=True, eq=False)
class MemorySink(Sink):
    """Keeps what it is given, epoch by epoch; a run that starts anew replaces what a former one left.

    Attributes:
        name: What the sink is called in reports.
        box: What was kept.
    """

    connector: ClassVar[str] = "memory"
    delivery: ClassVar[str] = TRANSACTIONAL
    takes_changes: ClassVar[bool] = True
    needs_key: ClassVar[bool] = False

    name: str = option("memory", doc="What the sink is called in reports.")
    box: list[_Kept] = field(default_factory=list, init=False, repr=False)

    def writer(self, request: WriteRequest) -> Writer:
        """Open it."""
        if request.fresh or not self.box:
            self.box[:] = [_Kept(request)]
        return MemoryWriter(self.box[0])

    def default_name(self) -> str:
        """Its name."""
        return self.name

    def _kept(self) -> _Kept:
        if not self.box:
            raise PlanError(f'nothing was written to "{self.name}" yet')
        return self.box[0]

    def frame(self) -> pl.DataFrame:
        """All rows that were written; for a Table also those that have gone again.

        Raises:
            PlanError: If no run has opened the sink.
        """
        kept = self._kept()
        return pl.concat([pl.DataFrame(schema=kept.request.schema.to_polars()), *(rows for rows, _ in kept.parts)])

    def table(self) -> pl.DataFrame:
        """The rows that are left when all changes are applied; of a key the newest one, as a table with a key has it.

        A key has more than one only if its state has expired and it has begun anew: what was sent before stays.

        Raises:
            PlanError: If no run has opened the sink.
            InvariantError: If a row went that never came.
        """
        parts = [np.ones(rows.height, np.int8) if diff is None else diff for rows, diff in self._kept().parts]
        left = net(self.frame(), np.concatenate([np.empty(0, np.int8), *parts]))
        request = self._kept().request
        by_key = request.updating and request.key
        return left.unique(list(request.key), keep="last", maintain_order=True) if by_key else left

    def changes(self) -> pl.DataFrame:
        """All changes, with a first column `op` of `+I`, `-U`, `+U` and `-D`.

        Raises:
            PlanError: If no run has opened the sink, or the rows have a column `op`.
        """
        kept = self._kept()
        if "op" in kept.request.schema:
            raise PlanError('the rows have a column "op" themselves')
        empty = pl.DataFrame(schema={"op": pl.String, **kept.request.schema.to_polars()})
        return pl.concat([empty, *(_with_op(rows, diff, kept.request.key) for rows, diff in kept.parts)])


def _with_op(rows: pl.DataFrame, diff: npt.NDArray[np.int8] | None, key: Sequence[str]) -> pl.DataFrame:
    op = operations(rows, np.ones(rows.height, np.int8) if diff is None else diff, key)
    return pl.DataFrame([op, *rows.get_columns()])


class MemoryWriter(Writer):
    """Keeps frames until their epoch is committed."""

    def __init__(self, kept: _Kept) -> None:
        self._kept = kept
        self._open: list[tuple[pl.DataFrame, npt.NDArray[np.int8] | None]] = []
        self._sealed: dict[int, list[tuple[pl.DataFrame, npt.NDArray[np.int8] | None]]] = {}

    def write(self, frame: pl.DataFrame, diff: np.ndarray | None) -> None:
        """Keep rows of the open epoch."""
        if frame.height:
            self._open.append((frame, None if diff is None else np.array(diff, dtype=np.int8)))

    def prepare(self, epoch: int) -> Callable[[], Content]:
        """Seal the open epoch; it stays in memory."""
        self._sealed[epoch], self._open = self._open, []
        rows = sum(rows.height for rows, _ in self._sealed[epoch])
        return lambda: Content({}, rows=rows)

    def commit(self, epochs: Sequence[Sealed]) -> None:
        """Add sealed epochs to what the sink shows; each once."""
        for sealed in epochs:
            self._kept.parts += self._sealed.pop(sealed.token.epoch, [])
            self._kept.epochs = max(self._kept.epochs, sealed.token.epoch + 1)

    def report(self) -> str:
        """How many rows there are."""
        return f"{sum(rows.height for rows, _ in self._kept.parts):,} rows in memory"


SOURCE = MemorySource
SINK = MemorySink
