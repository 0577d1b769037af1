"""Every declared function: its examples by plain meaning and by Polars, its types, its documentation."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import re
from typing import Any

import polars as pl
import pytest

from penstock.core import dtypes as t
from penstock.core.dtypes import DType, to_polars
from penstock.core.schema import Field, Schema
from penstock.expr.ast import Call, Column, Literal, literal
from penstock.expr.function import Function, NotOnFlink, with_options
from penstock.expr.functions import FAMILIES, FUNCTIONS
from penstock.expr.infer import Typed, infer
from penstock.expr.lower import lower
from tests.unit.expr.both import FAULT, by_meaning, by_polars, plain

Example = tuple[tuple[Any, ...], dict[str, Any], Any]


def close(a: Any, b: Any) -> bool:
    """Whether two results are the same; floats may differ in their last digits, as libraries of mathematics do."""
    match a, b:
        case float(), float() if math.isfinite(a) and math.isfinite(b):
            if a == b == 0:
                return math.copysign(1, a) == math.copysign(1, b)
            return math.isclose(a, b, rel_tol=1e-6 if a == as_single(a) else 1e-14, abs_tol=1e-300)
        case list(), list():
            return len(a) == len(b) and all(close(x, y) for x, y in zip(a, b, strict=True))
        case dict(), dict():
            return a.keys() == b.keys() and all(close(x, b[key]) for key, x in a.items())
        case dt.datetime(), dt.datetime() if a.tzinfo and b.tzinfo:
            return a.astimezone(dt.UTC) == b.astimezone(dt.UTC)
    return bool(plain(a) == plain(b))


def as_single(value: float) -> float:
    """The value as a 32-bit float."""
    return float(pl.Series([value]).cast(pl.Float32).item())


def examples(function: Function) -> list[Example]:
    return [(e[0], e[1] if len(e) == 3 else {}, e[-1]) for e in function.examples]


def types_of(args: tuple[Any, ...], function: Function) -> list[DType]:
    """The types of an example's arguments; a null has that of its place in an earlier example."""
    found = []
    for place, value in enumerate(args):
        rows = [other for other, _, _ in examples(function) if len(other) > place]
        filled = next((row[place] for row in rows if row[place] is not None), None)
        found.append(literal(filled if value is None else value).dtype)
    return found


def stacked(function: Function) -> list[tuple[Typed, dict[str, DType], list[dict[str, Any]], list[Any]]]:
    """The examples as calls over frames: one frame for all that have the same types and options."""
    groups: dict[str, Any] = {}
    for args, options, result in examples(function):
        types = types_of(args, function)
        names = [f"x{i}" for i in range(len(args))]
        chosen = with_options(function.options, options, function.name)
        schema = dict(zip(names, types, strict=True))
        key = f"{schema} {chosen}"
        if key not in groups:
            call = Call(function.name, tuple(Column(name) for name in names), chosen)
            groups[key] = (infer(call, Schema.of(schema)), schema, [], [])
        groups[key][2].append(dict(zip(names, args, strict=True)))
        groups[key][3].append(result)
    return list(groups.values())


ALL = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)


@ALL
def test_examples_by_meaning(function: Function) -> None:
    for typed, _, rows, results in stacked(function):
        found = by_meaning(typed, rows)
        assert all(close(a, b) for a, b in zip(found, results, strict=True)), f"{rows}: {found}, not {results}"


@ALL
def test_examples_by_polars(function: Function) -> None:
    for typed, schema, rows, results in stacked(function):
        found = by_polars(typed, rows, **schema)
        assert all(close(a, b) for a, b in zip(found, results, strict=True)), f"{rows}: {found}, not {results}"


@ALL
def test_of_constants_is_as_long_as_its_frame(function: Function) -> None:
    for args, options, result in examples(function):
        terms = [
            Literal(None, dtype) if v is None else literal(v)
            for v, dtype in zip(args, types_of(args, function), strict=True)
        ]
        call = Call(function.name, tuple(terms), with_options(function.options, options, function.name))
        typed = infer(call, Schema.of({}))
        lowered = lower(typed)
        for rows in (0, 2):
            frame = pl.DataFrame({"x": range(rows)}, schema={"x": pl.Int64})
            conditions = {f"fault{i}": fault.condition for i, fault in enumerate(lowered.faults)}
            out = frame.with_columns(value=lowered.value, **conditions)
            assert out.schema["value"] == to_polars(typed.dtype), f"declared {typed.dtype}"
            for row in out.iter_rows(named=True):
                refused = any(row[name] for name in conditions)
                assert refused if result is FAULT else close(row["value"], result), f"{args}: {row}, not {result}"


@ALL
def test_over_no_rows(function: Function) -> None:
    for typed, schema, _, _ in stacked(function):
        assert by_polars(typed, [], **schema) == []


@ALL
def test_nulls_are_declared(function: Function) -> None:
    for args, options, result in examples(function):
        types = types_of(args, function)
        fields = [Field(f"x{i}", dtype, args[i] is None) for i, dtype in enumerate(types)]
        terms = tuple(Column(field.name) for field in fields)
        call = Call(function.name, terms, with_options(function.options, options, function.name))
        if result is None:
            assert infer(call, Schema.of(fields)).nullable, f"{args} gives null"


@ALL
def test_has_documentation(function: Function) -> None:
    assert re.match(r"[A-Z0-9`-]", function.doc)
    assert function.doc.endswith(".")
    assert len(function.examples) >= 2
    family = function.name.rpartition(".")[0]
    wrong = {f"{family}.{guess}" if family else guess for guess in function.guesses}
    assert not wrong & set(FUNCTIONS), "a wrong name is the right one of another"
    sees_null = any(None in args for args, _, _ in examples(function))
    assert sees_null or not examples(function)[0][0], "no example shows what null gives"


@ALL
def test_says_how_flink_writes_it(function: Function) -> None:
    for args, options, _ in examples(function):
        chosen = dict(with_options(function.options, options, function.name))
        spelled = function.spelling(types_of(args, function), chosen)
        if isinstance(spelled, NotOnFlink):
            assert len(spelled.reason) > 10
            continue
        names = set(re.findall(r"\{(\w+)\}", spelled))
        assert names <= {str(i) for i in range(len(args))} | set(chosen), spelled


def test_there_are_enough_of_them() -> None:
    assert len(FUNCTIONS) > 150


def test_every_family_is_in_the_table_and_no_name_is_twice() -> None:
    names = [function.name for family in FAMILIES for function in family.FUNCTIONS]
    assert len(names) == len(set(names)) == len(FUNCTIONS)


# -- The harness can fail --------------------------------------------------------------------------


def test_results_are_told_apart() -> None:
    different = [(1, 2), (1, None), (0.1, 0.2), (math.nan, None), (1.0, FAULT), ("a", "b"), ([1], [2])]
    different += [(dt.date(2024, 1, 1), dt.date(2024, 1, 2)), (decimal.Decimal(1), decimal.Decimal(2))]
    assert not any(close(a, b) for a, b in different)
    assert all(close(a, a) for pair in different for a in pair)
    assert t.Int64 != t.Int32
