"""Nexmark events as a source, and as functions.

The events are made in `nexmark_events`; its functions are found here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from penstock.connectors._nexmark_reader import NexmarkReader
from penstock.connectors.base import Reader, ReadRequest, Source, Split
from penstock.connectors.nexmark_events import (
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
from penstock.core.clock import Clock, SystemClock
from penstock.core.dtypes import Datetime, DType, Int64, String, Struct
from penstock.core.errors import PlanError, one_of
from penstock.core.schema import Schema
from penstock.core.spec import option

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "AUCTION_COLUMNS",
    "BID_COLUMNS",
    "FLINK_BID_COLUMNS",
    "PERSON_COLUMNS",
    "SINK",
    "SOURCE",
    "NexmarkConfig",
    "NexmarkSource",
    "auctions",
    "bids",
    "events",
    "interleaved",
    "persons",
]

_MOMENTS = ("dateTime", "expires")
_NUMBERS = ("id", "initialBid", "reserve", "seller", "category", "auction", "bidder", "price")


def _types(columns: Sequence[str]) -> dict[str, DType]:
    moment = Datetime("us", "UTC")
    return {name: moment if name in _MOMENTS else Int64 if name in _NUMBERS else String for name in columns}


class _Kind(NamedTuple):
    """One kind of event: how to make its rows, its columns, how many rows an event has."""

    make: Callable[[int, int, NexmarkConfig, Sequence[str]], pl.DataFrame]
    types: Callable[[NexmarkConfig], dict[str, DType]]
    proportion: Callable[[NexmarkConfig], int] | None

    def share(self, config: NexmarkConfig) -> float:
        """Rows per event."""
        cycle = config.person_proportion + config.auction_proportion + config.bid_proportion
        return 1.0 if self.proportion is None else self.proportion(config) / cycle


def _all(first: int, count: int, config: NexmarkConfig, columns: Sequence[str]) -> pl.DataFrame:
    return interleaved(first, count, config).select(columns)


def _all_types(config: NexmarkConfig) -> dict[str, DType]:
    kinds = {name: Struct(_KINDS[name].types(config)) for name in ("person", "auction", "bid")}
    return {"event_type": Int64, **kinds}


_KINDS: dict[str, _Kind] = {
    "person": _Kind(
        lambda first, count, config, columns: persons(first, count, config, columns=columns),
        lambda config: _types(PERSON_COLUMNS),
        lambda config: config.person_proportion,
    ),
    "auction": _Kind(
        lambda first, count, config, columns: auctions(first, count, config, columns=columns),
        lambda config: _types(AUCTION_COLUMNS),
        lambda config: config.auction_proportion,
    ),
    "bid": _Kind(
        lambda first, count, config, columns: bids(first, count, config, columns=columns),
        lambda config: _types(config.bid_columns),
        lambda config: config.bid_proportion,
    ),
    "all": _Kind(_all, _all_types, None),
}


@dataclass(frozen=True)
class NexmarkSource(Source):
    """The events of one kind, or all of them in one stream; each generator is a split.

    The event time of a bid is `dateTime`; with `out_of_order_group_size` above 1 it is out of order.

    Attributes:
        clock: Tells what is due at a rate.
    """

    connector: ClassVar[str] = "nexmark"

    kind: str = option(
        "bid", doc="Which events; `all` has them as structs.", choices=("bid", "auction", "person", "all")
    )
    events: int | None = option(None, doc="How many events of all kinds there are; by default they never end.")
    rate: float | None = option(None, doc="Events per second; by default as fast as they are wanted.")
    config: Mapping[str, Any] = option({}, doc="What shapes the events: see NexmarkConfig.", example={"shape": "flink"})
    clock: Clock | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise one_of("kind of event", self.kind, _KINDS)
        if self.rate is not None and self.rate <= 0:
            raise PlanError(f"rate is events per second, found {self.rate}")
        for name in self.config:
            if name not in NexmarkConfig.__dataclass_fields__:
                raise one_of("setting of Nexmark", name, NexmarkConfig.__dataclass_fields__)
        proportion = _KINDS[self.kind].proportion
        if proportion is not None and not proportion(self._config):
            raise PlanError(f"there is no {self.kind} among the events", hint=f"{self.kind}_proportion is 0")
        if self.events is None and self._config.generators > 1:
            raise PlanError("several generators share a number of events", hint="say events=")

    @property
    def _config(self) -> NexmarkConfig:
        return NexmarkConfig(**self.config)

    @property
    def bounded(self) -> bool:
        """Whether a number of events was given."""
        return self.events is not None

    def schema(self) -> Schema:
        """The columns of the kind."""
        return Schema.of(_KINDS[self.kind].types(self._config))

    def splits(self) -> Sequence[Split]:
        """One per generator."""
        return [Split(str(number)) for number in range(self._config.generators)]

    def reader(self, split: Split, position: Any, request: ReadRequest) -> Reader:
        """A reader from a position."""
        config, total = self._config, self.events
        if total is not None:
            config, total = config.split(total)[int(split.name)]
        columns = [name for name in request.columns if name in self.schema()]
        kind = _KINDS[self.kind]
        rate = None if self.rate is None else self.rate / config.generators
        clock = self.clock or SystemClock()
        return NexmarkReader(
            lambda first, count: kind.make(first, count, config, columns),
            kind.share(config),
            total,
            rate,
            position,
            request,
            clock,
        )


SOURCE = NexmarkSource
SINK = None
