"""How joins are said; see `verbs`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.core.timespan import MILLISECOND
from penstock.expr.ast import Column
from penstock.operators.as_table import AsTable
from penstock.spelling.said import (
    BETWEEN,
    NAMES,
    OTHERS,
    PAIR,
    PLAIN,
    ROWS,
    SPAN,
    TERMS,
    TEXT,
    WINDOW,
    Arg,
    Said,
    span_text,
)

Candidates = Iterator[Said]


def _common(node: Any, verb: str, on: str, left: str, right: str, how: str, other: Any) -> Candidates:
    args: list[Arg] = [Arg(verb, ROWS, other)]
    names = [one.name for one in node.left_on if isinstance(one, Column)]
    if node.left_on and node.left_on == node.right_on and len(names) == len(node.left_on):
        args.append(Arg(on, NAMES, tuple(names)))
    elif node.left_on:
        args += [Arg(left, TERMS, node.left_on), Arg(right, OTHERS, node.right_on)]
    if node.how != how:
        args.append(Arg("how", TEXT, node.how))
    if node.condition is not None:
        args.append(Arg("where", PAIR, node.condition))
    if any(node.nulls_equal):
        args.append(Arg("nulls_equal", PLAIN, True))
    for suffix in dict.fromkeys(("_right", *_suffixes(node))):
        more = [Arg("suffix", TEXT, suffix)] if suffix != "_right" else []
        yield Said(node.left, verb, (*args, *more)).of_state(node)


def _suffixes(node: Any) -> list[str]:
    """What may have been added to the names of the right side."""
    return [out[len(name) :] for out, side, name in node.columns if side == "right" and out != name]


def _plus(candidates: Candidates, *more: Arg) -> Candidates:
    for said in candidates:
        yield Said(said.base, said.verb, (*said.args, *more), said.state, said.ttl)


def join(node: Any) -> Candidates:
    """Equal keys."""
    yield from _common(node, "join", "on", "left_on", "right_on", "inner", node.right)


def interval_join(node: Any) -> Candidates:
    """With `within`; the bounds of the node belong to it."""
    between = Arg("within", BETWEEN, (span_text(node.lower), span_text(node.upper)))
    yield from _plus(_common(node, "join", "on", "left_on", "right_on", "inner", node.right), between)
    for closed, low, high in (("left", 0, 1), ("right", 1, 0), ("none", 1, 1)):
        bounds = (span_text(node.lower - low), span_text(node.upper + high))
        if all(one % MILLISECOND == 0 for one in (node.lower - low, node.upper + high)):
            more = (Arg("within", BETWEEN, bounds), Arg("closed", TEXT, closed))
            yield from _plus(_common(node, "join", "on", "left_on", "right_on", "inner", node.right), *more)


def window_join(node: Any) -> Candidates:
    """With `window`."""
    window = Arg("window", WINDOW, node.windows)
    yield from _plus(_common(node, "join", "on", "left_on", "right_on", "inner", node.right), window)


def snapshot_join(node: Any) -> Candidates:
    """`join` with `as_of` the clock; how far the right side is loaded first may be the default."""
    common = list(_common(node, "join", "on", "left_on", "right_on", "inner", node.right))
    clock = Arg("as_of", TEXT, "processing_time")
    for load in ((), (Arg("load", TEXT, "end"),), (Arg("load", TEXT, "none"),)):
        yield from _plus(iter(common), clock, *load)


def asof_join(node: Any) -> Candidates:
    """`join_asof`, or `join` with `as_of`: of a Table of versions."""
    if node.spelling == "join":
        keys = tuple(one.name for one in node.right_on if isinstance(one, Column))
        table = AsTable(input=node.right, keys=keys, delete=node.delete)
        common = _common(node, "join", "on", "left_on", "right_on", "inner", table)
        yield from _plus(common, Arg("as_of", TEXT, "event_time"))
        return
    more = [] if node.strategy == "backward" else [Arg("strategy", TEXT, node.strategy)]
    if node.tolerance is not None:
        more.append(Arg("tolerance", SPAN, span_text(node.tolerance)))
    yield from _plus(_common(node, "join_asof", "by", "by_left", "by_right", "left", node.right), *more)
