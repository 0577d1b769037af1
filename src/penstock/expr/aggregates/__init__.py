"""The table of all aggregates: one declaration each, by family."""

from __future__ import annotations

from penstock.expr.aggregates import basic, collections, distinct, order, pairs, position, sketches, sql
from penstock.expr.ast import Aggregation
from penstock.expr.function import Aggregate
from penstock.expr.user_aggregates import user_aggregate_of

FAMILIES = (basic, order, position, sql, pairs, collections, distinct, sketches)

DISTINCT = distinct.DISTINCT

AGGREGATES: dict[str, Aggregate] = {aggregate.name: aggregate for family in FAMILIES for aggregate in family.AGGREGATES}


def declared(term: Aggregation) -> Aggregate:
    """The declaration of an aggregation: that of the table, or of the class that the user wrote."""
    return user_aggregate_of(term) or AGGREGATES[term.aggregate]
