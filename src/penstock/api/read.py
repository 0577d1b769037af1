"""`read`: a source becomes a Stream."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from penstock.api.references import filled
from penstock.api.stream import Stream, stream
from penstock.api.timing import add_event_time
from penstock.connectors.base import Source
from penstock.core.dtypes import as_dtype
from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.lazy import pl
from penstock.core.schema import Field, Schema
from penstock.core.where import Where, caller
from penstock.operators.read import Read
from penstock.plan.node import Node


def read(
    source: Any,
    *,
    schema: Any = None,
    event_time: Any = None,
    watermark: Any = None,
    name: str | None = None,
    idle: Any = "1 min",
    on_silence: str = "advance",
    align: str | None = None,
    drift: Any = "1 min",
    extra: str = "ignore",
    mask: Mapping[str, str] | None = None,
    durable: Any = None,
    **later: Any,
) -> Stream:
    """The rows of a source as a Stream.

    Args:
        source: A connector's source, a Polars or Arrow frame, a list of dicts, or a `penstock.flow.Source`, whose
            elements are dicts (or values of the only column); `FlowSource(flow, bounded=True)` is one that ends.
        schema: A dict of types, a Polars or Arrow schema, or an annotated class; without it the source is asked.
        event_time: A Datetime column, or an expression (which adds the column `event_time`), or `ps.ingestion_time()`.
        watermark: How far out of order rows are: `"5 s"`, `ps.monotonic()`, `ps.punctuated(...)`. Must be
            stated for unbounded sources with an event time; a bounded one without it closes its windows at its end.
        name: What the source is called in messages and reports.
        idle: After how long without rows a split no longer holds the watermark back.
        on_silence: When all splits are idle: `"advance"` with the clock, or `"hold"`.
        align: The name of a group of sources that are read at one pace of event time: a split whose watermark is too
            far ahead of the least one of the group is not read until the others have come. Splits that are silent or
            have ended are not waited for. It bounds what windows and joins of sources of unlike speed must keep.
        drift: How far ahead of its group a split may be. It is looked at between steps, so a step may pass it.
        extra: What unknown fields do: `"ignore"`, or `"forbid"` (the row is refused).
        mask: How columns are hidden from people: `{"email": "hash"}`.
        durable: For a flow: the log (a name, or a directory) that keeps its elements before they are rows. Without it a
            flow is read at most once, with it at least once.
        **later: Options that are not offered yet.

    Raises:
        PlanError: If the source, its schema or its event time cannot be what was said.
    """
    where = caller()
    try:
        if later:
            raise _later(later)
        if extra not in ("ignore", "forbid"):
            kind = UnsupportedError if extra == "keep" else PlanError
            raise kind(f'extra is "ignore" or "forbid", found {extra!r}')
        declared = schema_of(schema, where) if schema is not None else None
        opened = source if isinstance(source, Source) else _of_program(source, declared, durable)
        if durable is not None and opened.connector != "flow":
            raise PlanError("durable= is about flows: other sources have positions of their own")
        columns = declared if declared is not None else filled(opened).schema()
    except PlanError as refused:
        raise refused.at(where) from None
    masks = tuple((mask or {}).items())
    chosen = name or opened.default_name()
    node: Node = Read(source=opened, name=chosen, columns=columns, extra=extra, masks=masks, where=where)
    if event_time is not None:
        node = add_event_time(node, event_time, watermark, idle, on_silence, align, drift)
    elif watermark is not None:
        raise PlanError("a watermark is about an event time: say event_time= too", where=where)
    elif align is not None:
        raise PlanError("align is about event time: say event_time= and watermark= too", where=where)
    return stream(node)


def _later(options: Mapping[str, Any]) -> PlanError:
    known = ("metadata", "start", "stop", "max_error_rate", "on_error")
    first = next(iter(options))
    if first in known:
        return UnsupportedError(f"read(..., {first}=) is planned and not offered yet")
    return PlanError(f'read has no option "{first}"')


def _of_program(value: Any, schema: Schema | None, durable: Any) -> Source:
    if type(value).__module__ == "penstock.flow.shapes":  # who has a flow has loaded it
        from penstock.connectors.flow import FlowSource

        return FlowSource(value, durable=durable)
    return _memory(value, schema)


def _memory(value: Any, schema: Schema | None) -> Source:
    # The memory connector needs Polars; a plan over files need not load it before it is asked.
    from penstock.connectors.memory import as_source

    return as_source(value, schema)


def schema_of(value: Any, where: Where | None = None) -> Schema:
    """A schema from what users write: a dict, a Polars or Arrow schema, or an annotated class.

    Raises:
        PlanError: If it is none of these.
    """
    if isinstance(value, Schema):
        return value
    if isinstance(value, Mapping):
        return Schema.of(dict(value))
    if isinstance(value, type) and getattr(value, "__annotations__", None):
        return _of_class(value)
    if type(value).__module__.startswith("pyarrow"):
        empty = pl.from_arrow(value.empty_table())
        return Schema.of(dict(empty.schema))  # type: ignore[union-attr]
    raise PlanError(
        f"a schema is a dict, a Polars or Arrow schema, or an annotated class, found {value!r}", where=where
    )


def _of_class(cls: type) -> Schema:
    hints = typing.get_type_hints(cls)
    if dataclasses.is_dataclass(cls):
        names = [field.name for field in dataclasses.fields(cls)]
    else:
        names = [
            name for name in hints if not name.startswith("_") and typing.get_origin(hints[name]) is not typing.ClassVar
        ]
    return Schema(tuple(Field(name, as_dtype(hints[name]), _optional(hints[name])) for name in names))


def _optional(hint: Any) -> bool:
    return type(None) in typing.get_args(hint)
