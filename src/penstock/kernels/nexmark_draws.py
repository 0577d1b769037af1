"""Single draws of the Nexmark recipe: `java.util.Random`, its numbers, prices, ids and strings.

A draw takes the random stream's state and returns the new one first. The arithmetic is Java's: 48
bits of state, remainders that keep the sign. Small functions for kernels only; plain Python runs
them too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from penstock.core.lazy import np
from penstock.kernels._jit import scalar

if TYPE_CHECKING:
    import numpy.typing as npt

    Bytes: TypeAlias = npt.NDArray[np.uint8]
    Uint16s: TypeAlias = npt.NDArray[np.uint16]

BLANK = 32
LETTER_A = 97
# Six characters are written at once, so a buffer needs this much room behind its last row.
MARGIN_BYTES = 8

_ID_LEAD = 10
_MASK_48 = (1 << 48) - 1
_MULTIPLIER = 0x5DEECE66D
_INCREMENT = 0xB
_TWO_31 = 1 << 31
_MASK_32 = (1 << 32) - 1
_LARGEST_INT = _TWO_31 - 1


class Recipe(NamedTuple):
    """What shapes the events, as plain numbers.

    Attributes:
        base_time_ms: Time of event number 0, milliseconds since 1970.
        delay_us: Whole microseconds between two events; used unless `fractional_delay`.
        delay_us_exact: Microseconds between two events as a float; used if `fractional_delay`.
        fractional_delay: Whether the delay is a float.
        first_event_id: Added to an event's number to give its id.
        first_event_number: Number of the event at position 0.
        group_size: Events in a group of which the order is scrambled; 1 keeps order.
        persons: Persons per cycle of events.
        auctions: Auctions per cycle.
        cycle: Events per cycle.
        active_people: How many of the last persons bid and sell.
        in_flight_auctions: How many of the last auctions are bid on.
        hot_auction_ratio: 1 - 1 / this is the share of bids on the hot auction.
        hot_seller_ratio: 1 - 1 / this is the share of auctions by the hot seller.
        hot_bidder_ratio: 1 - 1 / this is the share of bids by the hot bidder.
        person_bytes: Aimed average size of a person.
        auction_bytes: Aimed average size of an auction.
        bid_bytes: Aimed average size of a bid.
        bidder_offset: Added to a bidder's number.
        has_channels: Whether a channel is drawn after a bid's price.
    """

    base_time_ms: int
    delay_us: int
    delay_us_exact: float
    fractional_delay: bool
    first_event_id: int
    first_event_number: int
    group_size: int
    persons: int
    auctions: int
    cycle: int
    active_people: int
    in_flight_auctions: int
    hot_auction_ratio: int
    hot_seller_ratio: int
    hot_bidder_ratio: int
    person_bytes: int
    auction_bytes: int
    bid_bytes: int
    bidder_offset: int
    has_channels: bool


def pair_table() -> Uint16s:
    """Two characters of an exact string for each remainder of a division by 26 * 26.

    Returns:
        At index 675 + r the characters of remainder r, the first one in the low byte. A negative
        remainder gives characters before 'a', as Java's `%` does.
    """
    remainders = np.arange(-675, 676)
    signs = np.sign(remainders)
    sizes = np.abs(remainders)
    first = LETTER_A + signs * (sizes % 26)
    second = LETTER_A + signs * (sizes // 26)
    table: Uint16s = (first + 256 * second).astype(np.uint16)
    return table


@scalar
def seeded(seed: int) -> int:
    """The state of `new Random(seed)`."""
    return (seed ^ _MULTIPLIER) & _MASK_48


@scalar
def advanced(state: int) -> int:
    """The state after one draw."""
    return (state * _MULTIPLIER + _INCREMENT) & _MASK_48


@scalar
def signed_32(state: int) -> int:
    """`nextInt()` of an advanced state."""
    return ((state >> 16) ^ _TWO_31) - _TWO_31


@scalar
def bounded(state: int, bound: int) -> tuple[int, int]:
    """`nextInt(bound)`: a number in [0, bound)."""
    state = (state * _MULTIPLIER + _INCREMENT) & _MASK_48
    drawn = state >> 17
    if bound & (bound - 1) == 0:
        value = (bound * drawn) >> 31
    else:
        value = drawn % bound
        while drawn - value + (bound - 1) >= _TWO_31:
            state = (state * _MULTIPLIER + _INCREMENT) & _MASK_48
            drawn = state >> 17
            value = drawn % bound
    return state, value


@scalar
def bounded_long(state: int, bound: int) -> tuple[int, int]:
    """As `bounded`, for a bound that an int may not hold."""
    if bound < _LARGEST_INT:
        state, value = bounded(state, bound)
    else:
        high = advanced(state)
        state = advanced(high)
        value = abs((signed_32(high) << 32) + signed_32(state)) % bound
    return state, value


@scalar
def price(state: int, wanted: bool) -> tuple[int, int]:
    """A price in cents, log-uniform in [100, 10**8]; 0 if it is not wanted, for the power is dear."""
    high = advanced(state)
    low = advanced(high)
    value = 0
    if wanted:
        fraction = (((high >> 22) << 27) + (low >> 21)) * (1.0 / (1 << 53))
        value = math.floor(math.pow(10.0, fraction * 6.0) * 100.0 + 0.5)
    return low, value


@scalar
def time_ms(number: int, recipe: Recipe) -> int:
    """The time of an event number, milliseconds since 1970."""
    elapsed_us = int(number * recipe.delay_us_exact) if recipe.fractional_delay else number * recipe.delay_us
    return recipe.base_time_ms + elapsed_us // 1000


@scalar
def last_person(event: int, recipe: Recipe) -> int:
    """The newest person's number, counted from 0, when this event happens."""
    return event // recipe.cycle * recipe.persons + min(event % recipe.cycle, recipe.persons - 1)


@scalar
def last_auction(event: int, recipe: Recipe) -> int:
    """The newest auction's number, counted from 0, when this event happens; -1 before the first."""
    rest = event % recipe.cycle - recipe.persons
    return event // recipe.cycle * recipe.auctions + max(min(rest, recipe.auctions - 1), -1)


@scalar
def random_person(state: int, newest: int, recipe: Recipe) -> tuple[int, int]:
    """One of the active persons, or one of those to come."""
    active = min(newest + 1, recipe.active_people)
    state, drawn = bounded(state, active + _ID_LEAD)
    return state, newest + 1 - active + drawn


@scalar
def random_auction(state: int, newest: int, recipe: Recipe) -> tuple[int, int]:
    """One of the auctions in flight, or one of those to come."""
    oldest = max(newest - recipe.in_flight_auctions, 0)
    state, drawn = bounded(state, newest - oldest + 1 + _ID_LEAD)
    return state, oldest + drawn


@scalar
def extra_size(state: int, current: int, average: int) -> tuple[int, int]:
    """The length of the padding that brings a row of `current` bytes to `average` in the mean."""
    size = 0
    if current <= average:
        room = average - current
        spread = math.floor(room * 0.2 + 0.5)
        size = room - spread
        if spread > 0:
            state, drawn = bounded(state, 2 * spread)
            size += drawn
    return state, size


@scalar
def write_exact(state: int, data: Bytes, position: int, size: int, pairs: Uint16s) -> int:
    """Write `size` characters, six from each draw, and up to five that the next string overwrites."""
    end = position + size
    while position < end:
        state = advanced(state)
        drawn = signed_32(state)
        # All digits come from the magnitude, so that the divisions do not wait for each other.
        magnitude = abs(drawn) & _MASK_32
        sign = -1 if drawn < 0 else 1
        first = pairs[675 + sign * (magnitude % 676)]
        second = pairs[675 + sign * (magnitude // 676 % 676)]
        third = pairs[675 + sign * (magnitude // 456_976 % 676)]
        data[position] = first & 255
        data[position + 1] = first >> 8
        data[position + 2] = second & 255
        data[position + 3] = second >> 8
        data[position + 4] = third & 255
        data[position + 5] = third >> 8
        position += 6
    return state


@scalar
def write_words(state: int, data: Bytes, position: int, limit: int, separator: int) -> tuple[int, int]:
    """Write 3 to `limit` - 1 letters and separators, without blanks at the ends; gives the new end."""
    start = position
    state, length = bounded(state, limit - 3)
    for _ in range(3 + length):
        state, gap = bounded(state, 13)
        letter = separator
        if gap > 0:
            state, drawn = bounded(state, 26)
            letter = LETTER_A + drawn
        if letter != BLANK or position > start:
            data[position] = letter
            position += 1
    while position > start and data[position - 1] == BLANK:
        position -= 1
    return state, position
