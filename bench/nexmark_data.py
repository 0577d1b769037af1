"""Write Nexmark bids to Parquet, the same rows in every run: the input of the benchmarks.

Run: `python bench/nexmark_data.py FOLDER [--bids 10000000] [--columns auction,bidder,price,dateTime]`.
Each file says in its metadata, under `penstock.nexmark`, which settings made it. Event time depends
on `--rate`: 10,000,000 bids are 1,087 seconds at 10,000 events per second and 109 at 100,000.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from penstock.connectors.nexmark import NexmarkConfig, bids
from penstock.core.errors import PenstockError

COLUMNS = "auction,bidder,price,dateTime"
ROWS = 1 << 17


def row_groups(count: int, rows: int, columns: Sequence[str], config: NexmarkConfig) -> Iterator[pl.DataFrame]:
    """Make the first `count` bids in frames of `rows` rows; the last one may be shorter."""
    cycle = config.person_proportion + config.auction_proportion + config.bid_proportion
    position = 0
    made = bids(0, 0, config, columns=columns)
    while count > 0:
        wanted = min(rows, count)
        while made.height < wanted:
            events = ((wanted - made.height) // config.bid_proportion + 1) * cycle
            made = pl.concat([made, bids(position, events, config, columns=columns)])
            position += events
        yield made.head(wanted)
        made = made.slice(wanted)
        count -= wanted


def as_arrow(frame: pl.DataFrame, config: NexmarkConfig) -> pa.Table:
    """A frame as a table that says which settings made it, in types that every reader of Parquet knows."""
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    return table.replace_schema_metadata({"penstock.nexmark": repr(config)})


def write_file(path: Path, tables: Iterator[pa.Table], schema: pa.Schema, compression: str) -> int:
    """Write tables to one file, a row group each; it gets its name when it is whole. Gives the rows written."""
    part = path.with_suffix(".part")
    rows = 0
    with pq.ParquetWriter(part, schema, compression=compression) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=table.num_rows)
            rows += table.num_rows
    part.replace(path)
    return rows


def arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where to write; made if it is not there")
    parser.add_argument("--bids", type=int, default=10_000_000, help="how many bids to write")
    parser.add_argument("--columns", default=COLUMNS, help=f'columns with commas between, or "all"; default {COLUMNS}')
    parser.add_argument("--files", type=int, default=1, help="how many files to spread the row groups over, in order")
    parser.add_argument("--row-group", type=int, default=ROWS, help="rows per row group")
    parser.add_argument("--compression", default="zstd", choices=("zstd", "snappy", "lz4", "none"))
    parser.add_argument("--shape", default="beam", choices=("beam", "flink"), help="flink: with channel and url")
    parser.add_argument("--rate", type=int, default=10_000, help="events per second of event time")
    parser.add_argument("--generators", type=int, default=1, help="divides the rate")
    parser.add_argument("--out-of-order", type=int, default=1, help="events in a group of scrambled order")
    parser.add_argument("--bidder-offset", type=int, default=1000, help="2000 as the suite for Flink has it")
    chosen = parser.parse_args()
    if chosen.bids < 1 or chosen.files < 1 or chosen.row_group < 1:
        parser.error("--bids, --files and --row-group are at least 1")
    return chosen


def main() -> int:
    """Write the files and print what they are."""
    chosen = arguments()
    try:
        config = NexmarkConfig(
            shape=chosen.shape,
            first_event_rate=chosen.rate,
            generators=chosen.generators,
            out_of_order_group_size=chosen.out_of_order,
            bidder_offset=chosen.bidder_offset,
        )
        columns = config.bid_columns if chosen.columns == "all" else tuple(chosen.columns.split(","))
        groups = -(-chosen.bids // chosen.row_group)
        per_file = -(-groups // chosen.files)
        frames = row_groups(chosen.bids, chosen.row_group, columns, config)
        tables = (as_arrow(frame, config) for frame in frames)
        schema = as_arrow(bids(0, 0, config, columns=columns), config).schema
        chosen.folder.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        for number in range(-(-groups // per_file)):
            path = chosen.folder / (f"bids-{number:03}.parquet" if chosen.files > 1 else "bids.parquet")
            rows = write_file(path, islice(tables, per_file), schema, chosen.compression)
            sys.stdout.write(f"{path}: {rows:,} rows, {path.stat().st_size:,} bytes\n")
        sys.stdout.write(f"{chosen.bids / (time.perf_counter() - start) / 1e6:.1f} M rows/s\n")
    except PenstockError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
