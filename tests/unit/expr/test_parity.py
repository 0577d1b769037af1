"""Plain meaning and Polars lowering of functions agree: on edge values crossed, on random ones, and on constants."""

from __future__ import annotations

import decimal
import functools
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.core.dtypes import Decimal, DType, Float32, Float64, Int8, Int64, List, Struct, UInt8, UInt64
from penstock.core.schema import Schema
from penstock.expr.ast import Call, Column, Literal, Term
from penstock.expr.build import col, lit
from penstock.expr.function import Function
from penstock.expr.functions import (
    arithmetic,
    binary,
    bits,
    comparison,
    conditional,
    math,
    rounding,
    search,
    text,
)
from penstock.expr.infer import infer
from penstock.expr.lower import lower
from tests.unit.expr.both import FAULT, both, by_meaning, by_polars, plain
from tests.unit.expr.edges import accepted, crossed, options_of, values
from tests.unit.expr.test_functions import close

FAMILIES = (arithmetic, rounding, math, bits, comparison, conditional, text, search, binary)
NAMED = {function.name: function for family in FAMILIES for function in family.FUNCTIONS}
EACH = pytest.mark.parametrize("name", NAMED)

types_of = functools.cache(lambda name: accepted(NAMED[name]))


def compare(function: Function, args: tuple[Term, ...], options: Any, types: dict[str, DType], rows: Any) -> None:
    typed = infer(Call(function.name, args, options), Schema.of(types))
    expected, found = by_meaning(typed, rows), by_polars(typed, rows, **types)
    for row, a, b in zip(rows, expected, found, strict=True):
        assert close(a, b), f"{typed.term} of {row!r}: meaning {a!r}, Polars {b!r}"
    for row, value in list(zip(rows, found, strict=True))[:: 1 + len(rows) // 2]:
        (alone,) = by_polars(typed, [row], **types)
        assert plain(alone) == plain(value), f"{typed.term} of {row!r}: alone {alone!r}, among others {value!r}"


@EACH
def test_takes_something(name: str) -> None:
    assert types_of(name)


@pytest.mark.slow
@EACH
def test_edge_values_crossed(name: str) -> None:
    for types in types_of(name):
        schema = {f"x{i}": dtype for i, dtype in enumerate(types)}
        for options in options_of(NAMED[name]):
            compare(NAMED[name], tuple(map(Column, schema)), options, schema, crossed(types))


@EACH
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_random_values_and_constants(name: str, data: st.DataObject) -> None:
    types = data.draw(st.sampled_from(types_of(name)))
    options = data.draw(st.sampled_from(options_of(NAMED[name])))
    column = data.draw(st.integers(0, len(types) - 1))  # one argument is a column, the others may be constants
    args: list[Term] = []
    schema: dict[str, DType] = {}
    for i, dtype in enumerate(types):
        nested = isinstance(dtype, (List, Struct))
        if i == column or nested or data.draw(st.booleans()):
            schema[f"x{i}"] = dtype
            args.append(Column(f"x{i}"))
        else:
            args.append(Literal(data.draw(values(dtype)), dtype))
    rows = data.draw(st.lists(st.fixed_dictionaries({n: values(t) for n, t in schema.items()}), max_size=6))
    compare(NAMED[name], tuple(args), options, schema, rows)


# -- Where a mistake would be likely ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["add", "sub", "mul", "floordiv", "truncdiv", "mod", "pow"])
@pytest.mark.parametrize("left", [True, False])
def test_arithmetic_with_every_small_constant(name: str, left: bool) -> None:

    for dtype, numbers in ((Int8, range(-128, 128, 3)), (UInt8, range(0, 256, 5))):
        rows = [{"x": n} for n in (*numbers, min(numbers), max(numbers), 127, 0, 1)]
        for constant in (min(numbers), -1, 0, 1, 2, 3, 7, 100, 127):
            if dtype is Int8 or constant >= 0:
                pair = (Column("x"), Literal(constant, dtype))
                compare(NAMED[name], pair if left else pair[::-1], (), {"x": dtype}, rows)


@pytest.mark.parametrize("name", ["add", "sub", "mul"])
def test_overflow_of_eight_bits_is_found_everywhere(name: str) -> None:

    for dtype, numbers in ((Int8, range(-128, 128)), (UInt8, range(256))):
        rows = [{"x": a, "y": b} for a in numbers for b in numbers if (a * 31 + b) % 5 == 0 or abs(a) > 120]
        exact = {"add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b}[name]
        typed = infer(Call(name, (Column("x"), Column("y"))), Schema.of({"x": dtype, "y": dtype}))
        fits = [exact(row["x"], row["y"]) in numbers for row in rows]
        found = by_polars(typed, rows, x=dtype, y=dtype)
        assert [value is not FAULT for value in found] == fits


def test_products_near_the_limit_of_64_bits() -> None:

    for dtype, limit in ((Int64, 2**63), (UInt64, 2**64)):
        rows = [
            {"x": limit // b + d, "y": b}
            for b in (2, 3, 7, 10**9, 3_037_000_499, 3_037_000_500, 2**31, 2**32, 2**62)
            for d in (-1, 0, 1)
        ]
        results = both(col("x") * col("y"), rows, x=dtype, y=dtype)
        assert [r is FAULT for r in results] == [row["x"] * row["y"] >= limit for row in rows]
        assert FAULT in results
        assert len(set(map(str, results))) > 5


def test_powers_near_the_limit_of_64_bits() -> None:

    rows = [{"x": x, "y": y} for x in range(-12, 13) for y in range(67)]
    rows += [{"x": x, "y": 2} for x in (3_037_000_499, 3_037_000_500, -3_037_000_499, -3_037_000_500)]
    results = both(col("x") ** col("y"), rows, x=Int64, y=Int64)
    assert [r is FAULT for r in results] == [not -(2**63) <= row["x"] ** row["y"] < 2**63 for row in rows]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
@pytest.mark.parametrize("name", NAMED)
def test_a_null_constant_beside_any_number_of_rows(name: str, count: int) -> None:
    few = types_of(name)[:: 1 + len(types_of(name)) // 4]
    for types, null in ((chosen, place) for chosen in few for place in range(len(chosen))):
        schema = {f"x{i}": dtype for i, dtype in enumerate(types) if i != null}
        args = tuple(Literal(None, dtype) if i == null else Column(f"x{i}") for i, dtype in enumerate(types))
        if schema:
            rows = (crossed(types) * 3)[:count]
            compare(NAMED[name], args, options_of(NAMED[name])[0], schema, rows)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
@pytest.mark.parametrize("constant", [None, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("dtype", [Float32, Float64, Int8])
def test_powers_of_any_number_of_rows(dtype: DType, constant: float | None, count: int) -> None:
    rows = [{"x": -128 if dtype == Int8 else 1.5}] * count
    literal = Literal(constant, Float32 if dtype == Float32 else Float64)
    for pair in ((Column("x"), literal), (literal, Column("x")), (Column("x"), Column("x"))):
        compare(NAMED["pow"], pair, (), {"x": dtype}, rows)


def test_a_comparison_with_a_constant_costs_one_operation() -> None:

    typed = infer((col("x") + 5).term, Schema.of({"x": Int64}))
    (fault,) = lower(typed).faults
    assert str(fault.condition) == f'[(col("x")) > ({2**63 - 6})]'
    assert lower(infer((col("x") * 0).term, Schema.of({"x": Int64}))).faults == ()
    assert lower(infer((col("x") + lit(1.5)).term, Schema.of({"x": Int64}))).faults == ()


DIVISORS = (3.0, 0.1, -7.3, 2.0, 0.0, -0.0, float("inf"), float("nan"), 1e-310, 5e-324)


@pytest.mark.parametrize("name", ["truediv", "floordiv", "mod"])
def test_division_does_not_depend_on_how_rows_are_cut_or_stored(name: str) -> None:
    rows = [{"x": x} for x in (0.3, -0.0, 1.1, 17.9, 1e300, 5e-324, float("nan"), float("inf"), None, 94.7, 3.3)]
    for divisor in DIVISORS:
        constant = infer(Call(name, (Column("x"), Literal(divisor, Float64))), Schema.of({"x": Float64}))
        meant = [plain(value) for value in by_meaning(constant, rows)]
        assert [plain(value) for value in by_polars(constant, rows, x=Float64)] == meant
        assert [plain(by_polars(constant, [row], x=Float64)[0]) for row in rows] == meant
        # A constant column is stored as one value.
        column = infer(Call(name, (Column("x"), Column("y"))), Schema.of({"x": Float64, "y": Float64}))
        frame = pl.DataFrame({"x": [row["x"] for row in rows]}).with_columns(y=pl.lit(divisor))
        assert [plain(value) for value in frame.select(lower(column).value).to_series()] == meant


@pytest.mark.parametrize("name", ["add", "sub"])
@pytest.mark.parametrize("other", [Float32, Float64, Int64, Decimal(5, 2)])
def test_the_sign_of_zero_does_not_depend_on_how_many_rows_there_are(name: str, other: DType) -> None:
    for dtype in (Float32, Float64):
        for zero in (0.0, -0.0) if other in (Float32, Float64) else (0,):
            rows = [{"x": x} for x in (-0.0, 0.0, 1.5, float("inf"), float("nan"), None)]
            pair = (Column("x"), Literal(decimal.Decimal(0) if isinstance(other, Decimal) else zero, other))
            for args in (pair, pair[::-1]):
                compare(NAMED[name], args, (), {"x": dtype}, rows)
                for row in rows:
                    compare(NAMED[name], args, (), {"x": dtype}, [row])
