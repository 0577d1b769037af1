"""Event time from what users write: a column, an expression, a policy."""

from __future__ import annotations

from typing import Any

from penstock.api.columns import replaced
from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.timespan import duration
from penstock.core.where import caller
from penstock.expr.ast import Column
from penstock.expr.build import Expr
from penstock.operators.select import Select
from penstock.operators.stamp import Stamp
from penstock.operators.watermark import Watermark
from penstock.plan.node import Node
from penstock.plan.watermark import ADVANCE, HOLD, IngestionTime, Silence, alignment, monotonic, policy

EVENT_TIME = "event_time"


def add_event_time(
    node: Node, time: Any, watermark: Any, idle: Any, on_silence: str, align: Any = None, drift: Any = "1 min"
) -> Node:
    """A node with an event time: an expression adds the column `event_time`.

    Raises:
        PlanError: If the time or the policy is not understood, or comes too late in the plan.
    """
    where = caller()
    if on_silence not in (ADVANCE, HOLD):
        raise PlanError(f'on_silence is "advance" or "hold", found {on_silence!r}', where=where)
    if _has_state(node):
        raise UnsupportedError(
            "event time must be named before any verb with state", where=where, hint="move .with_event_time(...) up"
        )
    if isinstance(time, IngestionTime):
        if watermark is not None:
            hint = "leave watermark= out: rows are in order as they are taken"
            raise PlanError("ingestion time has a watermark of its own", where=where, hint=hint)
        name, watermark = EVENT_TIME, monotonic()
        node = Stamp(input=node, column=EVENT_TIME, where=where)
    elif isinstance(time, str):
        name = time
    elif isinstance(time, Expr):
        name = time.term.name if isinstance(time.term, Column) else EVENT_TIME
        if not isinstance(time.term, Column):
            columns = replaced(node.schema, ((EVENT_TIME, time.term),))
            node = Select(input=node, columns=columns, spelling="event_time", where=where)
    else:
        raise PlanError(f"event_time is a column or an expression, found {time!r}", where=where)
    try:
        rule = policy(watermark) if watermark is not None else None
        silence = Silence(duration(idle), on_silence)
        aligned = alignment(align, drift) if align is not None else None
        if aligned is not None and rule is None:
            raise PlanError("align compares watermarks, and this source has none", hint='watermark="5 s"')
    except PlanError as refused:
        raise refused.at(where) from None
    return Watermark(input=node, time=name, policy=rule, silence=silence, align=aligned, where=where)


def _has_state(node: Node) -> bool:
    return node.stateful or any(_has_state(below) for below in node.inputs)
