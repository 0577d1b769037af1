"""Drawn tables: rows of a test as people write them, with the places where the watermark moves on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from penstock.core.dtypes import DType
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.core.schema import Field, Schema
from penstock.core.timespan import MILLISECOND, from_datetime
from penstock.core.where import Where, caller
from penstock.testing.cells import INSTANT, infer, moment, parse, parse_type

if TYPE_CHECKING:
    import polars as pl

OPS = {"+I": 1, "+U": 1, "-U": -1, "-D": -1}
"""What each kind of change adds to the count of a row."""


@dataclass(frozen=True)
class Drawn:
    """A drawn table.

    Attributes:
        schema: The columns, with the types that the header names or the cells suggest.
        declared: The names whose types the header names.
        cells: The cells as written, row by row.
        marks: The lines `~ time`: how many rows stand above, and the instant in microseconds.
        where: Where it was drawn.
    """

    schema: Schema
    declared: frozenset[str]
    cells: tuple[tuple[str, ...], ...]
    marks: tuple[tuple[int, int], ...] = ()
    where: Where | None = None

    def __len__(self) -> int:
        return len(self.cells)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The rows as Python values of the table's own types.

        Raises:
            PlanError: If a cell is no value of its column's type.
        """
        return self.typed({})

    def typed(self, types: Mapping[str, DType]) -> list[dict[str, Any]]:
        """The rows as Python values of other types: those of the columns that they are compared with.

        Args:
            types: Types by name; columns that it lacks, and those whose type the header names, keep their own.

        Raises:
            PlanError: If a cell is no value of its column's type.
        """
        own = {f.name: f.dtype for f in self.schema}
        chosen = {name: own[name] if name in self.declared else types.get(name, own[name]) for name in own}
        return [dict(self._row(number, cells, chosen)) for number, cells in enumerate(self.cells)]

    def _row(self, number: int, cells: tuple[str, ...], types: Mapping[str, DType]) -> Iterator[tuple[str, Any]]:
        for (name, dtype), cell in zip(types.items(), cells, strict=True):
            try:
                yield name, parse(cell, dtype)
            except PlanError as refused:
                raise PlanError(f'row {number + 1}, column "{name}": {refused.message}', where=self.where) from None

    def frame(self) -> pl.DataFrame:
        """The rows as a Polars frame."""
        types = self.schema.to_polars()
        rows = self.rows
        return pl.DataFrame([pl.Series(n, [row[n] for row in rows], dtype=t) for n, t in types.items()])


def T(text: str) -> Drawn:
    """A table as it is drawn.

        at       | k | v:Float64
        00:00:01 | a | 1
        00:00:04 |   | 2          # k is null
        ~ 00:00:12                # the watermark after the rows above
        00:00:03 | a | 3

    The first line names the columns, with a type after a colon where it should not be guessed. Cells are numbers,
    `true`, `false`, dates, times, texts (in double quotes if they are empty, look like something else or hold
    `|` or `#`), lists and structs as in JSON; an empty cell and `null` are null. Times without a date are on
    1970-01-01, in columns named `at`, `window_start`, `window_end`, `..._time` as instants in UTC. `op` (`+I`, `-U`,
    `+U`, `-D`) and `diff` (`+1`, `-1`) say that rows are changes.

    Raises:
        PlanError: If a line has another number of cells than the header, or a watermark is no time or goes back.
    """
    where = caller()
    try:
        return _drawn(text, where)
    except PlanError as refused:
        raise refused.at(where) from None


def _drawn(text: str, where: Where | None) -> Drawn:
    lines = [line for line in (_without_comment(line).strip() for line in text.splitlines()) if line]
    if not lines:
        raise PlanError("a drawn table begins with a line of column names")
    names, types = _header(_cells(lines[0]))
    rows: list[tuple[str, ...]] = []
    marks: list[tuple[int, int]] = []
    for line in lines[1:]:
        if line.startswith("~"):
            marks.append((len(rows), _mark(line[1:].strip(), marks)))
            continue
        cells = _cells(line)
        if len(cells) != len(names):
            raise PlanError(f"row {len(rows) + 1} has {len(cells)} cells for {len(names)} columns: {line}")
        rows.append(cells)
    fields = []
    for i, name in enumerate(names):
        inferred = types.get(name) or infer(name, [row[i] for row in rows])
        fields.append(Field(name, inferred))
    return Drawn(Schema(tuple(fields)), frozenset(types), tuple(rows), tuple(marks), where)


def _header(cells: tuple[str, ...]) -> tuple[list[str], dict[str, DType]]:
    names, types = [], {}
    for cell in cells:
        name, colon, written = (part.strip() for part in cell.partition(":"))
        if not name:
            raise PlanError("a column has no name")
        names.append(name)
        if colon:
            types[name] = parse_type(written)
    return names, types


def _mark(text: str, before: list[tuple[int, int]]) -> int:
    try:
        instant = from_datetime(moment(text, INSTANT))
    except ValueError:
        raise PlanError(f'"~ {text}" is no watermark', hint="such as ~ 00:00:12") from None
    if instant % MILLISECOND:
        raise PlanError(f"a watermark has whole milliseconds, found {text}")
    if before and instant < before[-1][1]:
        raise PlanError(f"a watermark never goes back, found {text}")
    return instant


_QUOTED = r'"(?:[^"\\]|\\.)*"'
_BEFORE_COMMENT = re.compile(rf"(?:[^\"#]|{_QUOTED})*")
_CELL = re.compile(rf"(?:[^\"|]|{_QUOTED})*")


def _without_comment(line: str) -> str:
    found = _BEFORE_COMMENT.match(line)
    whole = found.group() if found else ""
    rest = line[len(whole) :]
    if rest and not rest.startswith("#"):
        raise PlanError(f"a text is not closed: {line.strip()}")
    return whole


def _cells(line: str) -> tuple[str, ...]:
    cells, at = [], 0
    while True:
        found = _CELL.match(line, at)
        assert found is not None
        cells.append(found.group().strip())
        at = found.end() + 1
        if found.end() >= len(line):
            return tuple(cells)
