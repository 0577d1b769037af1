"""Functions of users in expressions: values, nulls, failures, references."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import penstock as ps
from penstock import col
from penstock.api.functions import udf
from penstock.expr.user_functions import resolve
from penstock.plan.values import decode, encode
from penstock.testing import T, check

ROWS = T("""
    at       | k | v:Int64
    00:00:01 | a | 4
    00:00:04 | b | 0
    00:00:05 | c | null
    00:00:02 | a | 2
""")


@ps.udf
def inverse(x: int) -> float:
    """Twelve by x."""
    return 12 / x


@ps.udf(returns=ps.Float64, vectorized=True, setup=lambda: {"factor": 2.0})
def times(model, x):
    if (x == 0).any():
        raise ValueError("zero")
    return x * model["factor"]


@ps.udf
def known(x: int | None) -> str:
    return "none" if x is None else str(x)


def test_a_row_for_which_the_call_fails_leaves_by_errors():
    check(
        lambda s: s.with_columns(y=inverse(col("v"))),
        input=ROWS,
        output=[{"y": 3.0}, {"y": None}, {"y": 6.0}],
        errors=1,
    )


def test_series_are_cut_down_to_the_row_that_fails():
    check(
        lambda s: s.with_columns(y=times(col("v") + 0)),
        input=ROWS,
        output=[{"y": 8.0}, {"y": None}, {"y": 4.0}],
        errors=1,
    )


def test_null_is_given_where_it_is_declared():
    output = [{"y": "4"}, {"y": "0"}, {"y": "none"}, {"y": "2"}]
    check(lambda s: s.select(y=known(col("v"))), input=ROWS, output=output)


def test_nested_calls_over_rows_that_go_again():
    check(
        lambda s: (
            s.group_by("k")
            .agg(n=col("v").sum())
            .with_columns(y=inverse(inverse(col("n")).cast(ps.Int64)), z=inverse(1))
        ),
        input=ROWS,
        errors=None,
    )


def test_conditions_and_keys():
    check(
        lambda s: s.filter(inverse(col("v")) > 3.5).window(ps.tumbling("10 s")).agg(n=ps.count()),
        input=ROWS,
        output=[{"n": 1}],
        errors=1,
    )
    check(lambda s: s.group_by(z=inverse(col("v"))).agg(n=ps.count()), input=ROWS, errors=1)


def test_errors_of_the_verb_are_those_of_the_function_too():
    check(
        lambda s: {
            "computed": s.with_columns(y=inverse(col("v"))).errors(),
            "chosen": s.filter(inverse(col("v")) > 1).errors(),
        },
        input=ROWS,
        output={"computed": [{"v": 0}], "chosen": [{"v": 0}]},
        errors=None,
    )


@pytest.mark.parametrize(
    ("returns", "value", "reason"),
    [
        (ps.Int64, 1.5, "gave float, declared is Int64"),
        (ps.Int8, 200, "gave an integer that does not fit Int8"),
        (ps.Int64, True, "gave bool, declared is Int64"),
        (ps.String, b"x", "gave bytes, declared is String"),
        (ps.List(ps.Int64), [1, "x"], "gave str, declared is Int64"),
        (ps.Decimal(4, 2), 100, "gave a number that does not fit Decimal(4, 2)"),
        (ps.Struct({"a": ps.Int64}), {"b": 1}, "gave dict, declared is a struct of a"),
    ],
)
def test_what_is_not_of_the_declared_type_is_refused(returns, value, reason):
    wrong = udf(lambda x: value, returns=returns)
    rows = ps.read([{"x": 1}]).select(y=wrong(col("x")))
    assert rows.collect().height == 0
    assert reason in rows.errors().collect()["_why"].struct.field("reason")[0]


def test_what_a_masked_row_holds_is_not_quoted():
    rows = ps.read([{"x": "secret"}], mask={"x": "redact"})

    @ps.udf
    def fails(x: str) -> str:
        raise ValueError(x)

    found = rows.select(y=fails(col("x"))).errors().collect()
    assert found["_why"].struct.field("reason").to_list() == ["fails failed"]


def test_references_are_bound_again():
    for made in (inverse, times, known):
        assert decode(encode(made.declared), lambda _: None) is made.declared
    local = udf(lambda x: x, returns=ps.Int64)
    stored = encode(local.declared)
    assert decode(stored, lambda _: None) is local.declared
    other = [udf(lambda x: x, returns=ps.Int64) for _ in range(2)]
    assert other[0].declared != other[1].declared
    assert "lambda" not in json.dumps(encode(inverse.declared))
    with pytest.raises(ps.PlanError, match="only the program has that built the plan"):
        resolve({**stored["v"], "line": 1})
    with pytest.raises(ps.PlanError, match="does not have"):
        resolve({**inverse.declared.plan_reference(), "qualname": "gone"})


def test_what_cannot_be_called_is_refused_while_the_plan_is_built():
    rows = ps.read([{"k": "a", "v": 1}])
    with pytest.raises(ps.PlanError, match=r"takes 1 argument\(s\) \(x\), found 2"):
        rows.select(y=inverse(col("v"), 2))
    with pytest.raises(ps.PlanError, match='"x" of inverse is Int64, found String'):
        rows.select(y=inverse(col("k")))
    with pytest.raises(ps.PlanError, match="does not say what it gives"):
        udf(lambda x: x)
    with pytest.raises(ps.PlanError, match="has no place here"):
        rows.agg(n=inverse(col("v")).sum())

    async def ask(x: int):
        yield x

    with pytest.raises(ps.PlanError, match="is async"):
        udf(ask)
    table = rows.group_by("k").agg(n=ps.count())
    with pytest.raises(ps.PlanError, match="not deterministic"):
        table.select(y=udf(lambda x: x, returns=ps.Int64, deterministic=False)(col("n")))
    assert not rows.select(y=udf(lambda x: x, returns=ps.Int64, deterministic=False)(col("v"))).node.facts.deterministic
    assert replace(inverse.declared, version="2") != inverse.declared
