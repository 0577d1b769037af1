"""The verb that waits for asynchronous functions of the user: `map_async`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeVar

from penstock.core.errors import PlanError
from penstock.core.timespan import duration
from penstock.core.where import caller
from penstock.expr.user_functions import is_async, reference
from penstock.operators.map_async import MapAsync
from penstock.plan.lookup_options import DEAD_LETTER, LookupOptions, with_retry
from penstock.plan.node import Node

S = TypeVar("S", bound="WaitingVerbs")


class WaitingVerbs:
    """The verbs of rows that wait for functions.

    Attributes:
        node: The rows.
    """

    node: Node

    def map_async(
        self: S,
        function: Callable[..., Any],
        schema: Any = None,
        *,
        parallelism: int = 32,
        ordered: bool = True,
        timeout: Any = "1 min",
        retry: Any = None,
        capacity: int = 10_000,
    ) -> S:
        """The row that an `async` function makes of each row, or none where it gives None; see `MapAsync`.

        Args:
            function: From a row to a dict, or an object of a dataclass.
            schema: The columns it gives, by name; by default those of the TypedDict or dataclass of its annotation.
            parallelism: The most calls at a time; 256 at most.
            ordered: Whether rows leave in the order in which they came; else as soon as their call has ended.
            timeout: How long a call may take; it is cancelled then, and has failed.
            retry: How often a call that failed is made again (never), or a dict of `attempts`, `delay` (100 ms, doubled
                each time) and `most` (10 s).
            capacity: From how many waiting rows on no more are taken from the sources.

        Raises:
            PlanError: If it is not async, or says no columns; or the rows are a Table's.
        """
        mapping = importlib.import_module("penstock.api.mapping")
        try:
            if not is_async(function):
                raise PlanError(f"map_async takes an async function, found {function!r}", hint="map takes any other")
            found = reference(function, awaited=True, deterministic=False)
            columns = mapping._columns(found, schema)
            options = call_options(parallelism, ordered=ordered, timeout=timeout, retry=retry, capacity=capacity)
        except PlanError as refused:
            raise refused.at(caller()) from None
        node = MapAsync(input=self.node, function=found, columns=columns, options=options, where=caller())
        made: S = importlib.import_module("penstock.api.stream").stream(node)
        return made


def call_options(
    parallelism: int = 32,
    *,
    ordered: bool = True,
    timeout: Any = "1 min",
    retry: Any = None,
    capacity: int = 10_000,
) -> LookupOptions:
    """How an asynchronous function is called: row by row, and no failure keeps others from being tried."""
    options = LookupOptions(
        parallelism=parallelism, ordered=ordered, timeout_us=duration(timeout), capacity=capacity, batch=1, attempts=1,
        breaker=0, on_failure=DEAD_LETTER,
    )  # fmt: skip
    return with_retry(options, retry)
