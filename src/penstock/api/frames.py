"""From expressions with `.over(...)` to nodes: sorted rows, and one `Over` for each frame."""

from __future__ import annotations

from penstock.api.columns import NamedTerms
from penstock.api.rows import free_name
from penstock.core.errors import PlanError
from penstock.core.where import caller
from penstock.expr.ast import Column, Frame, Over, Term
from penstock.operators.over import Over as OverNode
from penstock.operators.sort import Sort
from penstock.plan.node import UPDATING, Node
from penstock.plan.ordering import SortKey


def with_frames(node: Node, terms: NamedTerms) -> tuple[Node, NamedTerms]:
    """The rows with a column for each function of a frame, and the terms over these columns.

    Rows without functions of frames stay as they are. Frames of one list share one sorting; each pair of keys and
    frame is one node.

    Raises:
        PlanError: If the rows have no event time, by which they would be ordered, or are a Table's.
    """
    found: dict[Over, str] = {}
    taken = set(node.schema.names)

    def change(term: Term) -> Term:
        if not isinstance(term, Over):
            return term
        if term not in found:
            found[term] = free_name("_over", taken)
            taken.add(found[term])
        return Column(found[term])

    changed = tuple((name, term.rewrite(change)) for name, term in terms)
    if not found:
        return node, terms
    groups: dict[tuple[tuple[str, ...], Frame], list[tuple[str, Term]]] = {}
    for over, name in found.items():
        groups.setdefault((over.keys, over.frame), []).append((name, over.function))
    made = in_time_order(node)
    for (keys, frame), functions in groups.items():
        made = OverNode(input=made, keys=keys, frame=frame, functions=tuple(functions), where=caller())
    return made, changed


def in_time_order(node: Node, verb: str = "over") -> Node:
    """The rows in the order of event time.

    Raises:
        PlanError: If they have none, or are a Table's.
    """
    facts = node.facts
    if facts.mode == UPDATING:
        raise PlanError(
            f"the rows of a Table change, and {verb} looks back at rows that do not",
            where=caller(),
            hint="put it before the verb that makes the Table",
        )
    if facts.time is None or not facts.watermarked:
        raise PlanError(
            f"{verb} needs an event time, by which rows are ordered, and this stream has none",
            where=caller(),
            hint="ps.read(..., event_time=...), or .with_event_time(...); a select that drops it loses it",
        )
    if isinstance(node, Sort) and node.by_time:
        return node
    return Sort(input=node, by=(SortKey(facts.time),), where=caller())
