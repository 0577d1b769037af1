"""Tables that tests of SQL have."""

from __future__ import annotations

import datetime as dt

import polars as pl

import penstock as ps
from penstock.plan.node import Node

START = dt.datetime(2024, 3, 1, 10)


def frame() -> pl.DataFrame:
    """Rows with integers, texts, a null of each, and times in order."""
    return pl.DataFrame(
        {
            "a": [1, 2, 1, None, 2, 3],
            "b": [10, 20, 30, 40, None, 60],
            "name": ["x", "y", None, "x", "z", "y"],
            "ts": [START + dt.timedelta(minutes=20 * i) for i in range(6)],
        },
        schema={"a": pl.Int32, "b": pl.Int64, "name": pl.String, "ts": pl.Datetime("ms")},
    )


def stream() -> ps.Stream:
    """They as a Stream."""
    return ps.read(frame(), event_time="ts", watermark="10 min", name="t")


def tables() -> dict[str, Node]:
    """They as a table `t`."""
    return {"t": stream().node}


def rows(sql: str) -> list[tuple[object, ...]]:
    """The rows of a query over them, sorted."""
    return sorted(ps.sql(sql, t=stream()).collect().rows(), key=repr)
