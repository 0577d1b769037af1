"""How expressions are written: operators, methods, keywords, constants, and what is said about wrong ones."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from penstock.core import dtypes as t
from penstock.core.errors import PlanError, UnknownNameError
from penstock.expr.ast import Call, Column, Literal
from penstock.expr.build import Expr, col, function, lit, when
from penstock.expr.functions import FUNCTIONS

x, y = col("x"), col("y")


@pytest.mark.parametrize(
    ("expr", "text"),
    [
        (1 + x * 2, "(1 + (x * 2))"),
        (1 - x, "(1 - x)"),
        (1 / x, "(1 / x)"),
        (7 // x, "(7 // x)"),
        (7 % x, "(7 % x)"),
        (2**x, "(2 ** x)"),
        (-x, "neg(x)"),
        (abs(x), "abs(x)"),
        (~(x > 1) & (y == "a"), "(not((x > 1)) and (y == 'a'))"),
        (True | x, "(True or x)"),
        (x.str.contains("a"), "str.contains(x, pattern='a', literal=False)"),
        (x.str.contains("a", literal=True), "str.contains(x, pattern='a', literal=True)"),
        (x.str.contains(lit("a")), "str.contains(x, pattern='a', literal=False)"),
        (x.str.replace_all("a", "b"), "str.replace_all(x, pattern='a', value='b', literal=False)"),
        (x.str.pad_start(5, "0"), "str.pad_start(x, 5, fill_char='0')"),
        (x.str.pad_start(fill_char="0", length=y), "str.pad_start(x, y, fill_char='0')"),
        (x.str.slice(1), "str.slice(x, 1)"),
        (x.str.slice(length=3, offset=1), "str.slice(x, 1, 3)"),
        (x.clip(upper_bound=3), "clip(x, None, 3)"),
        (x.clip(1, upper_bound=3), "clip(x, 1, 3)"),
        (x.round(2), "round(x, decimals=2, mode='half_to_even')"),
        (x.is_between(1, 5, closed="left"), "is_between(x, 1, 5, closed='left')"),
        (x.is_between(1, 5, "left"), "is_between(x, 1, 5, closed='left')"),
        (x.is_in([1, None, 2]), "is_in(x, 1, 2)"),
        (x.is_in(iter("ab")), "is_in(x, 'a', 'b')"),
        (x.is_in([]), "is_in(x)"),
        (x.fill_null("y"), "fill_null(x, 'y')"),
        (function("coalesce")("x", y, 0), "coalesce(x, y, 0)"),
        (function("coalesce")(["x", "y"]), "coalesce(x, y)"),
        (function("concat_str")("x", "y", separator="-"), "concat_str(x, y, separator='-', ignore_nulls=False)"),
        (x.cast(t.Int8), "cast(x, Int8)"),
        (x.try_cast(int), "try_cast(x, Int64)"),
        (
            when(x > 1).then("up").when(y).then("y").otherwise(None),
            "case(when (x > 1) then 'up' when y then 'y' otherwise None)",
        ),
        (lit({"a": 1, "b": [1, 2]}), "{'a': 1, 'b': [1, 2]}"),
        (lit(7, t.Int8), "7"),
    ],
    ids=str,
)
def test_text(expr: Expr, text: str) -> None:
    assert str(expr.term) == text


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        (lambda: x.str.upper(), "str.to_uppercase"),
        (lambda: x.upper(), "str.to_uppercase"),
        (lambda: x.str.strip(), "str.strip_chars"),
        (lambda: x.str.len(), "str.len_chars"),
        (lambda: x.contains("a"), "str.contains"),
        (lambda: x.bin.length(), "bin.size"),
        (lambda: x.fillna(0), "fill_null"),
        (lambda: x.isin([1]), "is_in"),
        (lambda: x.between(1, 2), "is_between"),
        (lambda: x.greatest(y), "max_horizontal"),
        (lambda: x.ln(), "log"),
        (lambda: x.absolute(), "abs"),
        (lambda: x.str.to_upercase(), "str.to_uppercase"),
        (lambda: x.flor(), "floor"),
    ],
)
def test_wrong_names_are_answered_by_the_right_one(wrong: Callable[[], Expr], right: str) -> None:
    with pytest.raises(UnknownNameError, match="did you mean") as refused:
        wrong()
    assert f'"{right}"' in refused.value.message
    assert refused.value.where is not None
    assert refused.value.where.file == "test_build.py"


def test_a_name_like_no_other() -> None:
    with pytest.raises(UnknownNameError, match='no function "qqqqqq"'):
        x.qqqqqq()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: bool(x > 1), "no truth value"),
        (lambda: x > 1 and y > 2, "no truth value"),
        (lambda: 1 < x < 3, "no truth value"),
        (lambda: list(x), "has no values while the plan is built"),
        (lambda: "a" in x, "has no values while the plan is built"),
        (lambda: x.is_in(y), "several constants"),
        (lambda: x.is_in("abc"), "several constants"),
        (lambda: x.round(1, "half_to_even", 3), "at most 3 arguments"),
        (lambda: x.round(digits=1), 'no option "digits"'),
        (lambda: x.clip(1, 2, upper_bound=3), 'two values for "upper_bound"'),
        (lambda: x.round(y), '"decimals" of "round" is a constant'),
        (lambda: x.str.contains(), 'needs the option "pattern"'),
        (lambda: x.filter(y), "is no aggregate"),
        (lambda: col(3), "takes the name of a column"),
        (lambda: lit(object()), "cannot be a constant"),
        (lambda: lit([1, "a"]), "no common type"),
        (lambda: lit(float), "cannot be a constant"),
    ],
)
def test_what_cannot_be_written(build: Callable[[], Any], message: str) -> None:
    with pytest.raises(PlanError) as refused:
        build()
    assert message in refused.value.message


def test_names_of_columns() -> None:
    assert (x + y).output_name() == "x"
    assert (1 + y).output_name() == "y"
    assert (x + y).alias("z").output_name() == "z"
    assert (x.alias("z") + 1).output_name() == "z"
    assert lit(1).output_name() == "literal"
    assert when(x > 1).then(y).output_name() == "x"


def test_terms_are_values() -> None:
    assert (x + 1).term == (col("x") + 1).term
    assert (x + 1).term != (x + 1.0).term
    assert hash((x + 1).term) == hash((col("x") + 1).term)
    assert (x + 1).term == Call("add", (Column("x"), Literal(1, t.Int64, flexible=True)))


def test_expressions_behave_as_python_objects() -> None:
    assert not hasattr(x, "_repr_html_")
    assert not hasattr(x.str, "_repr_html_")
    assert repr(copy.copy(x + 1)) == "<Expr (x + 1)>"
    assert {"abs", "str", "cast", "sum"} <= set(dir(x)) | {"sum"}
    assert "to_uppercase" in dir(x.str)


def test_every_function_can_be_called_with_its_own_examples() -> None:
    for name, declared in FUNCTIONS.items():
        if name.startswith("sql."):
            continue  # it has no method: only SQL is bound to it
        for example in declared.examples:
            args, options = [lit(v) for v in example[0]], example[1] if len(example) == 3 else {}
            if declared.top:
                assert function(name)(*args, **options).term.walk()
            elif name not in ("is_in", "get_item", "struct"):
                method: Any = args[0]
                for part in name.split("."):
                    method = getattr(method, {"and": "__and__", "or": "__or__", "not": "__invert__"}.get(part, part))
                assert isinstance(method(*args[1:], **options), Expr)
