"""The table of all functions: one declaration each, by family."""

from __future__ import annotations

from penstock.expr.function import Function
from penstock.expr.functions import calendar, comparison, instants, math, parsing, temporal

FAMILIES = (math, comparison, temporal, calendar, instants, parsing)

FUNCTIONS: dict[str, Function] = {function.name: function for family in FAMILIES for function in family.FUNCTIONS}
