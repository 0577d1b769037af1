"""A sink that counts rows and forgets them: for measurements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from penstock.connectors.base import TRANSACTIONAL, Content, Sealed, Sink, Writer, WriteRequest
from penstock.core.spec import option

if TYPE_CHECKING:
    import numpy as np
    import polars as pl


@dataclass
class Counts:
    """What a blackhole was given in all committed epochs.

    Attributes:
        rows: Rows and changes.
        epochs: Epochs.
    """

    rows: int = 0
    epochs: int = 0


@dataclass(frozen=True)
class BlackholeSink(Sink):
    """Counts rows and changes, and keeps nothing of them.

    Attributes:
        name: What the sink is called in reports.
        counts: What was committed in the last run.
    """

    connector: ClassVar[str] = "blackhole"
    delivery: ClassVar[str] = TRANSACTIONAL
    takes_changes: ClassVar[bool] = True
    needs_key: ClassVar[bool] = False

    name: str = option("blackhole", doc="What the sink is called in reports.")
    counts: Counts = field(default_factory=Counts, init=False, repr=False, compare=False)

    def writer(self, request: WriteRequest) -> Writer:
        """Open it; a run that starts anew counts from zero."""
        if request.fresh:
            self.counts.rows = self.counts.epochs = 0
        return BlackholeWriter(self.counts)

    def default_name(self) -> str:
        """Its name."""
        return self.name


class BlackholeWriter(Writer):
    """Counts."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._rows = 0

    def write(self, frame: pl.DataFrame, diff: np.ndarray | None) -> None:
        """Count rows of the open epoch."""
        self._rows += frame.height

    def prepare(self, epoch: int) -> Callable[[], Content]:
        """The number of rows of the epoch."""
        rows, self._rows = self._rows, 0
        return lambda: Content({}, rows=rows)

    def commit(self, epochs: Sequence[Sealed]) -> None:
        """Count epochs; an epoch that was counted is not counted again."""
        for sealed in epochs:
            if sealed.token.epoch >= self._counts.epochs:
                self._counts.rows += sealed.token.rows
                self._counts.epochs = sealed.token.epoch + 1

    def report(self) -> str:
        """How many rows there were."""
        return f"{self._counts.rows:,} rows forgotten"


SOURCE = None
SINK = BlackholeSink
