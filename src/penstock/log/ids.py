"""The ids of records that were appended within a span, so that none is taken twice."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from penstock.core.errors import SinkError

MOST_IDS = 2_000_000
"""How many ids are remembered: some 300 MB."""


class Place(NamedTuple):
    """Where a record is.

    Attributes:
        partition: Its partition.
        offset: Its offset.
    """

    partition: int
    offset: int


class Ids:
    """Ids in the order in which they came, with the time of their frame.

    Args:
        span_us: For how long they are remembered.
    """

    def __init__(self, span_us: int) -> None:
        self.span_us = span_us
        self._places: OrderedDict[bytes, tuple[int, Place]] = OrderedDict()

    def get(self, key: bytes, now: int) -> Place | None:
        """Where the record with an id is, if it was appended within the span."""
        found = self._places.get(key)
        return found[1] if found is not None and found[0] + self.span_us >= now else None

    def add(self, key: bytes, place: Place, time: int) -> None:
        """Remember an id."""
        self._places[key] = (time, place)
        self._places.move_to_end(key)

    def check_room(self, count: int, now: int) -> None:
        """Forget what is past the span, and check that more ids can be remembered.

        Raises:
            SinkError: If there are too many within the span.
        """
        while self._places:
            key, (time, _) = next(iter(self._places.items()))
            if time + self.span_us >= now:
                break
            del self._places[key]
        if len(self._places) + count > MOST_IDS:
            raise SinkError(
                f"more than {MOST_IDS:,} records with ids within the span of deduplication",
                hint="a shorter span (deduplicate) needs less memory",
            )

    def __len__(self) -> int:
        return len(self._places)
