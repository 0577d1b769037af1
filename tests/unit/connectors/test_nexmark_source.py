"""Nexmark events as a source."""

from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from penstock.connectors.nexmark import NexmarkConfig, NexmarkSource, auctions, bids, events, interleaved, persons
from penstock.core.errors import PlanError, UnknownNameError
from penstock.testing.conform import check_source
from penstock.testing.driver import ManualClock
from tests.unit.connectors.samples import polls, wanted

MAKERS = {"person": persons, "auction": auctions, "bid": bids, "all": interleaved}
kinds = pytest.mark.parametrize("kind", MAKERS)


def everything(source, size=100, position=None, split=0):
    reader = source.reader(source.splits()[split], position, wanted(source.schema()))
    return polls(reader, size)


@kinds
def test_it_keeps_the_contract_of_sources(kind):
    check_source(NexmarkSource(kind, events=200, config={"generators": 2}))


@kinds
@pytest.mark.parametrize("config", [{}, {"shape": "flink"}, {"out_of_order_group_size": 7}])
def test_the_rows_are_those_of_the_functions(kind, config):
    source = NexmarkSource(kind, events=300, config=config)
    frame = pl.concat(polled.frame for polled in everything(source, 17))
    made = MAKERS[kind](0, 300, NexmarkConfig(**config))
    assert_frame_equal(frame, made)
    assert source.schema().to_polars() == dict(made.schema)


def test_generators_share_the_events():
    source = NexmarkSource(events=1000, config={"generators": 3})
    rows = [sum(polled.frame.height for polled in everything(source, split=split)) for split in range(3)]
    assert len(source.splits()) == 3
    assert abs(sum(rows) - 920) <= 3 * 46


def test_reading_goes_on_at_a_position():
    source = NexmarkSource("auction", events=500)
    whole = everything(source, 4)
    for place, polled in enumerate(whole):
        rest = everything(source, 4, polled.position)
        assert [one.offsets for one in rest] == [one.offsets for one in whole[place + 1 :]]


def test_a_rate_gives_events_as_they_are_due():
    clock = ManualClock()
    source = NexmarkSource("all", rate=1000, clock=clock)
    reader = source.reader(source.splits()[0], None, wanted(source.schema(), "event_type"))
    assert reader.poll(10_000) is None
    clock.advance("100 ms")
    assert reader.poll(10_000).frame.height == 100
    assert not reader.ended


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "bidder"}, 'no kind of event "bidder"'),
        ({"rate": 0}, "events per second"),
        ({"config": {"shapes": "flink"}}, 'no setting of Nexmark "shapes"; did you mean "shape"'),
        ({"config": {"generators": 2}}, "share a number of events"),
        ({"config": {"bid_proportion": 0}}, "there is no bid among the events"),
    ],
)
def test_what_makes_no_sense_is_refused(options, message):
    with pytest.raises((PlanError, UnknownNameError), match=message):
        NexmarkSource(**options)


def test_functions_are_found_beside_the_source():
    assert set(events(0, 50)) == {"person", "auction", "bid"}
