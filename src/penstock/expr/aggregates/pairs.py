"""Aggregates of pairs of numbers: covariance, correlation and the straight line of least squares.

The first column is the one an aggregate is called on: `col("y").regr_slope("x")`, as SQL's REGR_SLOPE(y, x). Of a pair
with a null nothing counts. Covariance is kept in accumulators. The others are ratios: what rounding leaves behind when
rows are taken back would be noise in them, so that of changing rows they keep the pairs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from penstock.core.dtypes import DType, Float64, Int64
from penstock.core.errors import PlanError
from penstock.core.lazy import np, pl
from penstock.expr.aggregates.order import joined, no_values, with_value, without_value
from penstock.expr.exact_sums import as_float
from penstock.expr.function import Aggregate, NotOnFlink, Signature, Words
from penstock.expr.signatures import NUMBER, takes

Types = Sequence[DType]
Options = Mapping[str, Any]

# -- Meaning ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PairSums:
    """Exact sums over pairs.

    Attributes:
        count: How many pairs.
        odd: In how many a number is not finite; they are in no sum.
        x: The sum of the first numbers.
        y: The sum of the second ones.
        xx: The sum of the squares of the first.
        yy: The sum of the squares of the second.
        xy: The sum of the products.
    """

    count: int = 0
    odd: int = 0
    x: Fraction = Fraction(0)
    y: Fraction = Fraction(0)
    xx: Fraction = Fraction(0)
    yy: Fraction = Fraction(0)
    xy: Fraction = Fraction(0)

    def plus(self, x: float, y: float, sign: int = 1) -> PairSums:
        """With a pair more, or one less."""
        if not (math.isfinite(x) and math.isfinite(y)):
            return replace(self, count=self.count + sign, odd=self.odd + sign)
        a, b = Fraction(x), Fraction(y)
        sums = (self.x + sign * a, self.y + sign * b)
        products = (self.xx + sign * a * a, self.yy + sign * b * b, self.xy + sign * a * b)
        return PairSums(self.count + sign, self.odd, *sums, *products)

    def merged(self, other: PairSums) -> PairSums:
        """Those of two parts of a group."""
        mine, theirs = (vars(one).values() for one in (self, other))
        return PairSums(*(a + b for a, b in zip(mine, theirs, strict=True)))

    def spreads(self) -> tuple[Fraction, Fraction, Fraction]:
        """Sums of squared distances from the means, of the first and the second, and of their products."""
        x, y, n = self.x, self.y, self.count
        return self.xx - x * x / n, self.yy - y * y / n, self.xy - x * y / n


def _sums(state: Sequence[tuple[float, float]]) -> PairSums:
    found = PairSums()
    for x, y in state:
        found = found.plus(x, y)
    return found


def _covariance(state: PairSums, ddof: int) -> float | None:
    if state.count <= ddof:
        return None
    return math.nan if state.odd else as_float(state.spreads()[2] / (state.count - ddof))


def _correlation(state: PairSums) -> float | None:
    xx, yy, xy = state.spreads()
    if xx == 0 or yy == 0:
        return None
    return math.copysign(math.sqrt(xy * xy / (xx * yy)), xy)


# The first column depends on the second.
def _slope(state: PairSums) -> float | None:
    _, xx, xy = state.spreads()
    return as_float(xy / xx) if xx else None


def _intercept(state: PairSums) -> float | None:
    _, xx, xy = state.spreads()
    return as_float((state.x - xy / xx * state.y) / state.count) if xx else None


def _share(state: PairSums) -> float | None:
    yy, xx, xy = state.spreads()
    if xx == 0:
        return None
    return as_float(xy * xy / (xx * yy)) if yy else 1.0


# -- Lowering ---------------------------------------------------------------------------------------


def _products(a: Any, b: Any) -> Any:
    return ((a - a.mean()) * (b - b.mean())).sum()


def _one_value(a: Any) -> Any:
    # A mean of equal numbers may differ from them by rounding, and the least and greatest do not.
    return a.min() == a.max()


def _or_nan(x: Any, y: Any, found: Any) -> Any:
    finite = x.is_finite().all() & y.is_finite().all()
    return pl.when(finite).then(found).otherwise(math.nan)


def _polars_covariance(x: Any, y: Any, ddof: int) -> Any:
    found = _or_nan(x, y, _products(x, y) / (pl.len().cast(pl.Int64) - ddof))
    return pl.when(pl.len().cast(pl.Int64) > ddof).then(found)


def _polars_correlation(x: Any, y: Any) -> Any:
    found = (_products(x, y) / (_products(x, x).sqrt() * _products(y, y).sqrt())).clip(-1.0, 1.0)
    return _or_nan(x, y, pl.when(~(_one_value(x) | _one_value(y))).then(found))


def _polars_slope(y: Any, x: Any) -> Any:
    return _or_nan(x, y, pl.when(~_one_value(x)).then(_products(x, y) / _products(x, x)))


def _polars_intercept(y: Any, x: Any) -> Any:
    found = y.mean() - _products(x, y) / _products(x, x) * x.mean()
    return _or_nan(x, y, pl.when(~_one_value(x)).then(found))


def _polars_share(y: Any, x: Any) -> Any:
    both = (_products(x, y) ** 2 / (_products(x, x) * _products(y, y))).clip(0.0, 1.0)
    return _or_nan(x, y, pl.when(~_one_value(x)).then(pl.when(_one_value(y)).then(1.0).otherwise(both)))


# -- Words ------------------------------------------------------------------------------------------

_PAIR = (("covariance", (0, 1)),)


def _covariance_words(types: Types, options: Options) -> Words:
    ddof = options["ddof"]

    def finish(read: Any) -> tuple[Any, Any]:
        count, odd, _, _, _, _, xy = read
        found = np.where(odd > 0, np.nan, xy / np.maximum(count - ddof, 1))
        return found, count + odd > ddof

    return Words(kinds=_PAIR, finish=finish)


def _ratio_words(ratio: Callable[..., tuple[Any, Any]]) -> Callable[[Types, Options], Words]:
    def finish(read: Any) -> tuple[Any, Any]:
        count, odd, x, y, xx, yy, xy = read
        with np.errstate(divide="ignore", invalid="ignore"):
            found, valid = ratio(x, y, xx, yy, xy)
        return np.where(odd > 0, np.nan, found), (odd > 0) | (valid & (count > 0))

    return lambda types, options: Words(kinds=_PAIR, finish=finish)


def _correlation_of(x: Any, y: Any, xx: Any, yy: Any, xy: Any) -> tuple[Any, Any]:
    return np.clip(xy / (np.sqrt(xx) * np.sqrt(yy)), -1.0, 1.0), (xx > 0) & (yy > 0)


def _slope_of(x: Any, y: Any, xx: Any, yy: Any, xy: Any) -> tuple[Any, Any]:
    return xy / yy, yy > 0


def _intercept_of(x: Any, y: Any, xx: Any, yy: Any, xy: Any) -> tuple[Any, Any]:
    return x - xy / yy * y, yy > 0


def _share_of(x: Any, y: Any, xx: Any, yy: Any, xy: Any) -> tuple[Any, Any]:
    return np.where(xx > 0, np.clip(xy * xy / (xx * yy), 0.0, 1.0), 1.0), yy > 0


# -- Declarations -----------------------------------------------------------------------------------


def _pair_type(types: Types, options: Options) -> Signature:
    takes(NUMBER, NUMBER, returns=Float64)(types, options)
    ddof = options.get("ddof", 0)
    if isinstance(ddof, bool) or not isinstance(ddof, int) or ddof < 0:
        raise PlanError(f'"ddof" is a whole number from 0, found {ddof!r}')
    return Signature((Float64, Float64), Float64)


_NONE = NotOnFlink("Flink has no aggregate of pairs")
_LINE = [(3.0, 1.0), (5.0, 2.0), (7.0, 3.0)]
_BENT = [(1.0, 1.0), (3.0, 2.0), (2.0, 3.0)]


def _ratio(name: str, doc: str, meaning: Any, polars: Any, of: Any, examples: Any, guesses: Any = ()) -> Aggregate:
    def result(state: Sequence[tuple[float, float]]) -> float | None:
        found = _sums(state)
        return math.nan if found.odd else meaning(found)

    return Aggregate(
        name=name,
        doc=doc,
        arity=2,
        signature=_pair_type,
        init=no_values,
        add=with_value,
        merge=joined,
        retract=without_value,
        result=result,
        retraction="multiset",
        polars=polars,
        words=_ratio_words(of),
        flink=_NONE,
        examples=examples,
        guesses=guesses,
        gives_null=True,
    )


AGGREGATES = (
    Aggregate(
        name="cov",
        doc="The covariance with another column, with `ddof` degrees of freedom taken off (1: of a sample, 0: of a "
        "population); null for too few pairs, NaN if a number is not finite.",
        arity=2,
        signature=_pair_type,
        init=lambda ddof: PairSums(),
        add=lambda state, x, y, ddof: state.plus(x, y),
        merge=lambda a, b: a.merged(b),
        retract=lambda state, x, y, ddof: state.plus(x, y, -1),
        result=_covariance,
        retraction="invertible",
        polars=_polars_covariance,
        words=_covariance_words,
        options={"ddof": 1},
        flink=_NONE,
        examples=[(_LINE, 2.0), (_BENT, {"ddof": 0}, 1 / 3), ([(1.0, 1.0)], None), ([], None)],
        guesses=("covar", "covariance", "covar_pop", "covar_samp"),
        gives_null=True,
    ),
    _ratio(
        "corr",
        "Pearson's correlation with another column, from -1 to 1; null if one of the two does not vary, NaN if a "
        "number is not finite.",
        _correlation,
        _polars_correlation,
        _correlation_of,
        [([(0.0, 1.0), (2.0, 2.0), (0.0, 1.0), (2.0, 2.0)], 1.0), ([(1.0, 1.0)], None), ([], None)],
        ("correlation", "pearson_corr"),
    ),
    _ratio(
        "regr_slope",
        "The slope of the line of least squares that gives the column from another one; null if that does not vary.",
        _slope,
        _polars_slope,
        _slope_of,
        [(_LINE, 2.0), (_BENT, 0.5), ([(1.0, 1.0)], None), ([], None)],
        ("slope", "linear_regression"),
    ),
    _ratio(
        "regr_intercept",
        "Where the line of least squares is at zero of the other column; null if that does not vary.",
        _intercept,
        _polars_intercept,
        _intercept_of,
        [(_LINE, 1.0), (_BENT, 1.0), ([(1.0, 1.0)], None), ([], None)],
        ("intercept",),
    ),
    _ratio(
        "regr_r2",
        "The share of the variance that the line of least squares explains: the square of the correlation, 1 if the "
        "column does not vary; null if the other one does not.",
        _share,
        _polars_share,
        _share_of,
        [(_LINE, 1.0), (_BENT, 0.25), ([(1.0, 1.0), (1.0, 2.0)], 1.0), ([(1.0, 1.0)], None), ([], None)],
        ("r2", "r_squared"),
    ),
    Aggregate(
        name="regr_count",
        doc="The number of pairs in which neither is null.",
        arity=2,
        signature=lambda types, options: Signature(_pair_type(types, options).args, Int64),
        init=lambda: 0,
        add=lambda state, x, y: state + 1,
        merge=lambda a, b: a + b,
        retract=lambda state, x, y: state - 1,
        result=lambda state: state,
        retraction="invertible",
        polars=lambda x, y: pl.len().cast(pl.Int64),
        words=lambda types, options: Words(kinds=(("count", None),), finish=lambda n: (n, None)),
        flink=_NONE,
        empty=0,
        examples=[(_LINE, 3), ([], 0)],
    ),
)
