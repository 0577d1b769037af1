"""Aggregates in which equal values count once: `col("x").sum(distinct=True)`.

They keep each value once with how often it came, and so can take rows back. Of those that equal values do not change
(min, max, n_unique, unique, any, all) the plain form is the distinct one; `count(distinct=True)` is `n_unique`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from penstock.core.dtypes import DType
from penstock.core.lazy import pl
from penstock.expr.aggregates import basic, collections, order, position
from penstock.expr.aggregates.collections import distinct_values
from penstock.expr.aggregates.order import joined, no_values, with_value, without_value
from penstock.expr.function import Aggregate, NotOnFlink, RowFault, Spelling

Types = Sequence[DType]
Options = Mapping[str, Any]


def _once(x: Any) -> Any:
    return x.unique(maintain_order=True)


def _of(base: Aggregate, examples: Any, **more: Any) -> Aggregate:
    """An aggregate of one column over its distinct values, each at the place of the first."""

    def result(state: Sequence[Any], **options: Any) -> Any:
        inner = base.init(**options)
        for value in distinct_values(state):
            inner = base.add(inner, value, **options)
        return base.result(inner, **options)

    def flink(types: Types, options: Options) -> Spelling:
        spelled = base.spelling(types, options)
        if isinstance(spelled, NotOnFlink) or "({0}" not in spelled:
            return spelled if isinstance(spelled, NotOnFlink) else NotOnFlink("Flink has no DISTINCT in it")
        return spelled.replace("({0}", "(DISTINCT {0}")

    made: dict[str, Any] = {
        "name": f"{base.name}_distinct",
        "doc": f"As `{base.name}`, and equal values count once: `.{base.name}(distinct=True)`.",
        "method": "",
        "init": no_values,
        "add": with_value,
        "merge": joined,
        "retract": without_value,
        "result": result,
        "retraction": "multiset",
        "polars": lambda x, **options: base.polars(_once(x), **options),
        "words": lambda types, options: None,
        "flink": flink,
        "examples": examples,
        "guesses": (),
    }
    return replace(base, **{**made, **more})


# -- Sums -------------------------------------------------------------------------------------------

_BY_NAME = {one.name: one for family in (basic, collections, order, position) for one in family.AGGREGATES}
_FAR = float(1 << 62)


def _total(state: Sequence[Any]) -> Any:
    sums, inner = _BY_NAME["sum"], None
    for value in distinct_values(state):
        inner = sums.add(inner, value)
    try:
        return sums.result(inner)
    except RowFault:
        return None


def _sum(x: Any) -> Any:
    """The sum, null where whole numbers have wrapped around: then it is far from the sum of them as floats."""
    once = _once(x)
    found, rough = once.sum(), once.to_physical().cast(pl.Float64).sum()
    apart = (found.to_physical().cast(pl.Float64) - rough).abs()
    wrapped = apart.is_finite() & (apart > _FAR) & (apart > rough.abs() * 1e-6)
    return pl.when(~wrapped).then(found)


# -- Declarations -----------------------------------------------------------------------------------

_TWICE = [(1.0,), (1.0,), (4.0,)]

AGGREGATES = (
    _of(
        _BY_NAME["sum"],
        [(_TWICE, 5.0), ([(2,), (2,), (3,)], 5), ([(2**63 - 1,), (1,)], None), ([], None)],
        doc="As `sum`, and equal values count once: `.sum(distinct=True)`. Null where the sum does not fit its type.",
        result=_total,
        polars=_sum,
        gives_null=True,
    ),
    _of(_BY_NAME["mean"], [(_TWICE, 2.5), ([(1,), (1,), (2,)], 1.5), ([], None)]),
    _of(_BY_NAME["var"], [(_TWICE, 4.5), ([(1.0,), (1.0,)], None), ([], None)]),
    _of(_BY_NAME["std"], [([(1.0,), (3.0,), (3.0,)], {"ddof": 0}, 1.0), ([], None)]),
    _of(_BY_NAME["median"], [(_TWICE, 2.5), ([], None)]),
    _of(_BY_NAME["quantile"], [(_TWICE, {"q": 0.0}, 1.0), ([], {"q": 0.5}, None)]),
    _of(_BY_NAME["list"], [([("b",), ("a",), ("b",)], ["b", "a"]), ([], None)]),
    _of(_BY_NAME["str_join"], [([("b",), ("a",), ("b",)], "b,a"), ([], None)]),
)
DISTINCT: dict[str, str] = {
    **{one.name.removesuffix("_distinct"): one.name for one in AGGREGATES},
    "count_values": "n_unique",
    **{name: name for name in ("min", "max", "any", "all", "n_unique", "unique")},
}
"""By the name of an aggregate, the one that `distinct=True` makes of it."""
