"""Which of several values: the first that is there, another one instead of null or NaN, the greatest."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

from penstock.core.dtypes import FLOATS, DType
from penstock.core.lazy import pl
from penstock.expr.function import Function
from penstock.expr.functions.comparison import COMPARABLE
from penstock.expr.signatures import ORDERED, floating, unified
from penstock.expr.values import equal, less

Types = tuple[DType, ...]


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _extreme(better: Callable[[Any, Any], bool]) -> Callable[..., Any]:
    def meaning(*values: Any, types: Types, returns: DType) -> Any:
        present = [value for value in values if value is not None]
        return reduce(lambda a, b: a if better(a, b) else b, present) if present else None

    return meaning


def _greatest(*values: Any, types: Types, returns: DType) -> Any:
    found = pl.max_horizontal(*values)
    if returns not in FLOATS:
        return found
    # Polars passes NaN over; here it is greater than every number.
    nans = reduce(lambda a, b: a | b, (value.is_nan().fill_null(value=False) for value in values))
    return pl.when(nans).then(pl.lit(math.nan, dtype=pl.Float64)).otherwise(found).cast(_kind(returns))


def _kind(dtype: DType) -> Any:
    return getattr(pl, str(dtype))


def _on_flink(word: str) -> Callable[[Sequence[DType], Mapping[str, Any]], str]:
    """Flink's gives null if one is null, so each null is replaced by one of the others first."""

    def spelling(types: Sequence[DType], options: Mapping[str, Any]) -> str:
        names = [f"{{{i}}}" for i in range(len(types))]
        if len(names) == 1:
            return names[0]
        turned = (", ".join(names[i:] + names[:i]) for i in range(len(names)))
        return word + "(" + ", ".join(f"COALESCE({one})" for one in turned) + ")"

    return spelling


def _listed(types: Sequence[DType], options: Mapping[str, Any]) -> str:
    return f"COALESCE({', '.join(f'{{{i}}}' for i in range(len(types)))})"


FUNCTIONS = (
    Function(
        name="coalesce",
        doc="The first of several values that is not null.",
        signature=unified(),
        polars=lambda *values: pl.coalesce(*values),
        oracle=_first,
        null="all",
        top=True,
        flink=_listed,
        examples=[((None, 2, 3), 2), ((1, None), 1), ((None, None), None)],
        guesses=["nvl", "ifnull", "if_null", "combine_first"],
    ),
    Function(
        name="fill_null",
        doc="The value, or another one where it is null.",
        signature=unified(least=2, most=2),
        polars=lambda a, value: pl.coalesce(a, value),
        oracle=_first,
        null="all",
        flink="COALESCE({0}, {1})",
        examples=[((None, 0), 0), ((1, 0), 1), ((None, None), None)],
        parameters=["value"],
        guesses=["fillna"],
    ),
    Function(
        name="fill_nan",
        doc="The float, or another one where it is NaN; null stays null.",
        signature=floating(2),
        polars=lambda a, value: pl.when(a.is_nan()).then(value).otherwise(a),
        oracle=lambda a, value: value if a is not None and math.isnan(a) else a,
        null="any",
        flink="CASE WHEN CAST({0} AS STRING) = 'NaN' THEN {1} ELSE {0} END",
        examples=[((math.nan, 0.0), 0.0), ((1.5, 0.0), 1.5), ((math.nan, None), None), ((None, 0.0), None)],
        parameters=["value"],
    ),
    Function(
        name="null_if",
        doc="The value, or null where it equals another one.",
        signature=unified(COMPARABLE, least=2, most=2),
        polars=lambda a, other: pl.when(a.eq_missing(other)).then(None).otherwise(a),
        oracle=lambda a, other: None if equal(a, other) else a,
        null="own",
        flink="NULLIF({0}, {1})",
        examples=[((1, 1), None), ((1, 2), 1), ((1, None), 1), ((None, 1), None)],
        parameters=["other"],
        guesses=["nullif"],
    ),
    Function(
        name="max_horizontal",
        doc="The greatest of several values, of which nulls do not count; NaN is greater than every number.",
        signature=unified(ORDERED),
        polars=_greatest,
        typed=True,
        oracle=_extreme(lambda a, b: less(b, a)),
        null="all",
        top=True,
        flink=_on_flink("GREATEST"),
        examples=[((1, 3, 2), 3), ((1, None), 1), ((None, None), None), ((1.0, math.nan), math.nan)],
        guesses=["greatest"],
    ),
    Function(
        name="min_horizontal",
        doc="The least of several values, of which nulls do not count; NaN is greater than every number.",
        signature=unified(ORDERED),
        polars=lambda *values, types, returns: pl.min_horizontal(*values),
        typed=True,
        oracle=_extreme(less),
        null="all",
        top=True,
        flink=_on_flink("LEAST"),
        examples=[((1, 3, 2), 1), ((1, None), 1), ((None, None), None), ((1.0, math.nan), 1.0)],
        guesses=["least"],
    ),
)
