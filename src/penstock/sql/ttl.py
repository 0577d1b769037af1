"""How long the state of a SELECT is kept: what its hint STATE_TTL says, or what SET did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.errors import PlanError
from penstock.core.timespan import duration
from penstock.plan.ttl import ProcessingTime, TimeToLive
from penstock.sql.syntax import Select

if TYPE_CHECKING:
    from penstock.sql.bind_query import Queries

STATE_TTL = "STATE_TTL"
TTL_FOR = "GROUP BY, DISTINCT and the first row of each key (ROW_NUMBER() = 1)"
"""What has a state that can expire."""


def state_ttl(binder: Queries, select: Select) -> TimeToLive | None:
    """How long the state of a SELECT is kept; None = for ever.

    Raises:
        PlanError: If its hint says no span of time.
    """
    for hint in select.hints:
        if hint.name == STATE_TTL:
            try:
                (span,) = {value for _, value in hint.options}
                return TimeToLive.of(ProcessingTime(span)) if duration(span) else None
            except (PlanError, ValueError):
                raise binder.text.error(
                    "STATE_TTL says how long the state of a table is kept", select.at, select.at + 6,
                    hint="/*+ STATE_TTL('t' = '1d') */",
                ) from None  # fmt: skip
    return binder.ttl
