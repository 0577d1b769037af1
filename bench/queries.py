"""The queries of the comparison, as each engine says them; all read the same bids."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import penstock as ps
from penstock import col

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ["auction", "bidder", "price", "dateTime"]
TIMED = ("tumble", "hop", "overlap")
"""The queries that need an event time."""

PENSTOCK: dict[str, Callable[..., Any]] = {
    "q1": lambda bids: bids.select("auction", "bidder", price=col("price") * 0.908, at=col("dateTime")),
    "q2": lambda bids: bids.filter(col("auction") % 123 == 0).select("auction", "price"),
    "running": lambda bids: bids.group_by("auction").agg(n=ps.count(), top=col("price").max()),
    "uniform": lambda bids: bids.group_by("auction").agg(n=ps.count(), top=col("price").max()),
    "tumble": lambda bids: bids.group_by("bidder").window(ps.tumbling("10 s")).agg(n=ps.count()),
    "hop": lambda bids: bids.group_by("auction").window(ps.hopping("10 s", every="2 s")).agg(n=ps.count()),
}


def overlapping(bids: Any, overlap: int) -> Any:
    """Counts per auction in windows of 10 s, each of which overlaps `overlap` - 1 others."""
    if overlap == 1:
        return bids.group_by("auction").window(ps.tumbling("10 s")).agg(n=ps.count())
    return bids.group_by("auction").window(ps.hopping("10 s", every=f"{10_000 // overlap} ms")).agg(n=ps.count())


def polars_query(name: str, bids: pl.LazyFrame) -> pl.LazyFrame:
    """The query as a Polars batch."""
    import polars as pl

    every = {"tumble": "10s", "hop": "2s"}
    match name:
        case "q1":
            return bids.select("auction", "bidder", (pl.col("price") * 0.908).alias("price"), "dateTime")
        case "q2":
            return bids.filter(pl.col("auction") % 123 == 0).select("auction", "price")
        case "running" | "uniform":
            return bids.group_by("auction").agg(n=pl.len(), top=pl.col("price").max())
        case "tumble":
            return bids.group_by("bidder", pl.col("dateTime").dt.truncate(every[name])).agg(n=pl.len())
        case "hop":
            panes = bids.group_by("auction", pane=pl.col("dateTime").dt.truncate(every[name])).agg(n=pl.len())
            starts = [pl.col("pane").dt.offset_by(f"-{2 * i}s") for i in range(5)]
            return (
                panes.with_columns(window=pl.concat_list(starts))
                .explode("window")
                .group_by("auction", "window")
                .agg(pl.col("n").sum())
            )
    raise SystemExit(f"no query {name}")


DUCKDB = {
    "q1": 'SELECT auction, bidder, price * 0.908 AS price, "dateTime" FROM bids',
    "q2": "SELECT auction, price FROM bids WHERE auction % 123 = 0",
    "running": "SELECT auction, count(*) AS n, max(price) AS top FROM bids GROUP BY auction",
    "uniform": "SELECT auction, count(*) AS n, max(price) AS top FROM bids GROUP BY auction",
    "tumble": 'SELECT bidder, epoch_us("dateTime") // 10000000 AS w, count(*) AS n FROM bids GROUP BY ALL',
    "hop": """
        SELECT auction, pane - i AS w, sum(n) AS n
        FROM (SELECT auction, epoch_us("dateTime") // 2000000 AS pane, count(*) AS n FROM bids GROUP BY ALL),
             unnest([0, 1, 2, 3, 4]) AS t(i)
        GROUP BY ALL
    """,
}
