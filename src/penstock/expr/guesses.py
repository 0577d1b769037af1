"""Methods of expressions that do not exist, and what people mean by them.

Words that mean a declared function are in its `guesses`; here are those that mean something else.
"""

from __future__ import annotations

from penstock.core.errors import UnknownNameError, UnsupportedError

_OVER = "there is .over(keys, rows=..., range=...) of any aggregate: sum, mean, min, max, var, std, median and the rest"
_EARLIER = "there are .shift(n).over(keys) and .diff(n).over(keys)"
_BATCHES = "expressions of col(...), or a computation on the result of .collect()"

PLANNED: dict[str, str] = {
    "cum_prod": _OVER,
    "rolling_median": _OVER,
    "rolling_std": _OVER,
    "rolling_var": _OVER,
    "rank": _OVER,
    "pct_change": _EARLIER,
    "map_batches": _BATCHES,
    "map_elements": _BATCHES,
}
"""What the design has and this version does not, and what there is instead."""

SAME = {
    "cumprod": "cum_prod",
    "apply": "map_elements",
    "map_rows": "map_elements",
    "row_number": "rank",
}
"""Other words for what is planned."""

GUESSES: dict[str, str] = {
    "astype": "cast",
    "as_": "alias",
    "as_type": "cast",
    "rename": "alias",
    "label": "alias",
    "safe_cast": "try_cast",
    "filter_": "filter",
    "where": "filter",
    "replace_strict": "when(...).then(...).otherwise(...)",
    "ifelse": "when(...).then(...).otherwise(...)",
    "if_else": "when(...).then(...).otherwise(...)",
    "isnotnull": "is_not_null",
    "notnull": "is_not_null",
    "isnan": "is_nan",
    "isfinite": "is_finite",
    "isinf": "is_infinite",
    "like": "str.contains",
    "ilike": "str.contains",
    "cumsum": "cum_sum",
    "cumcount": "cum_count",
    "cummax": "cum_max",
    "cummin": "cum_min",
    "lag": "shift",
    "lead": "shift",
    "rolling": "over",
}
"""Words of other libraries, and ours for the same."""


class UnknownFunctionError(UnknownNameError, AttributeError):
    """A function that does not exist; the message names the nearest. `hasattr` is false for it, as it should be."""


class PlannedFunctionError(UnsupportedError, AttributeError):
    """A method of expressions that is planned and not offered yet."""
