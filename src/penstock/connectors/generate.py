"""Invented rows at a rate: any slice of them can be made again from the seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

from penstock.connectors._generated_fields import GeneratedField, TimeField, draws, field_of
from penstock.connectors.base import Polled, Reader, ReadRequest, Source, Split
from penstock.connectors.formats._adapt import MismatchError
from penstock.connectors.formats._chunk import typed_chunk
from penstock.core.clock import Clock, SystemClock
from penstock.core.errors import PlanError, SourceError
from penstock.core.lazy import np, pl
from penstock.core.schema import Field, Schema
from penstock.core.spec import option

SECOND_US = 1_000_000


@dataclass(frozen=True)
class GenerateSource(Source):
    """Rows with declared fields, as fast as they are wanted or at a rate.

    A value depends on the seed, the name of its field and the number of its row, on nothing else. With several
    splits, row n is in split n modulo their number.

        GenerateSource({"id": "sequence", "city": {"kind": "choice", "of": ["Rome", "Oslo"]}, "at": "time"}, rows=1000)

    Kinds of fields and their options: `sequence` (start, step), `int` (least, most), `float` (least, most), `bool`
    (share), `choice` (of, weights), `string` (least, most: lengths), `time` (start, step, disorder, local); all take
    `nulls`, the share of nulls.
    """

    connector: ClassVar[str] = "generate"

    fields: Mapping[str, Any] = option(doc="The fields: kinds by name, with options.", example={"id": "sequence"})
    rows: int | None = option(None, doc="How many rows there are; by default they never end.")
    rate: float | None = option(None, doc="Rows per second; by default as fast as they are wanted.")
    split_count: int = option(1, doc="Over how many splits the rows are spread.")
    seed: int = option(0, doc="Other seeds give other values.")
    clock: Clock | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.fields:
            raise PlanError("a generated row has at least one field")
        if self.rows is not None and self.rows < 0:
            raise PlanError(f"rows is how many rows there are, found {self.rows}")
        if self.rate is not None and self.rate <= 0:
            raise PlanError(f"rate is rows per second, found {self.rate}")
        if self.split_count < 1:
            raise PlanError(f"there is at least one split, found {self.split_count}")
        _ = self.generators

    @cached_property
    def generators(self) -> dict[str, GeneratedField]:
        """What makes the columns, by name."""
        found = {name: field_of(name, given) for name, given in self.fields.items()}
        if self.rate is None:
            return found
        step = f"{max(1, round(SECOND_US / self.rate))} us"
        return {
            name: replace(one, step=step) if isinstance(one, TimeField) and one.step is None else one
            for name, one in found.items()
        }

    @property
    def bounded(self) -> bool:
        """Whether a number of rows was given."""
        return self.rows is not None

    def schema(self) -> Schema:
        """The declared fields; those with a share of nulls may be null."""
        return Schema(tuple(Field(name, one.dtype, one.nulls > 0) for name, one in self.generators.items()))

    def splits(self) -> Sequence[Split]:
        """As many as declared, named by their numbers."""
        return [Split(str(number)) for number in range(self.split_count)]

    def reader(self, split: Split, position: Any, request: ReadRequest) -> Reader:
        """A reader from a row number of the split."""
        return GenerateReader(self, int(split.name), int(position or 0), request)

    def frame(self, split: int, first: int, count: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Rows of a split.

        Args:
            split: The number of the split.
            first: The number of the first row in the split.
            count: How many rows.
            columns: The columns to make; all if None.
        """
        numbers = np.arange(first, first + count, dtype=np.int64) * self.split_count + split
        made = []
        for name in self.generators if columns is None else columns:
            made.append(self.generators[name].column(numbers, draws(self.seed, name, numbers)).alias(name))
        return pl.DataFrame(made) if made else pl.DataFrame({"": numbers}).drop("")


class GenerateReader(Reader):
    """Makes the rows of one split that are due."""

    def __init__(self, source: GenerateSource, split: int, position: int, request: ReadRequest) -> None:
        self._source = source
        self._split = split
        self._at = self._first = position
        self._request = request
        self._clock = source.clock or SystemClock()
        self._started: int | None = None
        self._rate = source.rate / source.split_count if source.rate is not None else None
        rows = source.rows
        # Split s has the rows s, s + n, s + 2n, ...
        self._end = None if rows is None else max(0, (rows - split + source.split_count - 1) // source.split_count)
        if self._rate is not None:
            self.retry_after_us = max(1_000, round(SECOND_US / self._rate))

    def _due(self, max_rows: int) -> int:
        count = max_rows if self._end is None else min(max_rows, self._end - self._at)
        if self._rate is None:
            return count
        now = self._clock.monotonic()
        if self._started is None:
            self._started = now
        return min(count, self._first + int((now - self._started) * self._rate / SECOND_US) - self._at)

    def poll(self, max_rows: int) -> Polled | None:
        """The rows that are due; None if there are none yet, or no more.

        Raises:
            SourceError: If a column was declared as a type that it has not.
        """
        count = self._due(max_rows)
        if count <= 0:
            return None
        first, self._at = self._at, self._at + count
        columns = [name for name in self._request.columns if name in self._source.generators]
        frame = self._source.frame(self._split, first, count, columns)
        try:
            chunk = typed_chunk(frame, self._request, first, lambda row: f"generate/{self._split}: row {row}")
        except MismatchError as mismatch:
            raise SourceError(f"generate: {mismatch}") from None
        return Polled(chunk.frame, chunk.rows, chunk.bad, self._at)

    @property
    def ended(self) -> bool:
        """Whether all rows were made."""
        return self._end is not None and self._at >= self._end


SOURCE = GenerateSource
SINK = None
