"""The table of all operators, by verb."""

from __future__ import annotations

from penstock.operators.base import Executable
from penstock.operators.changelog import Changelog
from penstock.operators.expect import Expect
from penstock.operators.explode import Explode
from penstock.operators.filter import Filter
from penstock.operators.group import Group
from penstock.operators.inspect import Inspect
from penstock.operators.read import Read
from penstock.operators.refused import Refused
from penstock.operators.select import Select
from penstock.operators.union import Union
from penstock.operators.watermark import Watermark
from penstock.operators.window import Window
from penstock.operators.write import Write

OPERATORS: dict[str, type[Executable]] = {
    operator.verb: operator
    for operator in (
        Read, Watermark, Select, Filter, Expect, Explode, Inspect, Union, Group, Window, Changelog, Refused, Write,
    )
}  # fmt: skip

MACHINERY = (
    "base",
    "aggregation",
    "stateless",
    "why",
    "grid",
    "sharding",
    "lives",
    "group_execution",
    "window_execution",
)
"""Files that operators share and that are none themselves."""
