"""Trees of inner joins: conditions of ON and WHERE go to the join that has all their tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.core.errors import PlanError
from penstock.sql.bind_expression import conjuncts
from penstock.sql.bind_from import bind_relation
from penstock.sql.bind_join import Joining, bind_join, different
from penstock.sql.join_names import TRUE
from penstock.sql.scope import Related, Scope
from penstock.sql.syntax import (
    Call,
    Derived,
    Exists,
    Expression,
    InQuery,
    Join,
    Name,
    Relation,
    Scalar,
    TableFunction,
    TableName,
)
from penstock.sql.walk import walk

if TYPE_CHECKING:
    from penstock.sql.bind_query import Queries


def bind_joins(
    binder: Queries, join: Join, where: Expression | None, outer: Scope | None
) -> tuple[Related, Expression | None]:
    """A tree of joins, with the conditions of WHERE that are conditions of inner joins; and the rest of WHERE.

    Raises:
        PlanError: If one cannot mean anything.
    """
    leaves: list[Relation] = []
    waiting = conjuncts(where)
    _flatten(join, leaves, waiting)
    if len(leaves) < 2:
        return bind_join(binder, join, outer), where
    bound = [bind_relation(binder, leaf, outer) for leaf in leaves]
    if any(one.window is not None for one in bound):  # the condition of a join of windows is that of ON
        return bind_join(binder, join, outer), where
    related = bound[0]
    for leaf, right in zip(leaves[1:], bound[1:], strict=True):
        different(binder, related, right, leaf)
        joining = Joining(binder, related, right)
        both = joining.scope()
        mine = [one for one in waiting if _fits(binder, one, both) and not _fits(binder, one, Scope(related))]
        mine = [one for one in mine if not _fits(binder, one, Scope(right))]
        taken = joining.take(mine)
        waiting = [one for one in waiting if one not in taken]
        made = Join(leaves[0], leaf, "inner" if joining.left_on else "cross", at=leaf.at, end=leaf.end)
        related = joining.related(joining.node(made.kind, made, None), made)
    rest: Expression | None = None
    for one in waiting:
        rest = one if rest is None else Call("AND", (rest, one), at=rest.at, end=one.end, written="AND")
    return related, rest


def _flatten(relation: Relation, leaves: list[Relation], waiting: list[Expression]) -> None:
    """The leaves of a tree of inner joins, and their conditions."""
    inner = isinstance(relation, Join) and relation.kind in ("inner", "cross")
    if isinstance(relation, Join) and inner and not relation.using and not relation.natural and _plain(relation.right):
        _flatten(relation.left, leaves, waiting)
        _flatten(relation.right, leaves, waiting)
        waiting += [one for one in conjuncts(relation.condition) if one != TRUE]
    else:
        leaves.append(relation)


def _plain(relation: Relation) -> bool:
    """Whether a side can be read without the other."""
    match relation:
        case TableName(as_of=as_of):
            return as_of is None
        case TableFunction(lateral=lateral) | Derived(lateral=lateral):
            return not lateral
    return True


def _fits(binder: Queries, condition: Expression, scope: Scope) -> bool:
    """Whether all names of a condition are in a scope; one with a query in it is none of a join's."""
    for one in walk(condition):
        if isinstance(one, (InQuery, Exists, Scalar)):
            return False
        if isinstance(one, Name):
            try:
                scope.find(one, binder.text)
            except PlanError:
                return False
    return True
