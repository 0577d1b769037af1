"""Columns that nobody uses are not read, and not passed on."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from penstock.expr.ast import Column
from penstock.operators.base import Executable
from penstock.operators.joining import TwoInputs
from penstock.operators.lookup import Lookup
from penstock.operators.read import Read
from penstock.operators.refused import Refused
from penstock.operators.select import Select
from penstock.plan.node import Node, walk


def prune_columns(outputs: tuple[Node, ...]) -> tuple[Node, ...]:
    """Narrow the projections and the sources to what is used above them.

    A computed column stays even if nobody uses it, since a row may fail in it.
    """
    wanted = _wanted(outputs)
    new: dict[int, Node] = {}
    for node in walk(*outputs):
        # Narrowed above its old inputs first: as it was it may not fit the narrower ones.
        new[id(node)] = _narrow(node, wanted[id(node)]).replace_inputs(new)
    return tuple(new[id(output)] for output in outputs)


def _narrow(node: Node, used: set[str]) -> Node:
    if isinstance(node, Read):
        return _narrow_read(node, used)
    if isinstance(node, Select):
        kept = tuple((n, t) for n, t in node.columns if n in used or not isinstance(t, Column))
        kept = kept or node.columns[:1]  # rows must still be counted
        return node if kept == node.columns else replace(node, columns=kept)
    if isinstance(node, (TwoInputs, Lookup)):
        return node.narrowed(used)
    return node


def _narrow_read(node: Read, used: set[str]) -> Node:
    names = tuple(name for name in node.columns.names if name in used)
    if not names:
        names = node.columns.names[:1]  # rows must still be counted
    return node if names == node.schema.names else replace(node, wanted=names)


def _wanted(outputs: tuple[Node, ...]) -> dict[int, set[str]]:
    """For each node, by `id`, the columns of it that are used."""
    wanted: dict[int, set[str]] = defaultdict(set)
    for node in reversed(list(walk(*outputs))):
        assert isinstance(node, Executable)
        for below, needs in zip(node.inputs, node.needs(wanted[id(node)]), strict=True):
            wanted[id(below)] |= needs
        if isinstance(node, Refused):
            # Refused rows have all columns of what the verb below was given.
            for given in node.input.inputs:
                wanted[id(given)] |= set(given.schema.names)
    return wanted
