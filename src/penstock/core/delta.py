"""What travels on an edge: named buffers with a length, changes, positions and per-row watermarks.

A buffer is a Polars series. A frame is built only where a Polars expression or a sink asks for one:
filtering a series costs a microsecond, filtering a frame a hundred.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from penstock.core.lazy import np, pl

if TYPE_CHECKING:
    import numpy.typing as npt


class Run(NamedTuple):
    """Consecutive rows of one split.

    Attributes:
        source: Index of the source in the pipeline.
        split: Index of the split in the source.
        offset: The offset of the first row in the split.
        sequence: The place of the first row in the order in which the engine took rows: the journal's order.
        length: How many rows.
    """

    source: int
    split: int
    offset: int
    sequence: int
    length: int


class Positions:
    """Where the rows of a delta came from: runs, and a selection of their rows after filters.

    Columns of positions are made only when somebody asks, which is rare: for late and refused rows,
    and where several inputs must be merged in order.
    """

    __slots__ = ("_rows", "_steps", "runs")

    def __init__(self, runs: tuple[Run, ...], rows: npt.NDArray[np.int64] | None = None) -> None:
        self.runs = runs
        self._rows = rows
        self._steps: tuple[pl.Series, ...] = ()

    def filter(self, mask: pl.Series) -> Positions:
        """The positions of the rows where `mask` is true; evaluated when it is needed."""
        result = Positions(self.runs, self._rows)
        result._steps = (*self._steps, mask)
        return result

    def take(self, rows: npt.NDArray[np.int64]) -> Positions:
        """The positions of some rows, by index, in the given order."""
        return Positions(self.runs, self.rows()[rows])

    def rows(self) -> npt.NDArray[np.int64]:
        """Indices into the rows of the runs laid end to end, one per row of the delta."""
        if self._rows is None:
            self._rows = np.arange(sum(run.length for run in self.runs), dtype=np.int64)
        for mask in self._steps:
            self._rows = self._rows[mask.fill_null(value=False).to_numpy()]
        self._steps = ()
        return self._rows

    def _spread(self, firsts: Sequence[int], step: int) -> npt.NDArray[np.int64]:
        parts = [
            np.arange(first, first + run.length, dtype=np.int64) if step else np.full(run.length, first, dtype=np.int64)
            for first, run in zip(firsts, self.runs, strict=True)
        ]
        return (np.concatenate(parts) if parts else np.empty(0, dtype=np.int64))[self.rows()]

    def sequences(self) -> npt.NDArray[np.int64]:
        """The journal's order of each row."""
        return self._spread([run.sequence for run in self.runs], 1)

    def offsets(self) -> npt.NDArray[np.int64]:
        """The offset of each row in its split."""
        return self._spread([run.offset for run in self.runs], 1)

    def sources(self) -> npt.NDArray[np.int64]:
        """The source of each row, as an index."""
        return self._spread([run.source for run in self.runs], 0)

    def splits(self) -> npt.NDArray[np.int64]:
        """The split of each row, as an index in its source."""
        return self._spread([run.split for run in self.runs], 0)

    def split_runs(self) -> list[tuple[int, int]]:
        """The distinct (source, split) pairs of the runs, in order of first appearance."""
        return list(dict.fromkeys((run.source, run.split) for run in self.runs))

    @staticmethod
    def concat(parts: Sequence[Positions]) -> Positions:
        """The positions of several deltas laid end to end."""
        runs: list[Run] = []
        rows, start = [], 0
        for part in parts:
            runs += part.runs
            rows.append(part.rows() + start)
            start += sum(run.length for run in part.runs)
        return Positions(tuple(runs), np.concatenate(rows))


class Delta:
    """The change that a step brings on an edge.

    Attributes:
        columns: The buffers by name, in the order of the edge's schema, all of one length.
        length: Number of rows.
        diff: +1 or -1 per row if the edge is updating (Int8), else None.
        watermarks: Per row, the watermark of its own split before it (Int64 microseconds), until an operator
            has tested it; None = never late.
        positions: Where the rows came from; None for rows that an operator emits when it fires.
    """

    __slots__ = ("columns", "diff", "length", "positions", "watermarks")

    def __init__(
        self,
        columns: dict[str, pl.Series],
        length: int,
        *,
        diff: pl.Series | None = None,
        watermarks: pl.Series | None = None,
        positions: Positions | None = None,
    ) -> None:
        self.columns = columns
        self.length = length
        self.diff = diff
        self.watermarks = watermarks
        self.positions = positions

    @classmethod
    def of_frame(cls, frame: pl.DataFrame, **hidden: object) -> Delta:
        """A delta of a frame's columns; `hidden` are the other attributes."""
        return cls({s.name: s for s in frame.get_columns()}, frame.height, **hidden)  # type: ignore[arg-type]

    def frame(self, names: Iterable[str] | None = None) -> pl.DataFrame:
        """The visible columns (or the named ones) as a Polars frame, without copying."""
        chosen = self.columns if names is None else {name: self.columns[name] for name in names}
        if not chosen:
            return pl.DataFrame({"": pl.Series([None]).new_from_index(0, self.length)}).drop("")
        return pl.DataFrame([s if s.name == name else s.alias(name) for name, s in chosen.items()])

    def with_columns(self, columns: dict[str, pl.Series]) -> Delta:
        """The same rows with other buffers."""
        return Delta(columns, self.length, diff=self.diff, watermarks=self.watermarks, positions=self.positions)

    def filter(self, mask: pl.Series, names: Iterable[str] | None = None) -> Delta:
        """The rows where `mask` is true (null is not), with all columns or the named ones."""
        kept = self.columns if names is None else {name: self.columns[name] for name in names}
        columns = {name: series.filter(mask) for name, series in kept.items()}
        length = len(next(iter(columns.values()))) if columns else int(mask.sum() or 0)
        return Delta(
            columns,
            length,
            diff=None if self.diff is None else self.diff.filter(mask),
            watermarks=None if self.watermarks is None else self.watermarks.filter(mask),
            positions=None if self.positions is None else self.positions.filter(mask),
        )

    def take(self, rows: npt.NDArray[np.int64]) -> Delta:
        """Some rows by index, in the given order."""
        index = pl.Series(rows)
        # By `[]`: `Series.gather` builds a query for each column.
        return Delta(
            {name: series[index] for name, series in self.columns.items()},
            len(rows),
            diff=None if self.diff is None else self.diff[index],
            watermarks=None if self.watermarks is None else self.watermarks[index],
            positions=None if self.positions is None else self.positions.take(rows),
        )

    @property
    def nbytes(self) -> int:
        """An estimate of the memory that the buffers use."""
        return sum(int(series.estimated_size()) for series in self.columns.values())

    def __repr__(self) -> str:
        return (
            f"<Delta {self.length} rows of {', '.join(self.columns)}{' with changes' if self.diff is not None else ''}>"
        )


def empty(types: Mapping[str, object], *, updating: bool = False) -> Delta:
    """A delta without rows of the given Polars types."""
    columns = {name: pl.Series(name, [], dtype=dtype) for name, dtype in types.items()}  # type: ignore[arg-type]
    return Delta(columns, 0, diff=pl.Series("diff", [], dtype=pl.Int8) if updating else None)


def concat(parts: Sequence[Delta]) -> Delta:
    """Deltas of one edge laid end to end; hidden columns that one of them lacks are filled in.

    A part without watermarks is never late; positions are kept only if all parts have them.
    """
    if len(parts) == 1:
        return parts[0]
    columns = {name: pl.concat([part.columns[name] for part in parts]) for name in parts[0].columns}
    length = sum(part.length for part in parts)
    diff = watermarks = None
    if any(part.diff is not None for part in parts):
        ones = [_or_full(part.diff, 1, part.length, pl.Int8()) for part in parts]
        diff = pl.concat(ones)
    if any(part.watermarks is not None for part in parts):
        watermarks = pl.concat([_or_full(part.watermarks, -(2**63) + 1, part.length, pl.Int64()) for part in parts])
    known = [part.positions for part in parts if part.positions is not None]
    positions = Positions.concat(known) if len(known) == len(parts) else None
    return Delta(columns, length, diff=diff, watermarks=watermarks, positions=positions)


def _or_full(series: pl.Series | None, value: int, length: int, dtype: pl.DataType) -> pl.Series:
    return pl.Series("", [value], dtype=dtype).new_from_index(0, length) if series is None else series


def consolidate(delta: Delta) -> Delta:
    """A delta of changes without pairs of equal rows that cancel; what goes before what comes."""
    if delta.diff is None or delta.length < 2 or delta.diff.n_unique() == 1:
        return delta
    names = [f"c{i}" for i in range(len(delta.columns))]
    columns = [series.alias(name) for name, series in zip(names, delta.columns.values(), strict=True)]
    rows = pl.Series("row", np.arange(delta.length, dtype=np.int64))
    frame = pl.DataFrame([*columns, delta.diff.cast(pl.Int64).alias("diff"), rows])
    net = frame.group_by(names, maintain_order=True).agg(pl.col("diff").sum(), pl.col("row").first())
    net = net.filter(pl.col("diff") != 0)
    order = np.argsort(net.get_column("diff").sign().to_numpy(), kind="stable")
    counts = net.get_column("diff").to_numpy()[order]
    chosen = np.repeat(net.get_column("row").to_numpy()[order], np.abs(counts))
    result = delta.take(chosen)
    result.diff = pl.Series("diff", np.repeat(np.sign(counts), np.abs(counts)).astype(np.int8))
    return result


def in_journal_order(parts: Sequence[Delta]) -> Delta:
    """Deltas of one step merged in the order in which the engine took the rows that caused them.

    Rows of one cause keep the order of the inputs. If ranges do not overlap nothing is sorted.
    """
    merged = concat(parts)
    if len(parts) == 1 or merged.positions is None:
        return merged
    sequences = merged.positions.sequences()
    if len(sequences) < 2 or bool(np.all(sequences[1:] >= sequences[:-1])):
        return merged
    return merged.take(np.argsort(sequences, kind="stable"))
