"""The columns of Nexmark events, from arrays that kernels fill to Polars series without a copy.

What an event's fields are is said in `penstock.kernels.nexmark`; here are the lists that names and
places are drawn from, the buffers, and their way into Polars through Arrow.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, cast

from penstock.core.lazy import np, pa, pl
from penstock.kernels import nexmark as kernels
from penstock.kernels.nexmark import AuctionColumns, BidColumns, PersonColumns, Text
from penstock.kernels.nexmark_draws import MARGIN_BYTES, Recipe, pair_table

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

FIRST_NAMES = ("Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter")
LAST_NAMES = ("Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris")
CITIES = (
    *("Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland"),
    *("Bend", "Redmond", "Seattle", "Kent", "Cheyenne"),
)
STATES = ("AZ", "CA", "ID", "OR", "WA", "WY")
HOT_CHANNELS = ("Google", "Facebook", "Baidu", "Apple")

_NAMES = tuple(f"{first} {last}" for first in FIRST_NAMES for last in LAST_NAMES)
_CHANNEL_SEED = 0


class Events:
    """The events of one kind in a range: where they stand, their ids and their times.

    Attributes:
        recipe: What shapes them.
        positions: How far each is behind the first event of the range.
        ids: Their ids, the seeds of their fields.
        instants: Their times in microseconds since 1970.
    """

    def __init__(self, kind: int, first: int, count: int, recipe: Recipe) -> None:
        # All could be of this kind: only whole cycles in order have the proportions exactly.
        positions, ids, instants = (np.empty(count, dtype=np.int64) for _ in range(3))
        found = kernels.number_events(first, count, kind, recipe, positions, ids, instants)
        self.recipe = recipe
        self.positions = positions[:found]
        self.ids = ids[:found]
        self.instants = instants[:found]

    def __len__(self) -> int:
        return len(self.ids)


def person_columns(events: Events, wanted: Set[str]) -> dict[str, pl.Series]:
    """Make the columns of persons.

    Args:
        events: Which persons.
        wanted: The columns that are asked for; others may be missing.

    Returns:
        A series per column.
    """
    rows = len(events)
    into = PersonColumns(
        numbers=np.empty(rows, dtype=np.int64),
        names=np.empty(rows, dtype=np.int32),
        emails=_text(rows, kernels.EMAIL_BYTES),
        cards=np.empty(rows * kernels.CARD_BYTES, dtype=np.uint8),
        cities=np.empty(rows, dtype=np.int32),
        states=np.empty(rows, dtype=np.int32),
        extras=_extra(rows, events.recipe.person_bytes, "extra" in wanted),
    )
    sizes = np.array([len(text) for text in (*_NAMES, *CITIES)], dtype=np.int64)
    kernels.write_persons(events.ids, events.recipe, sizes, into, _pairs())
    card_offsets = np.arange(rows + 1, dtype=np.int64) * kernels.CARD_BYTES
    columns = {
        "id": _numbers(into.numbers),
        "name": _labels(into.names, _NAMES),
        "emailAddress": _strings(into.emails),
        "creditCard": _strings(Text(card_offsets, into.cards)),
        "city": _labels(into.cities, CITIES),
        "state": _labels(into.states, STATES),
        "dateTime": _times(events.instants),
    }
    if "extra" in wanted:
        columns["extra"] = _strings(into.extras)
    return columns


def auction_columns(events: Events, wanted: Set[str]) -> dict[str, pl.Series]:
    """Make the columns of auctions.

    Args:
        events: Which auctions.
        wanted: The columns that are asked for; others may be missing.

    Returns:
        A series per column.
    """
    rows = len(events)
    integers = [np.empty(rows, dtype=np.int64) for _ in range(6)]
    numbers, initial_bids, reserves, expiries, sellers, categories = integers
    into = AuctionColumns(
        numbers=numbers,
        names=_text(rows, kernels.ITEM_NAME_BYTES),
        descriptions=_text(rows, kernels.DESCRIPTION_BYTES),
        initial_bids=initial_bids,
        reserves=reserves,
        expiries=expiries,
        sellers=sellers,
        categories=categories,
        extras=_extra(rows, events.recipe.auction_bytes, "extra" in wanted),
    )
    kernels.write_auctions(events.ids, events.instants, events.recipe, into, _pairs())
    columns = {
        "id": _numbers(numbers),
        "itemName": _strings(into.names),
        "description": _strings(into.descriptions),
        "initialBid": _numbers(initial_bids),
        "reserve": _numbers(reserves),
        "dateTime": _times(events.instants),
        "expires": _times(expiries),
        "seller": _numbers(sellers),
        "category": _numbers(categories),
    }
    if "extra" in wanted:
        columns["extra"] = _strings(into.extras)
    return columns


def bid_columns(events: Events, wanted: Set[str]) -> dict[str, pl.Series]:
    """Make the columns of bids.

    Args:
        events: Which bids.
        wanted: The columns that are asked for; others are missing or cost little.

    Returns:
        A series per column.
    """
    rows = len(events)
    columns = {"dateTime": _times(events.instants)}
    if wanted <= {"dateTime"}:
        return columns
    with_channel = not wanted.isdisjoint(("channel", "url"))
    into = BidColumns(
        auctions=np.empty(rows, dtype=np.int64),
        bidders=np.empty(rows, dtype=np.int64),
        prices=np.empty(rows if "price" in wanted else 0, dtype=np.int64),
        channels=np.empty(rows if with_channel else 0, dtype=np.int32),
        extras=_extra(rows, events.recipe.bid_bytes, "extra" in wanted),
    )
    kernels.write_bids(events.ids, events.recipe, into, _pairs())
    columns |= {"auction": _numbers(into.auctions), "bidder": _numbers(into.bidders), "price": _numbers(into.prices)}
    if with_channel:
        index = pl.Series(into.channels)
        columns |= {name: channel_table()[name].gather(index) for name in ("channel", "url") if name in wanted}
    if "extra" in wanted:
        columns["extra"] = _strings(into.extras)
    return columns


@functools.cache
def channel_table() -> pl.DataFrame:
    """The channels of the shape "flink" and their addresses: four hot ones, then 10,000 others.

    The addresses come from one fixed seed, which is ours: the suite for Flink draws them anew in
    each process.

    Returns:
        The columns `channel` and `url`; a bid's channel is a row of this table.
    """
    count = kernels.HOT_CHANNELS + kernels.CHANNELS
    paths = _text(count, kernels.PATH_BYTES)
    numbered = np.empty(count, dtype=np.bool_)
    kernels.write_paths(_CHANNEL_SEED, paths, numbered)
    numbers = range(kernels.CHANNELS)
    table = pl.DataFrame(
        {
            "channel": [*HOT_CHANNELS, *(f"channel-{number}" for number in numbers)],
            "path": _strings(paths),
            "query": [""] * kernels.HOT_CHANNELS + [f"&channel_id={_reversed_bits(number)}" for number in numbers],
            "numbered": numbered,
        }
    )
    query = pl.when("numbered").then("query").otherwise(pl.lit(""))
    url = pl.concat_str(pl.lit("https://www.nexmark.com/"), "path", pl.lit("/item.htm?query=1"), query)
    return table.select("channel", url.alias("url"))


def _reversed_bits(number: int) -> int:
    """`Math.abs(Integer.reverse(number))` of Java, where the smallest int has no positive twin."""
    reverse = int(f"{number:032b}"[::-1], 2)
    signed = reverse - (1 << 32) if reverse >= 1 << 31 else reverse
    return signed if signed == -(1 << 31) else abs(signed)


@functools.cache
def _pairs() -> Any:
    return pair_table()


def _text(rows: int, bytes_max: int) -> Text:
    """Room for strings; pages that stay unwritten cost nothing."""
    return Text(
        offsets=np.empty(rows + 1, dtype=np.int64),
        data=np.empty(rows * bytes_max + MARGIN_BYTES, dtype=np.uint8),
    )


def _extra(rows: int, average_bytes: int, wanted: bool) -> Text:
    """Room for paddings, which exceed the average size by a fifth at most; none if they are not wanted."""
    if not wanted:
        return Text(offsets=np.empty(0, dtype=np.int64), data=np.empty(0, dtype=np.uint8))
    return _text(rows, average_bytes * 6 // 5 + 1)


def _strings(text: Text) -> pl.Series:
    used = int(text.offsets[-1])
    buffers = [None, pa.py_buffer(text.offsets), pa.py_buffer(text.data[:used])]
    array = pa.Array.from_buffers(pa.large_string(), len(text.offsets) - 1, buffers)
    return cast("pl.Series", pl.from_arrow(array))


def _labels(index: kernels.Int32s, labels: Sequence[str]) -> pl.Series:
    return pl.Series(labels).gather(pl.Series(index))


def _numbers(values: kernels.Int64s) -> pl.Series:
    return pl.Series(values)


def _times(instants: kernels.Int64s) -> pl.Series:
    return pl.Series(instants).cast(pl.Datetime("us", "UTC"))
