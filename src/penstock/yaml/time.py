"""Event time and watermarks as they are written in YAML."""

from __future__ import annotations

from typing import Any

from penstock.expr.build import Expr
from penstock.plan.watermark import monotonic
from penstock.yaml.kinds import EXPRESSION, SPAN, TEXT, Context, Key, Kind, choice, text
from penstock.yaml.tree import Node


def _watermark(node: Node, context: Context) -> Any:
    return monotonic() if text(node, "a duration") == "monotonic" else SPAN.of(node, context)


def _event_time(node: Node, context: Context) -> Expr:
    found: Expr = EXPRESSION.of(node, context)
    return found


EVENT_TIME = Kind("a column or an expression", _event_time, {"type": "string"})
WATERMARK = (
    Key(
        "watermark", Kind("a duration", _watermark, {"type": "string"}), "How far out of order rows are, or monotonic."
    ),
    Key("idle", SPAN, "After how long without rows a split no longer holds the watermark back."),
    Key("on_silence", choice("advance", "hold"), "What the watermark does when all splits are idle."),
    Key("align", TEXT, "The group of sources that are read at one pace of event time."),
    Key("drift", SPAN, "How far ahead of its group a split may be."),
)
