"""The table of all aggregates: one declaration each, by family."""

from __future__ import annotations

from penstock.expr.aggregates import basic, order, position, sql
from penstock.expr.function import Aggregate

FAMILIES = (basic, order, position, sql)

AGGREGATES: dict[str, Aggregate] = {aggregate.name: aggregate for family in FAMILIES for aggregate in family.AGGREGATES}
