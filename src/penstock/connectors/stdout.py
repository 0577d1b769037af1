"""Rows, changes or a live table on the standard output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TextIO

from penstock.connectors.base import AT_LEAST_ONCE, Content, Sealed, Sink, Writer, WriteRequest
from penstock.connectors.formats._to_text import json_text, object_text, plain_text
from penstock.core.changelog import operations
from penstock.core.clock import Clock, SystemClock
from penstock.core.dtypes import Json, List, Map, Struct, is_numeric
from penstock.core.errors import one_of
from penstock.core.lazy import np, pl
from penstock.core.schema import Field, Schema
from penstock.core.spec import option

if TYPE_CHECKING:
    import numpy.typing as npt

STYLES = ("auto", "rows", "json", "changes", "table")
WIDEST = 40
"""Longer texts are cut in aligned columns."""
NULL = "null"
_REFRESH_US = 100_000


@dataclass(frozen=True)
class StdoutSink(Sink):
    """Prints what it is given, at once.

    Attributes:
        name: What the sink is called in reports.
        style: `"rows"`: aligned columns; `"json"`: an object per line; `"changes"`: a line per change, as Flink's print
            sink (`+I[a, 1]`, `-U[a, 1]`, `+U[a, 2]`, `-D[a, 2]`); `"table"`: the rows that are left, redrawn as they
            change on a terminal, printed once at the end elsewhere; `"auto"`: rows, or changes of a Table.
        limit: How many rows a table shows; the newest ones.
        stream: Where to print; the standard output unless given.
        clock: Paces the redrawing of a table.
    """

    connector: ClassVar[str] = "stdout"
    delivery: ClassVar[str] = AT_LEAST_ONCE
    takes_changes: ClassVar[bool] = True
    needs_key: ClassVar[bool] = False

    style: str = option("auto", doc="How rows look.", choices=STYLES)
    name: str = option("stdout", doc="What the sink is called in reports.")
    limit: int = option(30, doc="How many rows a table shows.")
    stream: TextIO | None = field(default=None, repr=False, compare=False)
    clock: Clock | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise one_of("style", self.style, STYLES)

    def writer(self, request: WriteRequest) -> Writer:
        """Open it."""
        stream = self.stream if self.stream is not None else sys.stdout
        style = self.style if self.style != "auto" else "changes" if request.updating else "rows"
        if style == "table":
            return TableWriter(stream, request, self.limit, self.clock or SystemClock())
        if style == "changes" or request.updating:
            return ChangesWriter(stream, request)
        return JsonLinesWriter(stream, request.schema) if style == "json" else RowsWriter(stream, request.schema)

    def default_name(self) -> str:
        """Its name."""
        return self.name


def shown(one: Field) -> pl.Expr:
    """A column as people read it: nested values as JSON."""
    nested = one.dtype == Json or isinstance(one.dtype, (List, Struct, Map))
    text = (json_text if nested else plain_text)(pl.col(one.name), one.dtype)
    return text.fill_null(NULL).alias(one.name)


class _PrintingWriter(Writer):
    """What has been printed cannot be taken back: epochs mean nothing here."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def _print(self, lines: Sequence[str]) -> None:
        if lines:
            self._stream.write("\n".join(lines) + "\n")

    def prepare(self, epoch: int) -> Callable[[], Content]:
        """Flush."""
        self._stream.flush()
        return lambda: Content({})

    def commit(self, epochs: Sequence[Sealed]) -> None:
        """Nothing is left to do."""


class RowsWriter(_PrintingWriter):
    """Aligned columns; the header comes again when a column must become wider."""

    def __init__(self, stream: TextIO, schema: Schema) -> None:
        super().__init__(stream)
        self._columns = [shown(one) for one in schema]
        self._names = [name[:WIDEST] for name in schema.names]
        self._right = [is_numeric(one.dtype) for one in schema]
        self._widths = [0] * len(self._names)

    def write(self, frame: pl.DataFrame, diff: np.ndarray | None) -> None:
        """Print rows."""
        self.print_rows(frame.select(self._columns).rows())

    def print_rows(self, rows: Sequence[tuple[str, ...]]) -> None:
        """Print rows of text."""
        cut = [[text[:WIDEST] for text in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(self._names, *cut, strict=True)]
        if any(new > old for new, old in zip(widths, self._widths, strict=True)):
            self._widths = [max(pair) for pair in zip(widths, self._widths, strict=True)]
            self._print([self._line(self._names)])
        self._print([self._line(row) for row in cut])

    def _line(self, texts: Sequence[str]) -> str:
        cells = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(texts, self._widths, self._right, strict=True)
        ]
        return "  ".join(cells).rstrip()


class JsonLinesWriter(_PrintingWriter):
    """An object per line."""

    def __init__(self, stream: TextIO, schema: Schema) -> None:
        super().__init__(stream)
        self._row = object_text([(one.name, json_text(pl.col(one.name), one.dtype)) for one in schema])

    def write(self, frame: pl.DataFrame, diff: np.ndarray | None) -> None:
        """Print rows."""
        self._print(frame.select(self._row).to_series().to_list())


class ChangesWriter(_PrintingWriter):
    """A line per change."""

    def __init__(self, stream: TextIO, request: WriteRequest) -> None:
        super().__init__(stream)
        self._columns = [shown(one) for one in request.schema]
        self._key = request.key

    def write(self, frame: pl.DataFrame, diff: np.ndarray | None) -> None:
        """Print changes; rows without changes are insertions."""
        weights: npt.NDArray[np.int8] = np.ones(frame.height, np.int8) if diff is None else diff
        kinds = operations(frame, weights, self._key).to_list()
        rows = frame.select(self._columns).rows()
        self._print([f"{kind}[{', '.join(row)}]" for kind, row in zip(kinds, rows, strict=True)])


class TableWriter(_PrintingWriter):
    """The rows that are left, newest last; while they change, each where it came first, so that it can be followed."""

    def __init__(self, stream: TextIO, request: WriteRequest, limit: int, clock: Clock) -> None:
        super().__init__(stream)
        self._schema = request.schema
        self._columns = [shown(one) for one in request.schema]
        self._key = [request.schema.names.index(name) for name in request.key]
        self._limit = limit
        self._clock = clock
        self._rows: dict[Any, tuple[str, ...]] = {}
        self._places: dict[Any, int] = {}
        self._count = 0
        self._drawn_at: int | None = None
        self._live = self._start()

    def _start(self) -> Any:
        if not self._stream.isatty():
            return None
        # A live table is rare, and its library takes long to import.
        from rich.console import Console
        from rich.live import Live

        live = Live(console=Console(file=self._stream), auto_refresh=False)
        live.start()
        return live

    def write(self, frame: pl.DataFrame, diff: np.ndarray | None) -> None:
        """Apply rows or changes, and redraw the table if it is time."""
        weights = [1] * frame.height if diff is None else diff.tolist()
        for row, weight in zip(frame.select(self._columns).rows(), weights, strict=True):
            identity: Any = tuple(row[place] for place in self._key) if self._key else row
            if diff is None and not self._key:
                identity = self._count
            self._count += 1
            self._rows.pop(identity, None)
            if weight > 0:
                self._rows[identity] = row
        if diff is None and not self._key and len(self._rows) > self._limit:
            self._rows = dict(list(self._rows.items())[-self._limit :])
        now = self._clock.monotonic()
        if self._drawn_at is None or now - self._drawn_at >= _REFRESH_US:
            self._drawn_at = now
            self._draw()

    def prepare(self, epoch: int) -> Callable[[], Content]:
        """Redraw the table."""
        self._draw()
        return super().prepare(epoch)

    def _draw(self) -> None:
        if self._live is not None:
            self._live.update(self._table(), refresh=True)

    def _table(self) -> Any:
        from rich.table import Table

        table = Table()
        for one in self._schema:
            table.add_column(one.name, justify="right" if is_numeric(one.dtype) else "left")
        newest = list(self._rows.items())[-self._limit :]
        kept = {identity: self._places[identity] for identity, _ in newest if identity in self._places}
        for identity, _ in newest:
            kept.setdefault(identity, self._count)
            self._count += 1
        self._places = kept
        for _, row in sorted(newest, key=lambda one: kept[one[0]]):
            table.add_row(*row)
        return table

    def close(self) -> None:
        """Draw the table a last time, or print it if there is no terminal."""
        if self._live is not None:
            self._draw()
            self._live.stop()
        elif self._rows:
            RowsWriter(self._stream, self._schema).print_rows(list(self._rows.values())[-self._limit :])
        self._stream.flush()


SOURCE = None
SINK = StdoutSink
