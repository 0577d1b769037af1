"""Distinct counts and quantiles, exact and approximate, beside DuckDB in batch: the same Nexmark bids, in one process.

    python bench/aggregates.py [--bids 1000000] [--repeat 3]

Both use one thread. Every figure is the best of the repeats, which go round robin, after one run that is not counted.
Exact distinct counts are compared with each other. q15 and q16 are the queries of Nexmark with distinct counts by price
rank, per day, and per channel and day; a bid's channel here is a hundredth of its auction.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from typing import Any

import duckdb
import polars as pl
from nexmark_data import row_groups

import penstock as ps
from penstock import col
from penstock.connectors.nexmark import NexmarkConfig

RANKS = (("low", "price < 10000"), ("mid", "price >= 10000 AND price < 1000000"), ("top", "price >= 1000000"))
Run = Callable[[pl.DataFrame], pl.DataFrame]


def _rank(name: str) -> Any:
    low, mid = col("price") < 10_000, col("price") < 1_000_000
    return {"low": low, "mid": ~low & mid, "top": ~mid}[name]


def _ranked() -> dict[str, Any]:
    made: dict[str, Any] = {"n": ps.count(), "bidders": col("bidder").n_unique(), "auctions": col("auction").n_unique()}
    for name, _ in RANKS:
        made[f"n_{name}"] = ps.count().filter(_rank(name))
        made[f"bidders_{name}"] = col("bidder").n_unique().filter(_rank(name))
        made[f"auctions_{name}"] = col("auction").n_unique().filter(_rank(name))
    return made


def _ranked_sql() -> str:
    made = ["count(*) AS n", "count(DISTINCT bidder) AS bidders", "count(DISTINCT auction) AS auctions"]
    for name, condition in RANKS:
        made.append(f"count(*) FILTER ({condition}) AS n_{name}")
        made += [f"count(DISTINCT {c}) FILTER ({condition}) AS {c}s_{name}" for c in ("bidder", "auction")]
    return ", ".join(made)


COLUMNS: dict[str, tuple[tuple[str, ...], dict[str, Any], str]] = {
    "q15": (("day",), _ranked(), _ranked_sql()),
    "q16": (("channel", "day"), _ranked(), _ranked_sql()),
    "n_unique": (("channel",), {"r": col("bidder").n_unique()}, "count(DISTINCT bidder) AS r"),
    "approx_n_unique": (("channel",), {"r": col("bidder").approx_n_unique()}, "approx_count_distinct(bidder) AS r"),
    "quantile": (("channel",), {"r": col("price").quantile(0.9)}, "quantile_disc(price, 0.9)::DOUBLE AS r"),
    "approx_quantile": (
        ("channel",),
        {"r": col("price").approx_quantile(0.9)},
        "approx_quantile(price, 0.9)::DOUBLE AS r",
    ),
}
"""By query: keys, aggregates, and the same in SQL."""


def penstock_of(keys: tuple[str, ...], aggregates: dict[str, Any]) -> Run:
    """The query as Penstock says it."""
    return lambda bids: ps.read(bids).group_by(*keys).agg(**aggregates).collect()


def duckdb_of(keys: tuple[str, ...], aggregates: str) -> Run:
    """The query as DuckDB says it."""
    by = ", ".join(keys)

    def run(bids: pl.DataFrame) -> pl.DataFrame:
        with duckdb.connect(config={"threads": 1}) as connection:
            connection.register("bids", bids.to_arrow())
            return connection.sql(f"SELECT {by}, {aggregates} FROM bids GROUP BY {by}").pl()

    return run


def measured(runs: dict[str, Run], bids: pl.DataFrame, repeat: int) -> tuple[dict[str, float], dict[str, pl.DataFrame]]:
    """The best time of each, and what each gave."""
    found = {name: run(bids) for name, run in runs.items()}
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(repeat):
        for name, run in runs.items():
            start = time.perf_counter()
            run(bids)
            best[name] = min(best[name], time.perf_counter() - start)
    return best, found


def main() -> None:
    """Measure all queries."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bids", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    config = NexmarkConfig()
    bids = pl.concat(row_groups(args.bids, 1 << 17, ["auction", "bidder", "price", "dateTime"], config))
    bids = bids.with_columns(day=pl.col("dateTime").dt.strftime("%Y-%m-%d"), channel=pl.col("auction") // 100 % 1000)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {args.bids:,} Nexmark bids.\n")
    print("| query | Penstock s | DuckDB s | ratio |\n|---|---|---|---|")
    for name, (keys, aggregates, sql) in COLUMNS.items():
        runs = {"penstock": penstock_of(keys, aggregates), "duckdb": duckdb_of(keys, sql)}
        best, found = measured(runs, bids, args.repeat)
        if name in ("q15", "q16", "n_unique"):
            ours, theirs = (one.sort(keys) for one in (found["penstock"], found["duckdb"]))
            if ours.rows() != theirs.select(ours.columns).rows():
                raise SystemExit(f"{name}: the results differ")
        ratio = best["penstock"] / best["duckdb"]
        print(f"| {name} | {best['penstock']:.3f} | {best['duckdb']:.3f} | {ratio:.2f}x |")


if __name__ == "__main__":
    main()
