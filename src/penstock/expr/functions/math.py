"""Real numbers: powers, logarithms, angles, and what kind of number a float is."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from penstock.core.dtypes import FLOATS, Boolean, DType
from penstock.core.errors import PlanError
from penstock.core.lazy import pl
from penstock.expr.function import Function, NotOnFlink, Signature, Spelling
from penstock.expr.signatures import NUMBER, floating, takes
from penstock.expr.values import fitting

Types = tuple[DType, ...]


def _real(function: Callable[[float], float], pole: float = math.nan) -> Callable[..., Any]:
    """The meaning of a function of real numbers; `pole` where it has none, NaN of NaN."""

    def meaning(a: float, types: Types, returns: DType) -> float:
        try:
            result = function(a)
        except OverflowError:
            result = math.copysign(math.inf, a)
        except ValueError:
            result = pole
        return float(fitting(result, returns))

    return meaning


def _logarithm(function: Callable[[float], float]) -> Callable[[float], float]:
    return lambda x: function(x) if x > 0 or x != x else -math.inf if x == 0 else math.nan


def _decimal_logarithm(value: float) -> float:
    return math.log(value) / math.log(10.0)


def _cube_root(value: float) -> float:
    near = math.cbrt(value)
    if not math.isfinite(near) or near == 0:
        return near
    # The library may be off by a digit; the nearest float is the one whose middles to its neighbours enclose the root.
    for _ in range(4):
        above, below = ((Fraction(near) + Fraction(math.nextafter(near, to))) / 2 for to in (math.inf, -math.inf))
        if Fraction(value) > above**3:
            near = math.nextafter(near, math.inf)
        elif Fraction(value) < below**3:
            near = math.nextafter(near, -math.inf)
    return near


def _cotangent(value: float) -> float:
    tangent = math.tan(value)
    return 1 / tangent if tangent else math.copysign(math.inf, tangent)


def _hyperbolic_cosine(value: float) -> float:
    return math.inf if abs(value) > 710.4758600739439 else math.cosh(value)


def _inverse_tangent(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) == 1 else 0.5 * math.log1p(2 * value / (1 - value))


def _function(
    name: str, doc: str, oracle: Callable[..., Any], flink: str | NotOnFlink, example: Any, **more: Any
) -> Function:
    """A function from floats to floats; `example` is an argument and its value."""
    return Function(
        name=name,
        doc=doc,
        signature=floating(),
        polars=lambda a, types, returns: getattr(a, name)(),
        typed=True,
        oracle=oracle,
        flink=flink,
        examples=[((example[0],), example[1]), ((None,), None)],
        **more,
    )


def _base(types: Sequence[DType], options: Mapping[str, Any]) -> Signature:
    base = options["base"]
    if isinstance(base, bool) or not isinstance(base, (int, float)) or not base > 0 or base == 1:
        raise PlanError(f"the base of a logarithm is a positive number other than 1, found {base!r}")
    return floating()(types, options)


def _log(a: float, base: float, types: Types, returns: DType) -> Any:
    return fitting(_logarithm(math.log)(a) / math.log(base), returns)


def _kind(name: str, doc: str, others: bool, oracle: Callable[[float], bool], flink: str, **more: Any) -> Function:
    """A question about floats; `others` is the answer for numbers of other types."""

    def lower(a: Any, types: Types, returns: DType) -> Any:
        return getattr(a, name)() if types[0] in FLOATS else pl.when(a.is_not_null()).then(pl.lit(others))

    return Function(
        name=name,
        doc=doc,
        signature=takes(NUMBER, returns=Boolean),
        polars=lower,
        typed=True,
        oracle=lambda a, types, returns: oracle(a) if isinstance(a, float) else others,
        flink=flink,
        examples=[((math.nan,), oracle(math.nan)), ((math.inf,), oracle(math.inf)), ((1,), others), ((None,), None)],
        **more,
    )


def _close(a: float, b: float, abs_tol: float, rel_tol: float, nans_equal: bool) -> bool:
    if a != a and b != b:
        return nans_equal
    return math.isclose(a, b, rel_tol=rel_tol, abs_tol=abs_tol)


def _log_on_flink(types: Sequence[DType], options: Mapping[str, Any]) -> Spelling:
    if options["base"] == math.e:
        return "LN({0})"
    return "LOG({base}, {0})" if options["base"] > 1 else NotOnFlink("Flink takes bases above 1 only")


_RADIANS = "an angle in radians"
FUNCTIONS = (
    _function(
        "sqrt",
        "The square root; NaN of negative numbers.",
        _real(math.sqrt),
        "SQRT({0})",
        (2.25, 1.5),
    ),
    _function("cbrt", "The cube root.", _real(_cube_root), NotOnFlink("Flink has no cube root"), (27.0, 3.0)),
    _function("exp", "The power of e.", _real(math.exp), "EXP({0})", (0.0, 1.0)),
    Function(
        name="log",
        doc="The logarithm to a base, the natural one by default; of zero it is -inf, of negative numbers NaN.",
        signature=_base,
        polars=lambda a, base, types, returns: a.log(float(base)),
        typed=True,
        oracle=_log,
        options={"base": math.e},
        flink=_log_on_flink,
        examples=[((8.0,), {"base": 2}, 3.0), ((1.0,), 0.0), ((0,), -math.inf), ((None,), None)],
        guesses=["ln", "log2"],
    ),
    _function(
        "log10",
        "The logarithm to the base 10.",
        _real(_logarithm(_decimal_logarithm)),
        "LOG10({0})",
        (1000.0, 3.0),
    ),
    _function(
        "log1p",
        "The natural logarithm of one more than the number, exact near zero.",
        _real(lambda x: math.log1p(x) if x != -1 else -math.inf),
        NotOnFlink("LN(1 + x) loses the digits that this is for"),
        (0.0, 0.0),
    ),
    _function("sin", f"The sine of {_RADIANS}.", _real(math.sin), "SIN({0})", (0.0, 0.0)),
    _function("cos", f"The cosine of {_RADIANS}.", _real(math.cos), "COS({0})", (0.0, 1.0)),
    _function("tan", f"The tangent of {_RADIANS}.", _real(math.tan), "TAN({0})", (0.0, 0.0)),
    _function("cot", f"The cotangent of {_RADIANS}.", _real(_cotangent), "COT({0})", (math.pi / 4, 1.0)),
    _function(
        "arcsin",
        "The angle of a sine; NaN outside of -1 to 1.",
        _real(math.asin),
        "ASIN({0})",
        (0.0, 0.0),
        guesses=["asin"],
    ),
    _function(
        "arccos",
        "The angle of a cosine; NaN outside of -1 to 1.",
        _real(math.acos),
        "ACOS({0})",
        (1.0, 0.0),
        guesses=["acos"],
    ),
    _function("arctan", "The angle of a tangent.", _real(math.atan), "ATAN({0})", (0.0, 0.0), guesses=["atan"]),
    _function("sinh", "The hyperbolic sine.", _real(math.sinh), "SINH({0})", (0.0, 0.0)),
    _function("cosh", "The hyperbolic cosine.", _real(_hyperbolic_cosine), "COSH({0})", (0.0, 1.0)),
    _function("tanh", "The hyperbolic tangent.", _real(math.tanh), "TANH({0})", (0.0, 0.0)),
    _function(
        "arcsinh",
        "The inverse of sinh.",
        _real(math.asinh),
        NotOnFlink("Flink has no inverse of SINH"),
        (0.0, 0.0),
        guesses=["asinh"],
    ),
    _function(
        "arccosh",
        "The inverse of cosh; NaN below 1.",
        _real(math.acosh),
        NotOnFlink("Flink has no inverse of COSH"),
        (1.0, 0.0),
        guesses=["acosh"],
    ),
    _function(
        "arctanh",
        "The inverse of tanh; NaN outside of -1 to 1.",
        _real(_inverse_tangent),
        NotOnFlink("Flink has no inverse of TANH"),
        (0.0, 0.0),
        guesses=["atanh"],
    ),
    _function("degrees", f"The degrees of {_RADIANS}.", _real(math.degrees), "DEGREES({0})", (math.pi, 180.0)),
    _function("radians", "The radians of an angle in degrees.", _real(math.radians), "RADIANS({0})", (180.0, math.pi)),
    Function(
        name="arctan2",
        doc="The angle between the x axis and the point (second argument, first argument), from -pi to pi.",
        signature=floating(2),
        polars=lambda y, x, types, returns: pl.arctan2(y, x),
        typed=True,
        oracle=lambda y, x, types, returns: fitting(math.atan2(y, x), returns),
        flink="ATAN2({0}, {1})",
        examples=[((0.0, -1.0), math.pi), ((None, 1.0), None)],
        top=True,
        guesses=["atan2"],
    ),
    _kind("is_nan", "Whether it is NaN.", False, math.isnan, "(CAST({0} AS STRING) = 'NaN')"),
    _kind(
        "is_not_nan",
        "Whether it is any number but NaN.",
        True,
        lambda x: not math.isnan(x),
        "(CAST({0} AS STRING) <> 'NaN')",
    ),
    _kind(
        "is_finite",
        "Whether it is neither NaN nor infinite.",
        True,
        math.isfinite,
        "(CAST({0} AS STRING) NOT IN ('NaN', 'Infinity', '-Infinity'))",
    ),
    _kind(
        "is_infinite",
        "Whether it is inf or -inf.",
        False,
        math.isinf,
        "(CAST({0} AS STRING) IN ('Infinity', '-Infinity'))",
        guesses=["is_inf"],
    ),
    Function(
        name="is_close",
        doc="Whether two numbers differ by at most `rel_tol` times the larger of their sizes, or by `abs_tol`.",
        signature=floating(2, returns=Boolean),
        polars=lambda a, b, **options: a.is_close(b, **options),
        oracle=_close,
        options={"abs_tol": 0.0, "rel_tol": 1e-09, "nans_equal": False},
        flink=NotOnFlink("written out it would compute both sides several times"),
        examples=[((1.0, 1.0 + 1e-12), True), ((1.0, 1.1), False), ((math.nan, math.nan), False), ((None, 1.0), None)],
        guesses=["isclose"],
    ),
)
