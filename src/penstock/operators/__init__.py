"""The table of all operators, by verb."""

from __future__ import annotations

from penstock.operators.apply import Apply
from penstock.operators.as_table import AsTable
from penstock.operators.asof_join import AsofJoin
from penstock.operators.base import Executable
from penstock.operators.changelog import Changelog
from penstock.operators.dedup import Dedup
from penstock.operators.expect import Expect
from penstock.operators.explode import Explode
from penstock.operators.filter import Filter
from penstock.operators.flat_map import FlatMap
from penstock.operators.group import Group
from penstock.operators.inspect import Inspect
from penstock.operators.interval_join import IntervalJoin
from penstock.operators.join import Join
from penstock.operators.keyed_window import KeyedWindow
from penstock.operators.limit import Limit
from penstock.operators.lookup import Lookup
from penstock.operators.map_async import MapAsync
from penstock.operators.map_batches import MapBatches
from penstock.operators.over import Over
from penstock.operators.process import Process
from penstock.operators.read import Read
from penstock.operators.refused import Refused
from penstock.operators.select import Select
from penstock.operators.sliding_window import SlidingWindow
from penstock.operators.sort import Sort
from penstock.operators.stamp import Stamp
from penstock.operators.top_n import TopN
from penstock.operators.union import Union
from penstock.operators.watermark import Watermark
from penstock.operators.window import Window
from penstock.operators.window_join import WindowJoin
from penstock.operators.window_rows import WindowRows
from penstock.operators.write import Write

OPERATORS: dict[str, type[Executable]] = {
    operator.verb: operator
    for operator in (
        Read, Watermark, Select, Filter, Expect, Explode, Inspect, Union, Group, Window, Changelog,
        KeyedWindow, Join, IntervalJoin, AsofJoin, WindowJoin, Dedup, AsTable, TopN, Sort, Over, Limit,
        Refused, Write, WindowRows, Stamp, Apply, FlatMap, MapBatches, Process, Lookup,
        MapAsync, SlidingWindow,
    )
}  # fmt: skip

MACHINERY = (
    "base",
    "aggregation",
    "stateless",
    "why",
    "grid",
    "grid_calendar",
    "sharding",
    "group_execution",
    "window_execution",
    "joining",
    "join_parts",
    "join_execution",
    "join_ordered",
    "join_state",
    "interval_join_execution",
    "asof_join_execution",
    "window_join_execution",
    "lateness",
    "over_frames",
    "lives",
    "user_calls",
    "user_trials",
    "asking",
    "async_calls",
    "process_states",
    "split_times",
)
"""Files that operators share and that are none themselves."""
