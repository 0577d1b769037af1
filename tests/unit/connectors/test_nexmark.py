"""Nexmark events against golden values and against a plain-Python twin of the recipe."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from penstock.connectors.nexmark import (
    AUCTION_COLUMNS,
    PERSON_COLUMNS,
    NexmarkConfig,
    auctions,
    bids,
    events,
    interleaved,
    persons,
)
from penstock.connectors.nexmark_columns import channel_table
from penstock.core.errors import PlanError, UnknownNameError
from penstock.kernels._jit import interpreted

BASE_MS = 1_436_918_400_000
FIRST_NAMES = ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"]
LAST_NAMES = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"]
CITIES = [
    "Phoenix",
    "Los Angeles",
    "San Francisco",
    "Boise",
    "Portland",
    "Bend",
    "Redmond",
    "Seattle",
    "Kent",
    "Cheyenne",
]
STATES = ["AZ", "CA", "ID", "OR", "WA", "WY"]

SCRAMBLED = NexmarkConfig(out_of_order_group_size=64)
FLINK = NexmarkConfig(shape="flink", bidder_offset=2000, first_event_id=1, first_event_number=1)
ODD = NexmarkConfig(
    first_event_rate=7,
    generators=3,
    base_time_ms=5,
    first_event_id=123_456,
    out_of_order_group_size=10,
    person_proportion=2,
    auction_proportion=5,
    bid_proportion=6,
    average_person_bytes=70,
    average_auction_bytes=149,
    average_bid_bytes=33,
    hot_auction_ratio=3,
    hot_sellers_ratio=1,
    hot_bidders_ratio=7,
    in_flight_auctions=17,
    active_people=1,
)
CONFIGS = {"beam": NexmarkConfig(), "scrambled": SCRAMBLED, "flink": FLINK, "odd": ODD}


def milliseconds(instant: datetime) -> int:
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def hash_code(text: str) -> int:
    """`String.hashCode` of Java."""
    value = 0
    for byte in text.encode("ascii"):
        value = (31 * value + byte) & 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def lines(count: int) -> Iterator[str]:
    """The events of the default configuration in the line form that the checksums are of."""
    frames = {name: frame.iter_rows() for name, frame in events(0, count).items()}
    for number in range(count):
        if number % 50 == 0:
            *fields, instant, extra = next(frames["person"])
            yield "|".join(map(str, ["P", *fields, milliseconds(instant), extra]))
        elif number % 50 < 4:
            *fields, instant, expires, seller, category, extra = next(frames["auction"])
            times = (milliseconds(instant), milliseconds(expires))
            yield "|".join(map(str, ["A", *fields, *times, seller, category, extra]))
        else:
            auction, bidder, price, instant, extra = next(frames["bid"])
            yield f"B|{auction}|{bidder}|{price}|{milliseconds(instant)}|{extra}"
    assert all(next(rows, None) is None for rows in frames.values())


class JavaRandom:
    """`java.util.Random`, by its documentation."""

    def __init__(self, seed: int) -> None:
        self.state = (seed ^ 0x5DEECE66D) % (1 << 48)

    def next(self, bits: int) -> int:
        self.state = (self.state * 0x5DEECE66D + 0xB) % (1 << 48)
        value = self.state >> (48 - bits)
        return value - (1 << bits) if bits == 32 and value >= 1 << 31 else value

    def integer(self, bound: int) -> int:
        if bound & -bound == bound:
            return (bound * self.next(31)) >> 31
        while True:
            drawn = self.next(31)
            value = drawn % bound
            if drawn - value + bound - 1 < 1 << 31:
                return value

    def double(self) -> float:
        return ((self.next(26) << 27) + self.next(27)) / (1 << 53)

    def words(self, limit: int) -> str:
        letters = ""
        for _ in range(3 + self.integer(limit - 3)):
            letters += " " if self.integer(13) == 0 else chr(97 + self.integer(26))
        return letters.strip(" ")

    def extra(self, current: int, average: int) -> str:
        if current > average:
            return ""
        room = average - current
        spread = math.floor(0.2 * room + 0.5)
        size = room - spread + (self.integer(2 * spread) if spread else 0)
        letters = ""
        while len(letters) < size:
            drawn = self.next(32)
            for _ in range(6):
                quotient = abs(drawn) // 26 * (1 if drawn > 0 else -1)
                letters += chr(97 + drawn - 26 * quotient)
                drawn = quotient
        return letters[:size]

    def price(self) -> int:
        return math.floor(math.pow(10.0, self.double() * 6.0) * 100.0 + 0.5)


class Twin:
    """The recipe, one event at a time and as written down, of nothing but the standard library."""

    def __init__(self, position: int, config: NexmarkConfig) -> None:
        self.config = config
        number = config.first_event_number + position
        group = config.out_of_order_group_size
        self.number = number // group * group + 953 * number % group
        self.event = config.first_event_id + self.number
        self.random = JavaRandom(self.event)
        proportions = (config.person_proportion, config.auction_proportion, config.bid_proportion)
        cycle, rest = divmod(self.event, sum(proportions))
        self.kind = "person" if rest < proportions[0] else "auction" if rest < sum(proportions[:2]) else "bid"
        self.last_person = cycle * proportions[0] + min(rest, proportions[0] - 1)
        if self.kind == "person":
            self.last_auction = cycle * proportions[1] - 1
        elif self.kind == "auction":
            self.last_auction = cycle * proportions[1] + rest - proportions[0]
        else:
            self.last_auction = cycle * proportions[1] + proportions[1] - 1

    def time_ms(self, number: int) -> int:
        if self.config.shape == "flink":
            delay = 1_000_000.0 / self.config.first_event_rate * self.config.generators
            return self.config.base_time_ms + int(number * delay) // 1000
        rate = self.config.first_event_rate
        return self.config.base_time_ms + number * ((1_000_000 + rate // 2) // rate * self.config.generators) // 1000

    def instant(self, milliseconds: int) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)

    def somebody(self) -> int:
        active = min(self.last_person + 1, self.config.active_people)
        return self.last_person + 1 - active + self.random.integer(active + 10)

    def fields(self) -> dict[str, Any]:
        return {"person": self.person, "auction": self.auction, "bid": self.bid}[self.kind]()

    def person(self) -> dict[str, Any]:
        draw = self.random
        name = FIRST_NAMES[draw.integer(11)] + " " + LAST_NAMES[draw.integer(9)]
        email = draw.words(7) + "@" + draw.words(5) + ".com"
        card = " ".join(f"{draw.integer(10_000):04d}" for _ in range(4))
        city, state = CITIES[draw.integer(10)], STATES[draw.integer(6)]
        size = 8 + sum(map(len, (name, email, card, city, state)))
        extra = draw.extra(size, self.config.average_person_bytes)
        instant = self.instant(self.time_ms(self.number))
        return dict(
            zip(PERSON_COLUMNS, (self.last_person + 1000, name, email, card, city, state, instant, extra), strict=True)
        )

    def auction(self) -> dict[str, Any]:
        draw, config = self.random, self.config
        hot = draw.integer(config.hot_sellers_ratio) > 0
        seller = (self.last_person // 100 * 100 if hot else self.somebody()) + 1000
        category = 10 + draw.integer(5)
        first_bid = draw.price()
        cycle = config.person_proportion + config.auction_proportion + config.bid_proportion
        now_ms = self.time_ms(self.number)
        later_ms = self.time_ms(self.number + config.in_flight_auctions * cycle // config.auction_proportion)
        expires = self.instant(now_ms + 1 + draw.integer(max(2 * (later_ms - now_ms), 1)))
        name, description = draw.words(20), draw.words(100)
        reserve = first_bid + draw.price()
        extra = draw.extra(8 + len(name) + len(description) + 40, config.average_auction_bytes)
        money = (name, description, first_bid, reserve)
        values = (self.last_auction + 1000, *money, self.instant(now_ms), expires, seller, category, extra)
        return dict(zip(AUCTION_COLUMNS, values, strict=True))

    def bid(self) -> dict[str, Any]:
        draw, config = self.random, self.config
        oldest = max(self.last_auction - config.in_flight_auctions, 0)
        if draw.integer(config.hot_auction_ratio) > 0:
            auction = self.last_auction // 100 * 100
        else:
            auction = oldest + draw.integer(self.last_auction - oldest + 11)
        hot = draw.integer(config.hot_bidders_ratio) > 0
        bidder = self.last_person // 100 * 100 + 1 if hot else self.somebody()
        row: dict[str, Any] = {
            "auction": auction + 1000,
            "bidder": bidder + config.bidder_offset,
            "price": draw.price(),
        }
        if config.shape == "flink":
            channel = draw.integer(4) if draw.integer(2) > 0 else 4 + draw.integer(10_000)
            row |= channel_table().row(channel, named=True)
        row["dateTime"] = self.instant(self.time_ms(self.number))
        return row | {"extra": draw.extra(32, config.average_bid_bytes)}


def test_java_random() -> None:
    assert [JavaRandom(42).next(32), JavaRandom(42).double()] == [-1170105035, 0.7275636800328681]


@pytest.mark.parametrize(
    ("number", "line_hash"), [(0, -2062227245), (1, -1211677366), (4, -372435839), (5, 692662558), (50, 1726481555)]
)
def test_golden_lines(number: int, line_hash: int) -> None:
    assert hash_code(list(lines(51))[number]) == line_hash


def test_golden_fields() -> None:
    found = events(0, 51)
    start = datetime(2015, 7, 15, tzinfo=UTC)
    person, later_person = found["person"].rows(named=True)
    auction = found["auction"].row(0, named=True)
    assert list(person.values())[:5] == [1000, "Peter Jones", "nhd@xcat.com", "7241 7320 9143 4888", "Portland"]
    assert (person["state"], person["dateTime"]) == ("WY", start)
    assert (later_person["emailAddress"], later_person["creditCard"]) == ("f  y@yumv.com", "0892 2755 1923 0591")
    assert later_person["dateTime"] == start + timedelta(milliseconds=5)
    assert auction["itemName"] == "wkx mgee"
    assert auction["description"] == "eszpqxtdxrvwmmywkmogoahf"
    assert (auction["initialBid"], auction["reserve"]) == (28873, 29448)
    assert (auction["seller"], auction["category"]) == (1000, 13)
    assert auction["expires"] == start + timedelta(milliseconds=11)
    assert found["bid"].select("auction", "bidder", "price").rows()[:2] == [
        (1000, 1001, 32530001),
        (1000, 1009, 468715),
    ]
    late = bids(1_000_004, 1).select("auction", "bidder", "price", "dateTime").row(0)
    assert late == (60927, 21001, 1291, start + timedelta(milliseconds=100_000))


@pytest.mark.parametrize(
    ("count", "checksum"),
    [(1_000, 3127300896556054595), (10_000, 396907002325378828), (100_000, 2285530043894420298)],
)
def test_golden_checksums(count: int, checksum: int) -> None:
    if interpreted() and count > 1_000:
        pytest.skip("too long for interpreted kernels")
    chain = 0
    for line in lines(count):
        chain = (chain * 1_000_003 + hash_code(line)) % (1 << 64)
    assert (chain + (1 << 63)) % (1 << 64) - (1 << 63) == checksum


@pytest.mark.parametrize("name", CONFIGS)
def test_events_equal_their_twin(name: str) -> None:
    config = CONFIGS[name]
    draw = random.Random(name)
    seen = set()
    for position in [*range(130), *(draw.randrange(10 ** draw.randint(3, 10)) for _ in range(150))]:
        twin = Twin(position, config)
        found = {kind: frame.to_dicts() for kind, frame in events(position, 1, config).items()}
        assert found == {"person": [], "auction": [], "bid": []} | {twin.kind: [twin.fields()]}
        seen.add(twin.kind)
    assert seen == {"person", "auction", "bid"}


def test_auction_of_a_very_slow_stream_outlives_an_int() -> None:
    config = NexmarkConfig(first_event_rate=1, generators=2_000)
    drawn = JavaRandom(1)
    drawn.integer(4)
    drawn.integer(5)
    drawn.price()
    value = (drawn.next(32) << 32) + drawn.next(32)
    length_ms = 1 + abs(value) % (2 * 1666 * 2_000_000)
    row = auctions(1, 1, config).row(0, named=True)
    assert row["expires"] - row["dateTime"] == timedelta(milliseconds=length_ms)


@pytest.mark.parametrize("name", CONFIGS)
def test_any_slicing_gives_the_same_rows(name: str) -> None:
    config = CONFIGS[name]
    first, count = 1_237, 700
    whole = events(first, count, config)
    for step in (1, 46, 699) if not interpreted() else (350,):
        cuts = [*range(first, first + count, step), first + count]
        slices = [events(start, end - start, config) for start, end in itertools.pairwise(cuts)]
        for kind, frame in whole.items():
            assert_frame_equal(pl.concat([part[kind] for part in slices]), frame)


def test_groups_are_out_of_order_but_complete() -> None:
    ordered = bids(0, 64 * 50)
    scrambled = bids(0, 64 * 50, SCRAMBLED)
    assert not scrambled["dateTime"].is_sorted()
    assert_frame_equal(scrambled.sort(pl.all()), ordered.sort(pl.all()))
    # A group of 64 spans 6.3 ms, and times are whole milliseconds.
    lag = scrambled["dateTime"].cum_max() - scrambled["dateTime"]
    assert lag.is_between(timedelta(0), timedelta(milliseconds=7)).all()


def test_no_event_is_before_the_watermark() -> None:
    for config in (NexmarkConfig(), SCRAMBLED, FLINK):
        lowest = [watermark_of(position, config) for position in range(0, 300, 7)]
        for position, watermark in zip(range(0, 300, 7), lowest, strict=True):
            times = pl.concat([frame["dateTime"] for frame in events(position, 300 - position, config).values()])
            assert (times >= watermark).all()
        assert lowest == sorted(lowest)
        assert lowest[-1] > lowest[0]


def watermark_of(position: int, config: NexmarkConfig) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=config.watermark_us(position))


def test_delay_of_each_shape() -> None:
    # Beam rounds 1/3 microsecond to nothing, Flink does not.
    assert bids(50_000, 50, NexmarkConfig(first_event_rate=3_000_000))["dateTime"].max() == datetime(
        2015, 7, 15, tzinfo=UTC
    )
    fast = bids(60_004, 1, NexmarkConfig(first_event_rate=3_000_000, shape="flink"))
    assert fast["dateTime"][0] == datetime(2015, 7, 15, tzinfo=UTC) + timedelta(milliseconds=20)


def test_split_gives_each_generator_its_own_events() -> None:
    config = NexmarkConfig(generators=3)
    parts = config.split(1_000)
    assert [(part.first_event_id, count) for part, count in parts] == [(0, 333), (333, 333), (666, 334)]
    people = pl.concat([persons(0, count, part) for part, count in parts])
    assert people["id"].to_list() == list(range(1000, 1020))
    # All start at the same time, and each has a third of the rate.
    assert parts[2][0].watermark_us(10) - BASE_MS * 1000 == 3_000


def test_interleaved_keeps_the_order() -> None:
    frame = interleaved(1_237, 300, SCRAMBLED)
    kinds = ["person", "auction", "bid"]
    for position, row in enumerate(frame.rows(named=True)):
        twin = Twin(1_237 + position, SCRAMBLED)
        assert kinds[row["event_type"]] == twin.kind
        assert {kind: row[kind] for kind in kinds} == dict.fromkeys(kinds) | {twin.kind: twin.fields()}


def test_refused_settings() -> None:
    with pytest.raises(UnknownNameError, match=r'no shape "flin"; did you mean "flink"'):
        NexmarkConfig(shape="flin")  # type: ignore[arg-type]
    with pytest.raises(PlanError, match="hot_auction_ratio is a whole number from 1 to 1073741824, not 0"):
        NexmarkConfig(hot_auction_ratio=0)
    with pytest.raises(PlanError, match="first_event_rate is a whole number"):
        NexmarkConfig(first_event_rate=1.5)  # type: ignore[arg-type]
    with pytest.raises(PlanError, match="base_time_ms is a whole number from 0"):
        NexmarkConfig(base_time_ms=-1)


def test_refused_ranges_and_columns() -> None:
    with pytest.raises(PlanError, match="positions of events"):
        bids(-1, 10)
    with pytest.raises(PlanError, match="positions of events"):
        bids(0, -1)
    with pytest.raises(PlanError, match="positions of events"):
        bids(1 << 48, 1)
    with pytest.raises(PlanError, match="beyond the end of time"):
        bids(1 << 47, 1, NexmarkConfig(first_event_rate=1, generators=1_000_000))
    with pytest.raises(UnknownNameError, match='did you mean "dateTime"'):
        bids(0, 10, columns=["datetime"])
    with pytest.raises(UnknownNameError, match='no column "channel"'):
        bids(0, 10, columns=["channel"])
