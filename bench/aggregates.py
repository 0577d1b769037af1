"""State by key beside DuckDB in batch: distinct counts, quantiles, sketches, sessions, dedup, top-n over the same bids.

    python bench/aggregates.py [--bids 1000000] [--repeat 3] [--step 65536] [--only q15,q18]

Both use one thread, in one process; Penstock in steps of `--step` rows (0: as the engine chooses) into a sink that
takes all, DuckDB into Arrow. Every figure is the least CPU time of the repeats, which go round robin, after one that is
not counted: CPU time, because other programs may run beside. Exact results are compared with each other.

q11, q15, q16, q18 and q19 are those of Nexmark: bids per session of a bidder, distinct counts by price rank per day,
and per channel and day (a bid's channel here is a hundredth of its auction), the last bid of a bidder for an auction,
and the ten highest bids of each auction.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl
from nexmark_data import row_groups

import penstock as ps
from penstock import col
from penstock.connectors.blackhole import BlackholeSink
from penstock.connectors.nexmark import NexmarkConfig
from penstock.engine.job import Job
from penstock.engine.options import JobOptions, LoopOptions

RANKS = (("low", "price < 10000"), ("mid", "price >= 10000 AND price < 1000000"), ("top", "price >= 1000000"))


@dataclass(frozen=True)
class Case:
    """A query as both say it.

    Attributes:
        build: From the bids to what Penstock computes.
        sql: The same in SQL.
        exact: Whether both must give the same rows; else only as many.
        timed: Whether the bids have an event time.
        compared: The columns that are compared; of rows with equal times or prices it is not said which one stays.
    """

    build: Callable[[Any], Any]
    sql: str
    exact: bool = True
    timed: bool = False
    compared: tuple[str, ...] = ()


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


def _grouped(keys: tuple[str, ...], aggregates: dict[str, Any], sql: str, *, exact: bool = True) -> Case:
    by = ", ".join(keys)
    return Case(
        lambda bids: bids.group_by(*keys).agg(**aggregates), f"SELECT {by}, {sql} FROM bids GROUP BY {by}", exact
    )


_CHANNEL = ("channel",)
_LAST = "row_number() OVER (PARTITION BY bidder, auction ORDER BY dateTime DESC, price DESC) = 1"
CASES: dict[str, Case] = {
    "q11": Case(
        lambda bids: bids.group_by("bidder").window(ps.session("10 s")).agg(n=ps.count()).select("bidder", "n"),
        """
        SELECT bidder, count(*) AS n
        FROM (
            SELECT bidder, sum(new) OVER (PARTITION BY bidder ORDER BY dateTime) AS session
            FROM (
                SELECT bidder, dateTime,
                    CASE WHEN dateTime - lag(dateTime) OVER (PARTITION BY bidder ORDER BY dateTime)
                        < INTERVAL 10 SECOND THEN 0 ELSE 1 END AS new
                FROM bids
            )
        )
        GROUP BY bidder, session
        """,
        timed=True,
    ),
    "q15": _grouped(("day",), _ranked(), _ranked_sql()),
    "q16": _grouped(("channel", "day"), _ranked(), _ranked_sql()),
    "q18": Case(
        lambda bids: bids.dedup("bidder", "auction", keep="last", by="dateTime"),
        f"SELECT * FROM bids QUALIFY {_LAST}",
        compared=("bidder", "auction", "dateTime"),
    ),
    "q19": Case(
        lambda bids: bids.group_by("auction").top_n(10, by="price"),
        "SELECT * FROM bids QUALIFY row_number() OVER (PARTITION BY auction ORDER BY price DESC) <= 10",
        compared=("auction", "price"),
    ),
    "n_unique": _grouped(_CHANNEL, {"r": col("bidder").n_unique()}, "count(DISTINCT bidder) AS r"),
    "approx_n_unique": _grouped(
        _CHANNEL, {"r": col("bidder").approx_n_unique()}, "approx_count_distinct(bidder) AS r", exact=False
    ),
    "quantile": _grouped(
        _CHANNEL, {"r": col("price").quantile(0.9)}, "quantile_disc(price, 0.9)::DOUBLE AS r", exact=False
    ),
    "approx_quantile": _grouped(
        _CHANNEL, {"r": col("price").approx_quantile(0.9)}, "approx_quantile(price, 0.9)::DOUBLE AS r", exact=False
    ),
    "kll": _grouped(_CHANNEL, {"r": col("price").kll()}, "approx_quantile(price, 0.9)::DOUBLE AS r", exact=False),
    "tdigest": _grouped(
        _CHANNEL, {"r": col("price").tdigest()}, "approx_quantile(price, 0.9)::DOUBLE AS r", exact=False
    ),
    "theta": _grouped(_CHANNEL, {"r": col("bidder").theta()}, "approx_count_distinct(bidder) AS r", exact=False),
    "top_k": _grouped(_CHANNEL, {"r": col("bidder").top_k()}, "approx_top_k(bidder, 10) AS r", exact=False),
}


def penstock_runs(case: Case, bids: pl.DataFrame, step: int) -> tuple[Callable[[], None], Callable[[], pl.DataFrame]]:
    """A run into a sink that takes all, and one that gives the rows."""
    timed = {"event_time": "dateTime", "watermark": "2 s"} if case.timed else {}
    pipeline = ps.Pipeline("bench", case.build(ps.read(bids, **timed)).write(BlackholeSink()))
    options = JobOptions(loop=LoopOptions(step_rows=step or None))
    return lambda: Job(pipeline, options).run(), lambda: case.build(ps.read(bids, **timed)).collect()


def duckdb_run(case: Case, bids: pl.DataFrame) -> Callable[[], pl.DataFrame]:
    """A run of DuckDB over the bids in a table of its own."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("given", bids.to_arrow())
    connection.execute("CREATE TABLE bids AS SELECT * FROM given")
    return lambda: pl.from_arrow(connection.sql(case.sql).to_arrow_table())


def best_of(runs: dict[str, Callable[[], Any]], repeat: int) -> dict[str, float]:
    """The least CPU time of each."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(repeat):
        for name, run in runs.items():
            start = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - start)
    return best


def check(name: str, case: Case, ours: pl.DataFrame, theirs: pl.DataFrame) -> None:
    """Compare results.

    Raises:
        SystemExit: If they differ.
    """
    ours = ours.select(case.compared or ours.columns)
    theirs = theirs.select(ours.columns)
    same = len(ours) == len(theirs)
    if case.exact and same:
        same = ours.sort(ours.columns).rows() == theirs.cast(dict(ours.schema)).sort(ours.columns).rows()
    if not same:
        raise SystemExit(f"{name}: the results differ")


def main() -> None:
    """Measure all queries."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bids", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--step", type=int, default=65_536)
    parser.add_argument("--only", default=",".join(CASES))
    args = parser.parse_args()
    config = NexmarkConfig()
    bids = pl.concat(row_groups(args.bids, 1 << 17, ["auction", "bidder", "price", "dateTime"], config), rechunk=True)
    bids = bids.with_columns(day=pl.col("dateTime").dt.strftime("%Y-%m-%d"), channel=pl.col("auction") // 100 % 1000)
    steps = f"steps of {args.step:,}" if args.step else "adaptive steps"
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {args.bids:,} Nexmark bids, {steps}.\n")
    print("| query | Penstock CPU s | DuckDB CPU s | ratio |\n|---|---|---|---|")
    for name in args.only.split(","):
        run, rows = penstock_runs(CASES[name], bids, args.step)
        theirs = duckdb_run(CASES[name], bids)
        check(name, CASES[name], rows(), theirs())
        run()
        best = best_of({"penstock": run, "duckdb": theirs}, args.repeat)
        ratio = best["penstock"] / best["duckdb"]
        print(f"| {name} | {best['penstock']:.3f} | {best['duckdb']:.3f} | {ratio:.2f}x |", flush=True)


if __name__ == "__main__":
    main()
