"""The function library: what it makes of calls, and what it says of wrong ones."""

from __future__ import annotations

import decimal

import pytest

from penstock.core.dtypes import (
    Boolean,
    Date,
    Decimal,
    DType,
    Float32,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    List,
    String,
)
from penstock.core.errors import PlanError, UnknownNameError, UnsupportedError
from penstock.core.schema import Field, Schema
from penstock.core.where import Where
from penstock.expr.ast import Aggregation, Column, Literal
from penstock.expr.functions import FUNCTIONS
from penstock.expr.infer import Typed, infer
from penstock.sql.aggregates import NAMES as AGGREGATES
from penstock.sql.functions import NAMES, case, cast, common, constant, number, resolve, resolve_aggregate
from penstock.sql.library import NOT_YET

TYPES = [Int8, Int16, Int32, Int64, Float32, Float64, Decimal(10, 2), String, Boolean, Date, List(Int32)]
HERE = Where("delays.sql", 3, 8)


def column(dtype: DType, nullable: bool = True) -> Typed:
    return infer(Column("x"), Schema((Field("x", dtype, nullable),)))


def test_there_are_more_than_200() -> None:
    assert len(NAMES | AGGREGATES) > 200


def test_names_are_found_in_any_case_and_the_nearest_is_named() -> None:
    assert resolve("Char_Length", [column(String)]).dtype == Int32
    with pytest.raises(UnknownNameError, match=r'delays.sql:3:8: no function "UPER"; did you mean "UPPER"'):
        resolve("uper", [column(String)], HERE)


def test_wrong_types_are_told_the_signatures() -> None:
    with pytest.raises(PlanError, match=r"UPPER does not take \(INT\)\n\nhint: there is UPPER\(STRING\)"):
        resolve("UPPER", [column(Int32)])
    with pytest.raises(PlanError, match=r"hint: there is SUBSTRING\(STRING, INT\[, INT\]\)"):
        resolve("SUBSTRING", [column(String)])


def test_what_is_not_there_yet_says_what_to_do() -> None:
    for name in NOT_YET:
        with pytest.raises(UnsupportedError, match="not offered yet"):
            resolve(name, [])


def test_a_literal_is_of_the_type_that_flink_reads() -> None:
    assert [number(text).dtype for text in ("1", "3000000000", "1.50", "1e3")] == [Int32, Int64, Decimal(3, 2), Float64]
    assert number("1.50").term == Literal(decimal.Decimal("1.50"), Decimal(3, 2))
    with pytest.raises(PlanError, match="does not fit BIGINT"):
        number("10000000000000000000")


def test_operators_have_the_type_of_the_wider_operand() -> None:
    assert resolve("+", [column(Int8), column(Int16)]).dtype == Int16
    assert resolve("/", [column(Int32), column(Int64)]).dtype == Int64
    assert resolve("*", [column(Decimal(10, 2)), column(Int32)]).dtype == Decimal(21, 2)
    assert resolve("||", [column(String), column(String)]).dtype == String


def test_what_may_be_null() -> None:
    sure = column(Int32, nullable=False)
    assert not resolve("+", [sure, sure]).nullable
    assert resolve("+", [sure, column(Int32)]).nullable
    assert not resolve("COALESCE", [column(Int32), sure]).nullable
    assert cast(sure, String, attempt=True).nullable
    assert not cast(sure, String).nullable


def test_case_has_the_type_that_its_values_share() -> None:
    made = case([(column(Boolean), column(Int32))], column(Decimal(10, 2)))
    assert made.dtype == Decimal(12, 2)
    with pytest.raises(PlanError, match="no type in common: INT and STRING"):
        case([(column(Boolean), column(Int32))], column(String))


def test_a_cast_that_flink_does_not_have_is_refused() -> None:
    with pytest.raises(PlanError, match=r"delays\.sql:3:8: there is no cast from Int32 to Date"):
        cast(column(Int32), Date, HERE)


def test_common_types_are_symmetric_in_whether_there_is_one() -> None:
    for a in TYPES:
        for b in TYPES:
            assert (common(a, b) is None) == (common(b, a) is None)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_any_arguments_make_a_term_or_an_error_of_the_plan(name: str) -> None:
    for dtype in TYPES:
        for count in range(4):
            args = [column(dtype)] * count
            try:
                made = resolve(name, args)
            except PlanError:
                continue
            assert all(term.function in FUNCTIONS for term in made.term.walk() if hasattr(term, "function"))


def test_aggregates_keep_the_type() -> None:
    schema = Schema((Field("x", Int8),))
    found = resolve_aggregate("avg", [infer(Column("x"), schema)])
    assert found == Aggregation("sql.avg", (Column("x"),), None, (("dtype", Int8),))
    assert resolve_aggregate("COUNT", []) == Aggregation("count", ())
    assert resolve_aggregate("SUM", [column(Int32)], distinct=True).aggregate == "sql.sum_distinct"
    kept = resolve_aggregate("MIN", [column(Int32)], condition=constant(True, Boolean))
    assert kept.where == Literal(True, Boolean)


def test_wrong_aggregates() -> None:
    with pytest.raises(PlanError, match=r"SUM does not take \(STRING\)"):
        resolve_aggregate("SUM", [column(String)], HERE)
    with pytest.raises(UnknownNameError, match='no aggregate "SUMM"'):
        resolve_aggregate("summ", [column(Int32)])
    with pytest.raises(UnsupportedError, match="ARRAY_AGG of a column that may be NULL"):
        resolve_aggregate("ARRAY_AGG", [column(Int32)])
