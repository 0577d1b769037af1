"""What a node is in the words of the Python face, which are also those of YAML: a verb with its arguments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from penstock.core.timespan import Span
from penstock.expr.ast import Aggregation as AggregationTerm
from penstock.expr.ast import Apply, Case, Cast, Column, Over, Term
from penstock.expr.ast import Call as CallTerm
from penstock.expr.ast import Lag as LagTerm
from penstock.plan.node import Node

TERM = "term"
"""A term over the rows: a condition, an expression."""
TERMS = "terms"
"""Several of them."""
NAMED = "named"
"""Columns: names with terms."""
NAMES = "names"
"""Names of columns."""
NAME = "name"
"""One name of a column."""
TEXT = "text"
"""A word, or a name that is free."""
PLAIN = "plain"
"""A number, true or false."""
FLAGS = "flags"
"""True or false, or one for each."""
SPAN = "span"
"""A length of time, as a text."""
BETWEEN = "between"
"""Two of them."""
TYPES = "types"
"""Names of columns with types."""
RENAMES = "renames"
"""Old names with new ones."""
CONDITIONS = "conditions"
"""Names with conditions."""
WINDOW = "window"
EMIT = "emit"
CLOCK = "clock"
TTL = "ttl"
POLICY = "policy"
ROWS = "rows"
"""Another stream."""
STREAMS = "streams"
OTHERS = "others"
"""Terms over the rows of the other side."""
PAIR = "pair"
"""A term over a row of each side."""
FUNCTION = "function"
SCHEMA = "schema"
INGESTION = "ingestion"
SAME = "same"
"""No verb: only the name of the state is said."""


@dataclass(frozen=True)
class Arg:
    """An argument.

    Attributes:
        name: Its name; the first argument of a verb has that of the verb in YAML.
        kind: What it is: one of the constants of this module.
        value: Its value, as the plan has it.
    """

    name: str
    kind: str
    value: Any = None


@dataclass(frozen=True)
class Said:
    """A verb with its arguments, and the rows that it is a method of.

    Attributes:
        base: The rows.
        verb: The verb.
        args: Its arguments, its own first.
        where: The node below it that terms are over, if it is another than `base`.
        state: The name of its state, if it has one.
        ttl: How long keys are kept, if that was said.
    """

    base: Node
    verb: str
    args: tuple[Arg, ...] = ()
    state: str | None = None
    ttl: Any = None

    def get(self, name: str) -> Any:
        """The value of an argument; None if it is not there."""
        return next((arg.value for arg in self.args if arg.name == name), None)

    def streams(self) -> Iterator[Node]:
        """The nodes that it reads: its base, and those among its arguments."""
        yield self.base
        for arg in self.args:
            if arg.kind == ROWS:
                yield arg.value
            elif arg.kind == STREAMS:
                yield from arg.value

    def of_state(self, node: Node) -> Said:
        """The same with the name and the time-to-live of the state of a node."""
        return replace(self, state=node.state_name, ttl=getattr(node, "ttl", None))


def span_text(us: int) -> str:
    """Microseconds as a length of time."""
    return f"-{Span(us=-us)}" if us < 0 else str(Span(us=us))


def restored(term: Term, known: dict[str, Term]) -> Term:
    """The term with other terms in the place of some columns, and in theirs again."""
    match term:
        case Column(name):
            return restored(known[name], known) if name in known else term
        case CallTerm(function, args, options):
            return CallTerm(function, tuple(restored(a, known) for a in args), options)
        case Cast(inner, dtype, strict):
            return Cast(restored(inner, known), dtype, strict)
        case Case(branches, otherwise):
            pairs = tuple((restored(c, known), restored(v, known)) for c, v in branches)
            return Case(pairs, restored(otherwise, known))
        case AggregationTerm(_, args, where, _):
            inside = None if where is None else restored(where, known)
            return replace(term, args=tuple(restored(a, known) for a in args), where=inside)
        case Apply(function, args):
            return Apply(function, tuple(restored(a, known) for a in args))
        case Over(function, keys, frame):
            return Over(restored(function, known), keys, frame)
        case LagTerm(inner, rows):
            return LagTerm(restored(inner, known), rows)
    return term
