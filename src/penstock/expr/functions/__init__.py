"""The table of all functions: one declaration each, by family."""

from __future__ import annotations

from penstock.expr.function import Function
from penstock.expr.functions import (
    arithmetic,
    binary,
    bits,
    calendar,
    comparison,
    conditional,
    instants,
    json,
    lists,
    math,
    nested,
    parsing,
    rounding,
    search,
    sketches,
    sql_arithmetic,
    sql_cast,
    sql_codes,
    sql_collections,
    sql_json,
    sql_patterns,
    sql_temporal,
    sql_text,
    temporal,
    text,
)

FAMILIES = (
    arithmetic,
    rounding,
    math,
    bits,
    comparison,
    conditional,
    text,
    search,
    binary,
    temporal,
    calendar,
    instants,
    parsing,
    lists,
    nested,
    json,
    sql_arithmetic,
    sql_cast,
    sql_text,
    sql_patterns,
    sql_codes,
    sql_temporal,
    sql_collections,
    sql_json,
    sketches,
)

FUNCTIONS: dict[str, Function] = {function.name: function for family in FAMILIES for function in family.FUNCTIONS}
