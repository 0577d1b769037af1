"""Numbers brought nearer: rounding, bounds, sign."""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.dtypes import INTEGERS, Decimal, DType
from penstock.core.errors import PlanError
from penstock.expr import decimals
from penstock.expr.function import Function, NotOnFlink, Resolver, Signature
from penstock.expr.signatures import MEASURE, NUMBER, common_of, takes, unified
from penstock.expr.values import fitting, less

Types = tuple[DType, ...]


_MODES = {"half_to_even": decimal.ROUND_HALF_EVEN, "half_away_from_zero": decimal.ROUND_HALF_UP}


def _rounding(grows: bool) -> Resolver:
    """Any number; a decimal that loses digits may gain one in front."""

    def resolve(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
        given = takes(NUMBER, returns=0)(types, options)
        places = options.get("decimals", 0)
        if not isinstance(places, int) or not 0 <= places <= 30:
            raise PlanError(f"decimals is a number of digits from 0 to 30, found {places!r}")
        if options.get("mode", "half_to_even") not in _MODES:
            raise PlanError(f"the mode is one of {', '.join(_MODES)}, found {options['mode']!r}")
        dtype = given.returns
        if isinstance(dtype, Decimal) and places < dtype.scale and grows:
            dtype = Decimal(min(38, dtype.precision + 1), dtype.scale)
        return Signature(given.args, dtype)

    return resolve


def _scaled(step: Callable[[float], float]) -> Callable[[float, int], float]:
    """Rounding of a float as Polars does it: scaled, rounded, scaled back; too large for that stays as it is."""

    def meaning(value: float, places: int) -> float:
        if not math.isfinite(value * 10.0**places):
            return value
        result = step(value * 10.0**places) / 10.0**places
        return math.copysign(result, value) if result == 0 else result

    return meaning


def _away(value: float) -> float:
    cut = math.trunc(value)
    return float(cut + (int(math.copysign(1, value)) if abs(value - cut) >= 0.5 else 0))


_STEPS = {
    "half_to_even": _scaled(lambda x: float(round(x))),
    "half_away_from_zero": _scaled(_away),
    "truncate": _scaled(lambda x: float(math.trunc(x))),
    "floor": _scaled(lambda x: float(math.floor(x))),
    "ceil": _scaled(lambda x: float(math.ceil(x))),
}


def _rounded(mode: str, exact: str) -> Callable[..., Any]:
    def meaning(a: Any, types: Types, returns: DType, decimals_: int = 0) -> Any:
        if isinstance(a, decimal.Decimal):
            return decimals.to_places(a, decimals_, exact, types[0])
        return fitting(_STEPS[mode](a, decimals_), returns) if isinstance(a, float) else a

    return meaning


def _round(a: Any, decimals: int, mode: str, types: Types, returns: DType) -> Any:
    return _rounded(mode, _MODES[mode])(a, types, returns, decimals)


def _truncate(a: Any, decimals: int, types: Types, returns: DType) -> Any:
    return _rounded("truncate", decimal.ROUND_DOWN)(a, types, returns, decimals)


def _lower_places(method: str, **fixed: Any) -> Callable[..., Any]:
    def lower(a: Any, types: Types, returns: DType, **options: Any) -> Any:
        if types[0] in INTEGERS:
            return a
        if isinstance(types[0], Decimal):
            places = options.get("decimals", 0)
            return decimals.lowered_places(a, places, types[0], method, **options)
        return getattr(a, method)(**options, **fixed)

    return lower


def _fault_of_places(a: Any, types: Types, returns: DType, **options: Any) -> Any | None:
    if not isinstance(types[0], Decimal):
        return None
    return decimals.places_fault(a, options.get("decimals", 0), types[0])


def _sign(a: Any, types: Types, returns: DType) -> Any:
    if isinstance(a, float):
        return a if a == 0 or a != a else math.copysign(1.0, a)
    return type(a)((a > 0) - (a < 0))


def _clip_types(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    if not 2 <= len(types) <= 3:
        raise PlanError(f"expected a lower bound, an upper one, or both; found {len(types) - 1} bound(s)")
    # Bounds do not change the type of what they bound, except to hold a bound that is finer.
    given = unified(MEASURE)([common_of(types, "bounds")], options)
    return Signature(given.args * len(types), given.returns)


def _clip(a: Any, lower: Any, upper: Any = None) -> Any:
    if a is None:
        return None
    if lower is not None and (a < lower if isinstance(a, float) else less(a, lower)):
        return lower
    return upper if upper is not None and (a > upper if isinstance(a, float) else less(upper, a)) else a


def _clip_on_flink(types: Sequence[DType], options: Mapping[str, Any]) -> str:
    above = " WHEN {0} > {2} THEN {2}" if len(types) == 3 else ""
    return "CASE WHEN {0} < {1} THEN {1}" + above + " ELSE {0} END"


FUNCTIONS = (
    Function(
        name="round",
        doc='Rounded to `decimals` digits after the point; halves go to the even digit (`mode="half_to_even"`) or '
        'away from zero (`"half_away_from_zero"`). A float is scaled, rounded and scaled back, as in Polars.',
        signature=_rounding(grows=True),
        polars=_lower_places("round"),
        fault=_fault_of_places,
        typed=True,
        oracle=_round,
        options={"decimals": 0, "mode": "half_to_even"},
        flink=NotOnFlink("Flink's ROUND looks at the decimal digits of a float"),
        examples=[
            ((2.5,), 2.0),
            ((2.5,), {"mode": "half_away_from_zero"}, 3.0),
            ((0.125,), {"decimals": 2}, 0.12),
            ((None,), None),
            ((decimal.Decimal("2.35"),), {"decimals": 1}, decimal.Decimal("2.40")),
            ((7,), 7),
        ],
    ),
    Function(
        name="floor",
        doc="The largest whole number that is not greater, in the same type.",
        signature=_rounding(grows=True),
        polars=_lower_places("floor"),
        fault=_fault_of_places,
        typed=True,
        oracle=_rounded("floor", decimal.ROUND_FLOOR),
        flink="FLOOR({0})",
        examples=[((-1.5,), -2.0), ((decimal.Decimal("1.25"),), decimal.Decimal("1.00")), ((7,), 7), ((None,), None)],
    ),
    Function(
        name="ceil",
        doc="The smallest whole number that is not less, in the same type.",
        signature=_rounding(grows=True),
        polars=_lower_places("ceil"),
        fault=_fault_of_places,
        typed=True,
        oracle=_rounded("ceil", decimal.ROUND_CEILING),
        flink="CEIL({0})",
        examples=[((1.2,), 2.0), ((decimal.Decimal("1.25"),), decimal.Decimal("2.00")), ((7,), 7), ((None,), None)],
        guesses=["ceiling"],
    ),
    Function(
        name="truncate",
        doc="Cut to `decimals` digits after the point.",
        signature=_rounding(grows=False),
        polars=_lower_places("truncate"),
        typed=True,
        oracle=lambda a, decimals, types, returns: _rounded("truncate", decimal.ROUND_DOWN)(
            a, types, returns, decimals
        ),
        options={"decimals": 0},
        flink="TRUNCATE({0}, {decimals})",
        examples=[((-1.29,), {"decimals": 1}, -1.2), ((1.9,), 1.0), ((None,), None)],
        guesses=["trunc"],
    ),
    Function(
        name="sign",
        doc="-1, 0 or 1, in the same type; NaN of NaN.",
        signature=takes(NUMBER, returns=0),
        polars=lambda a, types, returns: a.sign(),
        typed=True,
        oracle=_sign,
        flink="SIGN({0})",
        examples=[((-2.5,), -1.0), ((0,), 0), ((7,), 1), ((None,), None)],
        guesses=["signum"],
    ),
    Function(
        name="clip",
        doc="The value, or the lower bound if that is greater, or the upper bound if that is less. A bound that is "
        "null does not bound; NaN is not bounded.",
        signature=_clip_types,
        polars=lambda a, lower, upper=None: a.clip(lower, upper),
        oracle=_clip,
        null="first",
        flink=_clip_on_flink,
        examples=[((5, 1, 3), 3), ((0, 1, 3), 1), ((2, 1), 2), ((5, None, 3), 3), ((None, 1, 3), None)],
        parameters=["lower_bound", "upper_bound"],
        guesses=["clamp"],
    ),
)
