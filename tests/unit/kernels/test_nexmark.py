"""The Nexmark kernels, compiled against interpreted. What events are is tested with the connector."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.connectors.nexmark import NexmarkConfig
from penstock.kernels.nexmark import AUCTION, BID, PERSON, BidColumns, Text, number_events, write_bids
from penstock.kernels.nexmark_draws import pair_table

CONFIGS = [NexmarkConfig(), NexmarkConfig(shape="flink", first_event_rate=7, out_of_order_group_size=9)]


def fresh_bids(rows: int) -> BidColumns:
    auctions, bidders, prices = (np.zeros(rows, dtype=np.int64) for _ in range(3))
    text = Text(np.zeros(rows + 1, dtype=np.int64), np.zeros(rows * 90, dtype=np.uint8))
    return BidColumns(auctions, bidders, prices, np.zeros(rows, dtype=np.int32), text)


@pytest.mark.parametrize("config", CONFIGS, ids=["beam", "flink"])
def test_compiled_equals_interpreted(config: NexmarkConfig) -> None:
    recipe = config.recipe
    found = []
    for numbering in (number_events, number_events.interpret):
        positions, ids, instants = (np.zeros(120, dtype=np.int64) for _ in range(3))
        count = numbering(999, 120, BID, recipe, positions, ids, instants)
        found.append([array[:count].tolist() for array in (positions, ids, instants)])
    assert found[0] == found[1]
    seeds = np.array(found[0][1], dtype=np.int64)
    written = []
    for writing in (write_bids, write_bids.interpret):
        into = fresh_bids(len(seeds))
        writing(seeds, recipe, into, pair_table())
        columns = (into.auctions, into.bidders, into.prices, into.channels, *into.extras)
        written.append([array.tolist() for array in columns])
    assert written[0] == written[1]


def test_every_event_is_of_one_kind() -> None:
    recipe = CONFIGS[1].recipe
    positions = []
    for kind in (PERSON, AUCTION, BID):
        arrays = [np.zeros(1000, dtype=np.int64) for _ in range(3)]
        count = number_events(0, 1000, kind, recipe, *arrays)
        positions.append(arrays[0][:count].tolist())
    assert [len(part) for part in positions] == [20, 60, 920]
    assert sorted([*positions[0], *positions[1], *positions[2]]) == list(range(1000))
