"""Nexmark events: persons, auctions and bids of an invented auction house, the same in every run.

The events follow the recipe of Apache Beam's generator: a fresh `java.util.Random` per event, so
that an event is a function of its position and the configuration, and any slice can be made alone.
Columns have the names and the order of the Nexmark suite for Flink.

The shape "flink" adds a channel and an address to each bid, drawn after its price, and takes that
suite's fractional delay between events. That suite itself draws from unseeded streams; which
events there are, their ids, times and proportions agree with it, their other values cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from penstock.connectors.nexmark_columns import Events, auction_columns, bid_columns, person_columns
from penstock.core.errors import PlanError, one_of
from penstock.core.lazy import np, pl
from penstock.kernels.nexmark import AUCTION, BID, PERSON
from penstock.kernels.nexmark_draws import Recipe, time_ms

PERSON_COLUMNS = ("id", "name", "emailAddress", "creditCard", "city", "state", "dateTime", "extra")
AUCTION_COLUMNS = (
    *("id", "itemName", "description", "initialBid", "reserve"),
    *("dateTime", "expires", "seller", "category", "extra"),
)
BID_COLUMNS = ("auction", "bidder", "price", "dateTime", "extra")
FLINK_BID_COLUMNS = ("auction", "bidder", "price", "channel", "url", "dateTime", "extra")

# The random stream has 48 bits of seed: behind that, events would come again.
_LAST_POSITION = 1 << 48
_LARGEST = 1 << 30
_END_OF_TIME_US = 1 << 62
_LARGE = frozenset({"base_time_ms", "first_event_id", "first_event_number"})
_MAY_BE_ZERO = _LARGE | {
    *("bidder_offset", "bid_proportion"),
    *("average_person_bytes", "average_auction_bytes", "average_bid_bytes"),
}


@dataclass(frozen=True, kw_only=True)
class NexmarkConfig:
    """What shapes the events; the defaults are Beam's, for one generator.

    Attributes:
        shape: "beam", or "flink" for bids with `channel` and `url` and for fractional delays.
        first_event_rate: Events per second of event time, over all generators. At shape "beam" the
            delay is rounded to whole microseconds: above 2,000,000 per second time stands still.
        generators: How many generators share the rate; each one's events are further apart.
        base_time_ms: Event time of event number 0, milliseconds since 1970.
        first_event_id: Added to an event's number to give its id, the seed of its fields.
        first_event_number: Number of the event at position 0; numbers give times. The suite for Flink
            has 1 here and in `first_event_id`.
        out_of_order_group_size: Groups of so many events are emitted in scrambled order; 1 keeps order.
            A multiple of 953 repeats events instead, as in Beam.
        person_proportion: Persons per cycle of events.
        auction_proportion: Auctions per cycle.
        bid_proportion: Bids per cycle.
        average_person_bytes: Aimed average size of a person, reached by `extra`.
        average_auction_bytes: Aimed average size of an auction.
        average_bid_bytes: Aimed average size of a bid.
        hot_auction_ratio: 1 - 1/ratio is the share of bids that go to the hot auction.
        hot_sellers_ratio: 1 - 1/ratio is the share of auctions that come from the hot seller.
        hot_bidders_ratio: 1 - 1/ratio is the share of bids that come from the hot bidder.
        in_flight_auctions: How many of the newest auctions get bids.
        active_people: How many of the newest persons sell and bid.
        bidder_offset: Added to a bidder's number. The suite for Flink adds 2000, where persons begin
            at 1000: joins of bidders with persons then meet the wrong person.

    Raises:
        PlanError: A value is out of range, or the shape is unknown.
    """

    shape: Literal["beam", "flink"] = "beam"
    first_event_rate: int = 10_000
    generators: int = 1
    base_time_ms: int = 1_436_918_400_000
    first_event_id: int = 0
    first_event_number: int = 0
    out_of_order_group_size: int = 1
    person_proportion: int = 1
    auction_proportion: int = 3
    bid_proportion: int = 46
    average_person_bytes: int = 200
    average_auction_bytes: int = 500
    average_bid_bytes: int = 100
    hot_auction_ratio: int = 2
    hot_sellers_ratio: int = 4
    hot_bidders_ratio: int = 4
    in_flight_auctions: int = 100
    active_people: int = 1000
    bidder_offset: int = 1000

    def __post_init__(self) -> None:
        if self.shape not in ("beam", "flink"):
            raise one_of("shape", self.shape, ("beam", "flink"))
        for name, value in vars(self).items():
            if name == "shape":
                continue
            least = 0 if name in _MAY_BE_ZERO else 1
            most = _LAST_POSITION if name in _LARGE else _LARGEST
            if not isinstance(value, int) or not least <= value <= most:
                raise PlanError(f"{name} is a whole number from {least} to {most}, not {value!r}")

    @property
    def bid_columns(self) -> tuple[str, ...]:
        """The columns of a bid, in order."""
        return BID_COLUMNS if self.shape == "beam" else FLINK_BID_COLUMNS

    @property
    def recipe(self) -> Recipe:
        """The same as plain numbers, for the kernels."""
        return Recipe(
            base_time_ms=self.base_time_ms,
            delay_us=(1_000_000 + self.first_event_rate // 2) // self.first_event_rate * self.generators,
            delay_us_exact=1_000_000.0 / self.first_event_rate * self.generators,
            fractional_delay=self.shape == "flink",
            first_event_id=self.first_event_id,
            first_event_number=self.first_event_number,
            group_size=self.out_of_order_group_size,
            persons=self.person_proportion,
            auctions=self.auction_proportion,
            cycle=self.person_proportion + self.auction_proportion + self.bid_proportion,
            active_people=self.active_people,
            in_flight_auctions=self.in_flight_auctions,
            hot_auction_ratio=self.hot_auction_ratio,
            hot_seller_ratio=self.hot_sellers_ratio,
            hot_bidder_ratio=self.hot_bidders_ratio,
            person_bytes=self.average_person_bytes,
            auction_bytes=self.average_auction_bytes,
            bid_bytes=self.average_bid_bytes,
            bidder_offset=self.bidder_offset,
            has_channels=self.shape == "flink",
        )

    def split(self, count: int) -> list[tuple[NexmarkConfig, int]]:
        """Share events among the generators: each gets its own ids, all run through the same time.

        Args:
            count: How many events there are in all.

        Returns:
            Per generator its configuration and how many events it makes; the last one takes the rest.
        """
        share = count // self.generators
        shares = [share] * (self.generators - 1) + [count - share * (self.generators - 1)]
        return [
            (replace(self, first_event_id=self.first_event_id + share * index), part)
            for index, part in enumerate(shares)
        ]

    def watermark_us(self, position: int) -> int:
        """The earliest time that the event at a position or any later one can have.

        Args:
            position: How many events were emitted before.

        Returns:
            Microseconds since 1970.
        """
        number = self.first_event_number + position
        number -= number % self.out_of_order_group_size
        return time_ms.python(number, self.recipe) * 1000


def persons(
    first: int, count: int, config: NexmarkConfig | None = None, *, columns: Sequence[str] | None = None
) -> pl.DataFrame:
    """Make the persons among some events.

    Args:
        first: Position of the first event; positions count events of every kind, from 0.
        count: How many events to look at, of every kind.
        config: What shapes the events; the defaults if None.
        columns: Which of PERSON_COLUMNS to make, in this order; all if None. Times are
            `Datetime("us", "UTC")`, numbers are `Int64`.

    Returns:
        One row per person, in order of emission.

    Raises:
        PlanError: The range is negative or beyond the end of time, or a column does not exist.
    """
    found = _events_of(PERSON, first, count, config or NexmarkConfig())
    return _frame(columns, PERSON_COLUMNS, lambda wanted: person_columns(found, wanted))


def auctions(
    first: int, count: int, config: NexmarkConfig | None = None, *, columns: Sequence[str] | None = None
) -> pl.DataFrame:
    """Make the auctions among some events; as `persons`, with the columns AUCTION_COLUMNS.

    Args:
        first: Position of the first event; positions count events of every kind, from 0.
        count: How many events to look at, of every kind.
        config: What shapes the events; the defaults if None.
        columns: Which of AUCTION_COLUMNS to make, in this order; all if None.

    Returns:
        One row per auction, in order of emission. Money is in cents.

    Raises:
        PlanError: The range is negative or beyond the end of time, or a column does not exist.
    """
    found = _events_of(AUCTION, first, count, config or NexmarkConfig())
    return _frame(columns, AUCTION_COLUMNS, lambda wanted: auction_columns(found, wanted))


def bids(
    first: int, count: int, config: NexmarkConfig | None = None, *, columns: Sequence[str] | None = None
) -> pl.DataFrame:
    """Make the bids among some events; as `persons`, with the columns of `config.bid_columns`.

    Args:
        first: Position of the first event; positions count events of every kind, from 0.
        count: How many events to look at, of every kind; 46 of 50 are bids by default.
        config: What shapes the events; the defaults if None.
        columns: Which of `config.bid_columns` to make, in this order; all if None. What is not asked
            for costs next to nothing, and `extra` is most of the work.

    Returns:
        One row per bid, in order of emission. Money is in cents.

    Raises:
        PlanError: The range is negative or beyond the end of time, or a column does not exist.
    """
    config = config or NexmarkConfig()
    found = _events_of(BID, first, count, config)
    return _frame(columns, config.bid_columns, lambda wanted: bid_columns(found, wanted))


def events(first: int, count: int, config: NexmarkConfig | None = None) -> dict[str, pl.DataFrame]:
    """Make all of some events, each kind in its own frame.

    Args:
        first: Position of the first event.
        count: How many events.
        config: What shapes the events; the defaults if None.

    Returns:
        The frames "person", "auction" and "bid", each in order of emission.

    Raises:
        PlanError: The range is negative or beyond the end of time.
    """
    return {
        "person": persons(first, count, config),
        "auction": auctions(first, count, config),
        "bid": bids(first, count, config),
    }


def interleaved(first: int, count: int, config: NexmarkConfig | None = None) -> pl.DataFrame:
    """Make all of some events as one frame in order of emission, as the suite for Flink has it in Kafka.

    Args:
        first: Position of the first event.
        count: How many events.
        config: What shapes the events; the defaults if None.

    Returns:
        `event_type` (0 person, 1 auction, 2 bid) and the structs `person`, `auction` and `bid`, of
        which the two others are null.

    Raises:
        PlanError: The range is negative or beyond the end of time.
    """
    config = config or NexmarkConfig()
    types = np.empty(count, dtype=np.int64)
    columns = []
    for kind, (name, frame) in enumerate(events(first, count, config).items()):
        positions = _events_of(kind, first, count, config).positions
        types[positions] = kind
        # Null is what a frame gives for a row number that is null.
        rows = np.full(count, -1, dtype=np.int64)
        rows[positions] = np.arange(len(positions))
        index = pl.Series(rows)
        columns.append(frame.to_struct(name).gather(index.set(index < 0, None)))
    return pl.DataFrame([pl.Series("event_type", types), *columns])


def _events_of(kind: int, first: int, count: int, config: NexmarkConfig) -> Events:
    if first < 0 or count < 0 or first + count > _LAST_POSITION:
        raise PlanError(f"positions of events are from 0 to 2**48, not from {first} to {first + count}")
    recipe = config.recipe
    # Auctions expire later than the last event.
    ahead = 2 * (recipe.in_flight_auctions * recipe.cycle // recipe.auctions + recipe.group_size)
    if config.watermark_us(first + count + ahead) > _END_OF_TIME_US:
        raise PlanError(
            f"event {first + count} is beyond the end of time at {config.first_event_rate} events per second"
        )
    return Events(kind, first, count, recipe)


def _frame(
    columns: Sequence[str] | None,
    known: Sequence[str],
    build: Callable[[frozenset[str]], dict[str, pl.Series]],
) -> pl.DataFrame:
    wanted = tuple(known if columns is None else columns)
    for name in wanted:
        if name not in known:
            raise one_of("column", name, known)
    built = build(frozenset(wanted))
    return pl.DataFrame([built[name].alias(name) for name in wanted])
