"""Event time and watermarks as they are written in YAML."""

from __future__ import annotations

from typing import Any

from penstock.plan.watermark import ingestion_time, monotonic, punctuated
from penstock.yaml.kinds import EXPRESSION, SPAN, TEXT, Context, Key, Kind, choice, read_keys, text
from penstock.yaml.tree import Mapping, Node, Scalar


def _watermark(node: Node, context: Context) -> Any:
    if isinstance(node, Mapping):
        return punctuated(read_keys(node, _MARKS, context, "watermark")["punctuated"])
    return monotonic() if text(node, "a duration") == "monotonic" else SPAN.of(node, context)


def _event_time(node: Node, context: Context) -> Any:
    """A column or an expression; the word `ingestion_time`, if no column is called so."""
    if isinstance(node, Scalar) and node.raw == "ingestion_time" and node.raw not in context.rows.schema:
        return ingestion_time()
    return EXPRESSION.of(node, context)


_MARKS = (Key("punctuated", EXPRESSION, "Up to when all has come; null says nothing.", needed=True),)
_MARK_SCHEMA = {"type": "object", "properties": {"punctuated": {"type": "string"}}, "additionalProperties": False}


EVENT_TIME = Kind("a column or an expression", _event_time, {"type": "string"})
WATERMARK = (
    Key(
        "watermark",
        Kind("a duration", _watermark, {"anyOf": [{"type": "string"}, _MARK_SCHEMA]}),
        "How far out of order rows are; or monotonic, or {punctuated: EXPRESSION}.",
    ),
    Key("idle", SPAN, "After how long without rows a split no longer holds the watermark back."),
    Key("on_silence", choice("advance", "hold"), "What the watermark does when all splits are idle."),
    Key("align", TEXT, "The group of sources that are read at one pace of event time."),
    Key("drift", SPAN, "How far ahead of its group a split may be."),
)
