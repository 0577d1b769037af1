"""The rows of a delta, ready to be folded into keyed state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.core.dtypes import DType
from penstock.core.lazy import np, pl
from penstock.state.keys import KeyCodec, Keys

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class Batch:
    """The rows of a delta, ready to be folded.

    Attributes:
        keys: Their keys.
        series: The projected columns, by name.
        length: How many rows.
        signs: +1 or -1 per row, or None if all come.
        first: The place of the first row among all that the operator has taken: rows arrive in the journal's order.
        places: The place of each row, if they do not follow one another.
        instants: The instant of each row, where keys expire.
    """

    keys: Keys
    series: dict[str, pl.Series]
    length: int
    signs: NDArray[np.int8] | None
    first: int = 0
    places: NDArray[np.int64] | None = None
    instants: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        self._arrays: dict[tuple[str, bool], Any] = {}
        self._encoded: dict[Any, Keys | None] = {}
        self._valid: dict[tuple[str, ...], Any] = {}

    def positions(self, rows: NDArray[np.int32]) -> NDArray[np.int64]:
        """The places of some rows among all that the operator has taken."""
        return rows + np.int64(self.first) if self.places is None else self.places[rows]

    def array(self, name: str, *, floats: bool) -> Any:
        """A column as int64 words or as floats; nulls hold anything."""
        key = (name, floats)
        if key not in self._arrays:
            self._arrays[key] = physical(self.series[name], floats=floats)
        return self._arrays[key]

    def encoded(self, names: tuple[str, ...], types: tuple[DType, ...]) -> Keys | None:
        """Columns as the words by which values are told apart; None if one has nulls. Several aggregates share them."""
        key = (names, types)
        if key not in self._encoded:
            series = [self.series[name] for name in names]
            whole = all(one.null_count() == 0 for one in series)
            codec = KeyCodec(list(names), list(types), [False] * len(names))
            self._encoded[key] = codec.encode(series, self.length) if whole else None
        return self._encoded[key]

    def valid(self, names: tuple[str, ...], where: str | None) -> Any:
        """By row, whether no argument is null and the condition is true; None if that holds for all."""
        key = (*names, f"?{where}")
        if key not in self._valid:
            mask: pl.Series | None = None
            for name in names:
                series = self.series[name]
                if series.null_count():
                    mask = series.is_not_null() if mask is None else mask & series.is_not_null()
            if where is not None:
                condition = self.series[where].fill_null(value=False)
                mask = condition if mask is None else mask & condition
            self._valid[key] = None if mask is None else mask.to_numpy()
        return self._valid[key]


def physical(series: pl.Series, *, floats: bool) -> Any:
    """The values of a column as int64 words or as float64; nulls hold anything."""
    if floats:
        values = series if series.dtype == pl.Float64 else series.cast(pl.Float64)
        return values.fill_null(0.0).to_numpy() if values.null_count() else values.to_numpy()
    values = series if series.dtype == pl.Int64 else series.cast(pl.Int64)
    return values.fill_null(0).to_numpy() if values.null_count() else values.to_numpy()
