"""An outside source for tests, with known answers and scripted failures; and calls that end when a test says so."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import polars as pl

from penstock.connectors.lookups import Lookup, LookupRequest, LookupSource, frame_of
from penstock.core.clock import Signal
from penstock.core.schema import Schema
from penstock.engine.calls import Calls
from penstock.testing.driver import Driver


@dataclass(frozen=True, eq=False)
class Known(LookupSource):
    """A table that is asked.

    Attributes:
        rows: Its rows; a test may change them.
        columns: Its columns.
        script: What the next calls raise, None for those that succeed; behind its end all do.
        asked: The keys of all calls.
    """

    rows: list[dict[str, Any]]
    columns: Schema
    script: deque[Exception | None] = field(default_factory=deque)
    asked: list[list[tuple[Any, ...]]] = field(default_factory=list)
    connector: ClassVar[str] = "known"

    def schema(self) -> Schema:
        return self.columns

    def lookup(self, request: LookupRequest) -> Lookup:
        return KnownLookup(self, request)

    @property
    def identity(self) -> str:
        return str(id(self))

    def plan_value(self) -> dict[str, Any]:
        return {"role": "lookup", "connector": "known", "options": {}}


class KnownLookup(Lookup):
    def __init__(self, source: Known, request: LookupRequest) -> None:
        self.source, self.request = source, request

    def ask(self, keys: pl.DataFrame) -> pl.DataFrame:
        self.source.asked.append(keys.rows())
        failure = self.source.script.popleft() if self.source.script else None
        if failure is not None:
            raise failure
        # Whatever a source gives besides does no harm.
        return self.load()

    def load(self) -> pl.DataFrame:
        return frame_of(self.source.rows, self.request.schema)


class Hand:
    """Desks whose work is done when the test does it."""

    def __init__(self) -> None:
        self.work: list[Callable[[], None]] = []

    def do(self, work: Callable[[], None]) -> None:
        self.work.append(work)

    def close(self) -> None:
        self.work.clear()

    def finish(self, chosen: random.Random | None = None, most: int | None = None) -> None:
        """Let calls end, in any order."""
        count = len(self.work) if most is None else min(most, len(self.work))
        for _ in range(count):
            self.work.pop(chosen.randrange(len(self.work)) if chosen else 0)()


class Asking:
    """A driver whose calls are made by hand."""

    def __init__(self, driver: Driver) -> None:
        self.driver, self.hand = driver, Hand()
        self.calls = self._calls()

    def _calls(self) -> Calls:
        return Calls(self.driver.engine, self.driver.clock, Signal(), lambda: self.hand)

    def step(self) -> None:
        self.calls.hand_in()
        self.driver.step()
        self.calls.hand_out()

    def restart(self, shards: int = 1) -> None:
        """Go on with another process: what was under way is forgotten."""
        self.driver.restart(shards=shards)
        self.hand.work.clear()
        self.calls = self._calls()

    def settle(self, chosen: random.Random | None = None) -> None:
        """Step until nothing waits, letting the clock pass where that is waited for."""
        for _ in range(10_000):
            self.hand.finish(chosen)
            self.step()
            if not self.calls.waits:
                return
            due = self.calls.due()
            if not self.hand.work and due is not None:
                self.driver.clock.show(self.driver.clock.now() + max(0, due - self.driver.clock.monotonic()))
        raise AssertionError("it never ends")
