"""How the state of aligned windows is stored: panes as tables, rows beside them as bytes, totals not at all.

The queue of windows is that of all panes whose windows are still to be sent: a window is queued with the first of
its panes, and a pane goes only when all its windows are sent. Totals are merged again from panes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from penstock.core.delta import Delta
from penstock.core.errors import StateError
from penstock.core.lazy import np, pa, pl
from penstock.core.schema import Schema
from penstock.core.timespan import NEVER
from penstock.operators.base import Loader, Saver
from penstock.operators.sharding import contents_of
from penstock.operators.window_parts import Pane, Side
from penstock.state.aggregates import AggregateTable

if TYPE_CHECKING:
    from penstock.operators.window_execution import WindowExecutor


def save_window(executor: WindowExecutor, saver: Saver) -> dict[str, Any]:
    """Hand all panes to a saver; gives what is small, as JSON."""
    panes = []
    for start in executor.starts:
        pane = executor.panes[start]
        for shard, table in pane.tables.items():
            table.save(saver, f"{start}/{shard}", executor.turn + 1)
        if pane.side:
            saver.blob(f"{start}/side", side_to_bytes(pane.side))
        panes.append([start, sorted(pane.tables), bool(pane.side)])
    return {
        "shards": executor.shards,
        "turn": executor.turn,
        "fired": executor.fired,
        "entered": executor.entered,
        "panes": panes,
        "totals": [total.starts() for total in executor.totals],
        **executor.keyed.snapshot(),
    }


def restore_window(executor: WindowExecutor, state: dict[str, Any], loader: Loader) -> None:
    """Go on from a snapshot; with other shards, keys move and totals are begun anew.

    Raises:
        StateError: If what is stored cannot be used.
    """
    executor.keyed.restore(state)
    executor.turn, executor.fired = state["turn"], state["fired"]
    moves = state["shards"] != executor.shards
    for start, shards, has_side in state["panes"]:
        pane = executor.panes[start] = Pane()
        executor.starts.append(start)
        for shard in shards:
            pane.tables[shard] = AggregateTable(executor.keyed.layout, executor.seed)
            pane.tables[shard].load(loader, f"{start}/{shard}")
        if moves:
            spread = executor.keyed.spread(list(pane.tables.values()), executor.shards, executor.next_turn())
            pane.tables = {shard: table for shard, table in enumerate(spread) if len(table)}
        if has_side:
            executor.late_for_some = True
            pane.side.append(side_from_bytes(loader.blob(f"{start}/side"), executor.side_columns))
        executor.expect(executor.grid.windows(start))
    executor.totals, executor.entered = executor.fresh_totals(), NEVER
    if not moves:
        executor.entered = state["entered"]
        for shard, (total, starts) in enumerate(zip(executor.totals, state["totals"], strict=True)):
            tables = {start: pane.tables[shard] for start, pane in executor.panes.items() if shard in pane.tables}
            total.rebuild(starts, tables, executor.next_turn())


def side_to_bytes(sides: Sequence[Side]) -> bytes:
    """The rows beside a pane, in the order in which they came, as an Arrow stream."""
    parts = []
    for side in sides:
        columns = [series.alias(f"c{i}") for i, series in enumerate(side.delta.columns.values())]
        hidden = [pl.Series("watermark", side.watermarks), pl.Series("place", side.places)]
        parts.append(pl.DataFrame([*columns, *hidden]))
    table = pl.concat(parts).to_arrow()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def side_from_bytes(data: bytes, names: Sequence[str]) -> Side:
    """What `side_to_bytes` was given, as one.

    Raises:
        StateError: If it is something else.
    """
    try:
        frame = pl.from_arrow(pa.ipc.open_stream(pa.py_buffer(data)).read_all())
    except (pa.ArrowInvalid, OSError) as failure:
        raise StateError(f"the stored rows beside a window cannot be read: {failure}") from None
    if not isinstance(frame, pl.DataFrame) or frame.width != len(names) + 2:
        raise StateError(f"the stored rows beside a window have other columns than {', '.join(names)}")
    *columns, watermarks, places = frame.get_columns()
    delta = Delta({name: series.alias(name) for name, series in zip(names, columns, strict=True)}, frame.height)
    return Side(delta, np.array(watermarks), np.array(places))


def pane_contents(executor: WindowExecutor, limit: int) -> pl.DataFrame:
    """Some rows of all panes: the first instant of the pane, keys, and what their aggregates are so far."""
    bounds = ("window_start", "window_end")
    schema = Schema(tuple(field for field in executor.schema if field.name not in bounds))
    frames = [pl.DataFrame(schema={"pane": pl.Datetime("us", "UTC"), **schema.to_polars()})]
    for start in executor.starts:
        left = limit - sum(frame.height for frame in frames)
        rows = contents_of(executor.panes[start].tables.values(), schema, max(0, left))
        moment = pl.Series("pane", [start]).cast(pl.Datetime("us", "UTC")).new_from_index(0, rows.height)
        frames.append(pl.DataFrame([moment, *rows.get_columns()]))
    return pl.concat(frames)
