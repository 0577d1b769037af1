"""A sink that counts rows and forgets them: for measurements."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from penstock.connectors.base import TRANSACTIONAL, Sink, Writer, WriteRequest
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

    def prepare(self, epoch: int) -> dict[str, Any]:
        """The number of rows of the epoch."""
        prepared = {"rows": self._rows}
        self._rows = 0
        return prepared

    def commit(self, epoch: int, prepared: dict[str, Any]) -> None:
        """Count the epoch; an epoch that was counted is not counted again."""
        if epoch >= self._counts.epochs:
            self._counts.rows += prepared["rows"]
            self._counts.epochs = epoch + 1

    def report(self) -> str:
        """How many rows there were."""
        return f"{self._counts.rows:,} rows forgotten"


SOURCE = None
SINK = BlackholeSink
