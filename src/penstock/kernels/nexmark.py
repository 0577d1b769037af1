"""The Nexmark events, column by column, each event from `java.util.Random` seeded with its id.

Every event is a pure function of its id and the recipe, so any range can be made alone, in any
order and on any thread. Strings are written straight into a buffer of bytes with one offset per
row, as Arrow lays them out; strings drawn from short lists are numbers that the caller looks up.

The order of the draws is the format: one draw more or less and every later field differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from penstock.core.lazy import np
from penstock.kernels._jit import kernel
from penstock.kernels.nexmark_draws import (
    BLANK,
    Recipe,
    bounded,
    bounded_long,
    extra_size,
    last_auction,
    last_person,
    price,
    random_auction,
    random_person,
    seeded,
    time_ms,
    write_exact,
    write_words,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    Int64s: TypeAlias = npt.NDArray[np.int64]
    Int32s: TypeAlias = npt.NDArray[np.int32]
    Uint16s: TypeAlias = npt.NDArray[np.uint16]
    Bytes: TypeAlias = npt.NDArray[np.uint8]
    Booleans: TypeAlias = npt.NDArray[np.bool_]

PERSON = 0
AUCTION = 1
BID = 2

FIRST_NAMES = 11
LAST_NAMES = 9
CITIES = 10
STATES = 6
HOT_CHANNELS = 4
CHANNELS = 10_000

# Upper bounds of what a row needs, in bytes; a drawn string is shorter than its limit.
EMAIL_BYTES = 15
CARD_BYTES = 19
ITEM_NAME_BYTES = 19
DESCRIPTION_BYTES = 99
PATH_BYTES = 14

_FIRST_ID = 1000
_FIRST_CATEGORY = 10
_CATEGORIES = 5
_HOT_GROUP = 100
_SCRAMBLE = 953


class Text(NamedTuple):
    """Strings as Arrow lays them out.

    Attributes:
        offsets: Where each row begins, and where the last one ends; empty if the column is not wanted.
        data: The characters of all rows, in ASCII.
    """

    offsets: Int64s
    data: Bytes


class PersonColumns(NamedTuple):
    """Where persons are written.

    Attributes:
        numbers: The persons' ids.
        names: Index of each name: first name * LAST_NAMES + last name.
        emails: The e-mail addresses.
        cards: CARD_BYTES characters per row.
        cities: Index of each city.
        states: Index of each state.
        extras: The paddings; may be unwanted.
    """

    numbers: Int64s
    names: Int32s
    emails: Text
    cards: Bytes
    cities: Int32s
    states: Int32s
    extras: Text


class AuctionColumns(NamedTuple):
    """Where auctions are written.

    Attributes:
        numbers: The auctions' ids.
        names: The item names.
        descriptions: The descriptions.
        initial_bids: The first bids in cents.
        reserves: The reserve prices in cents.
        expiries: The times of expiry in microseconds.
        sellers: The ids of the selling persons.
        categories: The categories.
        extras: The paddings; may be unwanted.
    """

    numbers: Int64s
    names: Text
    descriptions: Text
    initial_bids: Int64s
    reserves: Int64s
    expiries: Int64s
    sellers: Int64s
    categories: Int64s
    extras: Text


class BidColumns(NamedTuple):
    """Where bids are written; prices, channels and extras may be empty, which leaves them out.

    Attributes:
        auctions: The auctions' ids.
        bidders: The ids of the bidding persons.
        prices: The prices in cents.
        channels: Index of each channel: HOT_CHANNELS hot ones, then CHANNELS others.
        extras: The paddings.
    """

    auctions: Int64s
    bidders: Int64s
    prices: Int64s
    channels: Int32s
    extras: Text


@kernel
def number_events(
    first: int, count: int, kind: int, recipe: Recipe, positions: Int64s, ids: Int64s, instants: Int64s
) -> int:
    """Find the events of one kind among `count` events from position `first`.

    Args:
        first: Position of the first event; positions count from 0 in order of emission.
        count: How many events to look at.
        kind: PERSON, AUCTION or BID.
        recipe: The recipe.
        positions: Gets each found event's position, less `first`.
        ids: Gets each found event's id, the seed of its fields.
        instants: Gets each found event's time in microseconds.

    Returns:
        How many were found.
    """
    found = 0
    for index in range(count):
        number = recipe.first_event_number + first + index
        if recipe.group_size > 1:
            number += number * _SCRAMBLE % recipe.group_size - number % recipe.group_size
        event = recipe.first_event_id + number
        rest = event % recipe.cycle
        actual = int(rest >= recipe.persons) + int(rest >= recipe.persons + recipe.auctions)
        if actual == kind:
            positions[found] = index
            ids[found] = event
            instants[found] = time_ms(number, recipe) * 1000
            found += 1
    return found


@kernel
def write_persons(ids: Int64s, recipe: Recipe, sizes: Int64s, into: PersonColumns, pairs: Uint16s) -> None:
    """Make the persons of event ids.

    Args:
        ids: Event ids.
        recipe: The recipe.
        sizes: Lengths of the names, by index, and then of the cities.
        into: The columns to fill.
        pairs: The table of character pairs.
    """
    with_extra = len(into.extras.offsets) > 0
    emails = into.emails.data
    cards = into.cards
    at_email = 0
    at_extra = 0
    for row in range(len(ids)):
        event = int(ids[row])
        into.numbers[row] = last_person(event, recipe) + _FIRST_ID
        state, first_name = bounded(seeded(event), FIRST_NAMES)
        state, last_name = bounded(state, LAST_NAMES)
        name = first_name * LAST_NAMES + last_name
        into.names[row] = name
        into.emails.offsets[row] = at_email
        current = 8 + int(sizes[name]) + CARD_BYTES + 2 - at_email
        state, at_email = write_words(state, emails, at_email, 7, BLANK)
        emails[at_email] = 64
        state, at_email = write_words(state, emails, at_email + 1, 5, BLANK)
        emails[at_email] = 46
        emails[at_email + 1] = 99
        emails[at_email + 2] = 111
        emails[at_email + 3] = 109
        at_email += 4
        for group in range(4):
            state, digits = bounded(state, 10_000)
            at_card = row * CARD_BYTES + group * 5
            cards[at_card] = 48 + digits // 1000
            cards[at_card + 1] = 48 + digits // 100 % 10
            cards[at_card + 2] = 48 + digits // 10 % 10
            cards[at_card + 3] = 48 + digits % 10
            if group < 3:
                cards[at_card + 4] = BLANK
        state, city = bounded(state, CITIES)
        state, home = bounded(state, STATES)
        into.cities[row] = city
        into.states[row] = home
        if with_extra:
            into.extras.offsets[row] = at_extra
            current += at_email + int(sizes[FIRST_NAMES * LAST_NAMES + city])
            state, size = extra_size(state, current, recipe.person_bytes)
            write_exact(state, into.extras.data, at_extra, size, pairs)
            at_extra += size
    into.emails.offsets[len(ids)] = at_email
    if with_extra:
        into.extras.offsets[len(ids)] = at_extra


@kernel
def write_auctions(ids: Int64s, instants: Int64s, recipe: Recipe, into: AuctionColumns, pairs: Uint16s) -> None:
    """Make the auctions of event ids.

    Args:
        ids: Event ids.
        instants: The events' times in microseconds.
        recipe: The recipe.
        into: The columns to fill.
        pairs: The table of character pairs.
    """
    with_extra = len(into.extras.offsets) > 0
    ahead = recipe.in_flight_auctions * recipe.cycle // recipe.auctions
    at_name = 0
    at_description = 0
    at_extra = 0
    for row in range(len(ids)):
        event = int(ids[row])
        now_ms = int(instants[row]) // 1000
        into.numbers[row] = last_auction(event, recipe) + _FIRST_ID
        newest = last_person(event, recipe)
        state, cold = bounded(seeded(event), recipe.hot_seller_ratio)
        seller = newest // _HOT_GROUP * _HOT_GROUP
        if cold == 0:
            state, seller = random_person(state, newest, recipe)
        into.sellers[row] = seller + _FIRST_ID
        state, category = bounded(state, _CATEGORIES)
        into.categories[row] = category + _FIRST_CATEGORY
        state, initial_bid = price(state, True)
        horizon_ms = time_ms(event - recipe.first_event_id + ahead, recipe) - now_ms
        state, length_ms = bounded_long(state, max(2 * horizon_ms, 1))
        into.expiries[row] = (now_ms + 1 + length_ms) * 1000
        into.names.offsets[row] = at_name
        into.descriptions.offsets[row] = at_description
        current = 48 - at_name - at_description
        state, at_name = write_words(state, into.names.data, at_name, ITEM_NAME_BYTES + 1, BLANK)
        state, at_description = write_words(state, into.descriptions.data, at_description, DESCRIPTION_BYTES + 1, BLANK)
        state, premium = price(state, True)
        into.initial_bids[row] = initial_bid
        into.reserves[row] = initial_bid + premium
        if with_extra:
            into.extras.offsets[row] = at_extra
            state, size = extra_size(state, current + at_name + at_description, recipe.auction_bytes)
            write_exact(state, into.extras.data, at_extra, size, pairs)
            at_extra += size
    into.names.offsets[len(ids)] = at_name
    into.descriptions.offsets[len(ids)] = at_description
    if with_extra:
        into.extras.offsets[len(ids)] = at_extra


@kernel
def write_bids(ids: Int64s, recipe: Recipe, into: BidColumns, pairs: Uint16s) -> None:
    """Make the bids of event ids.

    Args:
        ids: Event ids.
        recipe: The recipe.
        into: The columns to fill.
        pairs: The table of character pairs.
    """
    with_price = len(into.prices) > 0
    with_channel = len(into.channels) > 0
    with_extra = len(into.extras.offsets) > 0
    at_extra = 0
    for row in range(len(ids)):
        event = int(ids[row])
        newest = last_auction(event, recipe)
        state, cold = bounded(seeded(event), recipe.hot_auction_ratio)
        auction = newest // _HOT_GROUP * _HOT_GROUP
        if cold == 0:
            state, auction = random_auction(state, newest, recipe)
        into.auctions[row] = auction + _FIRST_ID
        newest = last_person(event, recipe)
        state, cold = bounded(state, recipe.hot_bidder_ratio)
        bidder = newest // _HOT_GROUP * _HOT_GROUP + 1
        if cold == 0:
            state, bidder = random_person(state, newest, recipe)
        into.bidders[row] = bidder + recipe.bidder_offset
        state, cents = price(state, with_price)
        if with_price:
            into.prices[row] = cents
        if recipe.has_channels:
            state, hot = bounded(state, 2)
            if hot > 0:
                state, channel = bounded(state, HOT_CHANNELS)
            else:
                state, channel = bounded(state, CHANNELS)
                channel += HOT_CHANNELS
            if with_channel:
                into.channels[row] = channel
        if with_extra:
            into.extras.offsets[row] = at_extra
            state, size = extra_size(state, 32, recipe.bid_bytes)
            write_exact(state, into.extras.data, at_extra, size, pairs)
            at_extra += size
    if with_extra:
        into.extras.offsets[len(ids)] = at_extra


@kernel
def write_paths(seed: int, into: Text, numbered: Booleans) -> None:
    """Draw the three folders of each channel's address, all from one random stream.

    Args:
        seed: Seed of the stream.
        into: Gets the folders, joined by a slash.
        numbered: Gets whether the address names its channel; drawn for channels that are not hot.
    """
    state = seeded(seed)
    position = 0
    for row in range(len(numbered)):
        into.offsets[row] = position
        for part in range(3):
            if part > 0:
                into.data[position] = 47
                position += 1
            state, position = write_words(state, into.data, position, 5, 95)
        numbered[row] = False
        if row >= HOT_CHANNELS:
            state, drawn = bounded(state, 10)
            numbered[row] = drawn > 0
    into.offsets[len(numbered)] = position
