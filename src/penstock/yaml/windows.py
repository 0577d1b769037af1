"""Windows, emission and time-to-live as they are written in YAML."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.core.errors import UnknownNameError
from penstock.plan.emission import every
from penstock.plan.keyed_windows import count_window, global_window, hybrid, session, sliding
from penstock.plan.ttl import processing_time
from penstock.plan.windows import cumulative, hopping, tumbling
from penstock.yaml.kinds import COUNT, EXPRESSION, SPAN, TEXT, Context, Key, Kind, mapping, read_keys, text
from penstock.yaml.tree import Node, Scalar, where, wrong

_PLACE = (Key("offset", SPAN, "By how much windows are shifted."), Key("zone", TEXT, "The time zone of calendar days."))
_EVERY = Key("every", SPAN, "How far apart windows begin.", needed=True)


def _gap(node: Node, context: Context) -> Any:
    """A duration, or an expression of durations."""
    value = text(node, "a duration")
    return value if any(letter.isdigit() for letter in value) else EXPRESSION.of(node, context)


_GAP = Kind("a duration", _gap, {"type": "string"})

WINDOWS: dict[str, tuple[tuple[Key, ...], Callable[..., Any]]] = {
    "tumbling": ((Key("tumbling", SPAN, "The size."), *_PLACE), tumbling),
    "hopping": ((Key("hopping", SPAN, "The size."), _EVERY, *_PLACE), hopping),
    "cumulative": ((Key("cumulative", SPAN, "The greatest size."), _EVERY, *_PLACE), cumulative),
    "session": (
        (Key("session", _GAP, "The gap that ends a session."), Key("split_when", EXPRESSION, "Begins a new session.")),
        session,
    ),
    "count": (
        (Key("count", COUNT, "How many rows a window has."), Key("every", COUNT, "How many rows between windows.")),
        count_window,
    ),
    "hybrid": (
        (
            Key("hybrid", COUNT, "How many rows fill a window."),
            Key("size", SPAN, "How long it takes rows.", needed=True),
        ),
        hybrid,
    ),
    "sliding": ((Key("sliding", SPAN, "How far back the window of each row goes."),), sliding),
}
"""The windows by their names: their keys, and what makes them."""


def _window(node: Node, context: Context) -> Any:
    if isinstance(node, Scalar) and node.raw == "global":
        return global_window()
    pairs = mapping(node, "a window", "window: {tumbling: 1 day}, or window: global")
    kinds = [name for name in pairs.items if name in WINDOWS]
    if not kinds:
        name = next(iter(pairs.items), "")
        at = pairs.keys.get(name, node)
        raise UnknownNameError("window", name, [*WINDOWS, "global"], where=where(at))
    keys, make = WINDOWS[kinds[0]]
    given = read_keys(pairs, keys, context, kinds[0])
    return make(given.pop(kinds[0]), **given)


def _emit(node: Node, context: Context) -> Any:
    if isinstance(node, Scalar):
        value = text(node)
        if value in ("close", "change"):
            return value
        raise wrong(node, f'emit is close, change or every, found "{value}"', "emit: {every: 5 s}, emit: {rows: 100}")
    given = read_keys(
        mapping(node, "close, change or every"),
        (Key("every", SPAN), Key("rows", COUNT)), context, "emit",
    )  # fmt: skip
    return every(given.get("every"), rows=given.get("rows"))


def _ttl(node: Node, context: Context) -> Any:
    if isinstance(node, Scalar):
        return SPAN.of(node, context)
    given = read_keys(mapping(node, "a duration"), (Key("processing_time", SPAN, needed=True),), context, "ttl")
    return processing_time(given["processing_time"])


def _clock(node: Node, context: Context) -> Any:
    if text(node) != "processing_time":
        raise wrong(node, f'on is processing_time, found "{text(node)}"', "windows follow the event time without it")
    return processing_time()


def _schema() -> dict[str, Any]:
    forms: list[dict[str, Any]] = [{"const": "global"}]
    for name, (keys, _) in WINDOWS.items():
        needed = [name, *(key.name for key in keys if key.needed)]
        properties = {key.name: {**key.kind.schema, "description": key.doc} for key in keys}
        forms.append(
            {"type": "object", "properties": properties, "required": needed, "additionalProperties": False}
        )  # fmt: skip
    return {"anyOf": forms}


WINDOW = Kind("a window", _window, _schema())
_EITHER = {"type": "object", "properties": {"every": {"type": "string"}, "rows": {"type": "integer"}},
           "additionalProperties": False}  # fmt: skip
EMIT = Kind("close, change or every", _emit, {"anyOf": [{"enum": ["close", "change"]}, _EITHER]})
TTL = Kind(
    "a duration", _ttl,
    {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"processing_time": {"type": "string"}}}]},
)  # fmt: skip
CLOCK = Kind("processing_time", _clock, {"const": "processing_time"})
