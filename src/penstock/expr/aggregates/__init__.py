"""The table of all aggregates: one declaration each, by family."""

from __future__ import annotations

from penstock.expr.aggregates import apache, basic, collections, distinct, heavy, order, pairs, position, sketches, sql
from penstock.expr.function import Aggregate

FAMILIES = (basic, order, position, sql, pairs, collections, distinct, sketches, apache, heavy)

DISTINCT = distinct.DISTINCT

AGGREGATES: dict[str, Aggregate] = {aggregate.name: aggregate for family in FAMILIES for aggregate in family.AGGREGATES}
