"""Which windows the rows of a step are in, each in its own zone: a grid for each zone that was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.lazy import np, pl
from penstock.operators.grid import ExactGrid, LocalGrid, grid_of
from penstock.operators.keyed_window_places import NOWHERE, AlignedPlaces, Places, window_bounds
from penstock.operators.window_execution import BEYOND
from penstock.plan.zoned_windows import Zoned, zone_fault

if TYPE_CHECKING:
    from penstock.operators.keyed_window_execution import KeyedWindowExecutor

ZONE = "(zone)"


class ZonedPlaces(AlignedPlaces):
    """The windows of rows by their zones; windows with the same bounds are one."""

    def __init__(self, executor: KeyedWindowExecutor, windows: Zoned) -> None:
        Places.__init__(self, executor)
        self.zoned = windows
        self.terms = ((ZONE, windows.zone),)
        self.grids: dict[str, ExactGrid | LocalGrid] = {}
        self.names: dict[int, str] = {}
        self.codes: Any = None

    def within(self, delta: Delta, times: Any) -> tuple[Delta, Any, Delta | None]:
        """The rows whose zone is there and has days at their instant; of the others, why not."""
        zones = delta.columns[ZONE].cast(pl.String)
        codes = zones.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
        _, firsts = np.unique(codes, return_index=True)
        places = dict(zip(codes[firsts].tolist(), zones[firsts].to_list(), strict=True))
        self.names = {code: zone or "" for code, zone in places.items()}
        reasons: dict[int, str] = {}
        inside = np.ones(delta.length, np.bool_)
        for code, zone in places.items():
            mine = codes == code
            fault = zone_fault(zone)
            if fault is not None or zone is None:
                reasons[code], inside[mine] = str(fault), False
                continue
            grid = self._grid(zone)
            if isinstance(grid, LocalGrid):
                inside[mine] = (times[mine] >= grid.first) & (times[mine] < grid.last)
        self.codes = codes[inside]
        if inside.all():
            return delta, times, None
        told = pl.Series([reasons.get(code, BEYOND) for code in codes[~inside].tolist()])
        return delta.filter(pl.Series(inside)), times[inside], self.of.beyond(delta, inside, told)

    def _grid(self, zone: str) -> ExactGrid | LocalGrid:
        if zone not in self.grids:
            self.grids[zone] = grid_of(self.zoned.within(zone))
        return self.grids[zone]

    def _bounds(self, times: Any) -> tuple[Any, Any, Any, Any]:
        """As `window_bounds`, zone by zone; in the order of the rows."""
        last = np.full(len(times), NOWHERE, np.int64)
        parts = []
        for code in np.unique(self.codes).tolist():
            mine = np.flatnonzero(self.codes == code)
            rows, begins, ends, lasts = window_bounds(self._grid(self.names[code]), times[mine])
            last[mine] = lasts
            parts.append((mine[rows], begins, ends))
        rows, begins, ends = (np.concatenate([part[i] for part in parts]) for i in range(3))
        order = np.argsort(rows, kind="stable")
        return rows[order], begins[order], ends[order], last

    def shape(self) -> Any:
        """The windows, whatever the zones."""
        return self.zoned.shape()
