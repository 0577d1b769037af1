"""The columns of Nexmark events: types, choice of columns, channels."""

from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from penstock.connectors.nexmark import (
    AUCTION_COLUMNS,
    BID_COLUMNS,
    FLINK_BID_COLUMNS,
    PERSON_COLUMNS,
    NexmarkConfig,
    auctions,
    bids,
    events,
    interleaved,
    persons,
)
from penstock.connectors.nexmark_columns import channel_table
from penstock.kernels._jit import interpreted

FLINK = NexmarkConfig(shape="flink")


def test_no_events() -> None:
    for frame in events(10, 0, FLINK).values():
        assert frame.height == 0
    assert interleaved(10, 0).height == 0
    assert events(4, 1)["person"].schema == events(0, 1)["person"].schema


def test_types() -> None:
    assert set(bids(0, 100).schema.items()) == {
        *((name, pl.Int64()) for name in ("auction", "bidder", "price")),
        ("dateTime", pl.Datetime("us", "UTC")),
        ("extra", pl.String()),
    }
    assert auctions(0, 100).schema["expires"] == pl.Datetime("us", "UTC")
    assert tuple(persons(0, 100).columns) == PERSON_COLUMNS
    assert tuple(auctions(0, 100).columns) == AUCTION_COLUMNS
    assert tuple(bids(0, 100).columns) == BID_COLUMNS
    assert tuple(bids(0, 100, FLINK).columns) == FLINK_BID_COLUMNS


@pytest.mark.parametrize("config", [NexmarkConfig(), FLINK], ids=["beam", "flink"])
def test_fewer_columns_have_the_same_values(config: NexmarkConfig) -> None:
    whole = bids(77, 500, config)
    for names in (["dateTime"], ["bidder"], ["price", "auction"], ["extra"], [*config.bid_columns[::-1]]):
        assert_frame_equal(bids(77, 500, config, columns=names), whole.select(names))
    assert_frame_equal(persons(0, 500, columns=["state", "id"]), persons(0, 500).select("state", "id"))
    assert_frame_equal(auctions(0, 500, columns=["reserve"]), auctions(0, 500).select("reserve"))


def test_channels_need_not_all_be_made() -> None:
    assert_frame_equal(bids(0, 500, FLINK, columns=["url"]), bids(0, 500, FLINK).select("url"))


def test_channel_table() -> None:
    table = channel_table()
    assert table.height == table.n_unique() == 10_004
    assert table["channel"].to_list()[:5] == ["Google", "Facebook", "Baidu", "Apple", "channel-0"]
    pattern = r"^https://www\.nexmark\.com/[a-z_]{3,4}/[a-z_]{3,4}/[a-z_]{3,4}/item\.htm\?query=1(&channel_id=-?\d+)?$"
    assert table["url"].str.contains(pattern).all()
    numbers = table["url"].str.extract(r"channel_id=(-?\d+)").cast(pl.Int64)
    assert numbers.head(4).is_null().all()
    assert 0.88 < 1 - numbers.null_count() / 10_004 < 0.92
    # Bits in reverse: 3 becomes the two highest, a negative number that Java makes positive.
    wanted = {0: 0, 1: -(1 << 31), 2: 1 << 30, 3: 1 << 30, 5: 0x60000000}
    named = {row: number for row, number in enumerate(numbers.to_list()[4:]) if number is not None and row in wanted}
    assert named == {row: wanted[row] for row in named}
    assert named


def test_shares_of_the_stream() -> None:
    count = 100_000 if not interpreted() else 2_000
    frame = bids(1_000_000, count, FLINK, columns=["auction", "channel", "price"])
    hot = frame["channel"].is_in(["Google", "Facebook", "Baidu", "Apple"]).mean()
    cheap = (frame["price"] < 10_000).mean()
    assert frame.height == count * 46 // 50
    assert isinstance(hot, float)
    assert isinstance(cheap, float)
    assert abs(hot - 0.5) < 0.05
    assert abs(cheap - 1 / 3) < 0.05
