from __future__ import annotations

import pytest

import penstock as ps
from penstock import col
from penstock.core.errors import UnsupportedError
from penstock.testing import Driver, T, check
from penstock.testing.case import case_of

ROWS = T("""
    k | v:Int64
    a | 1
    b | 5
    a | null
      | 7
    a | 3
      | 1
""")


def test_every_key_has_a_row_and_null_is_a_key():
    check(lambda s: s.group_by("k").agg(n=ps.count(), m=col("v").count()), input=ROWS, output=T("""
        k    | n | m
        a    | 3 | 2
        b    | 1 | 1
        null | 2 | 2
    """))  # fmt: skip


def test_the_changes_row_by_row():
    check(lambda s: s.group_by("k").agg(n=ps.count()), input=T("k\na\nb\na"), output=T("""
        op | k | n
        +I | a | 1
        +I | b | 1
        -U | a | 1
        +U | a | 2
    """))  # fmt: skip


def test_nan_is_one_key_and_zero_has_no_sign():
    check(lambda s: s.group_by("f").agg(n=ps.count()), input=T("f\nnan\n0.0\n-0.0\nnan\n1.5"), output=T("""
        f   | n
        nan | 2
        0.0 | 2
        1.5 | 1
    """))  # fmt: skip


def test_several_keys():
    rows = T("""
        k | v | w
        a | 1 | true
        a | 1 |
        a |   | true
        a | 1 | true
          |   |
    """)
    check(lambda s: s.group_by("k", "v", "w").agg(n=ps.count()), input=rows, output=T("""
        k    | v    | w    | n
        a    | 1    | true | 2
        a    | 1    | null | 1
        a    | null | true | 1
        null | null | null | 1
    """))  # fmt: skip


def test_without_keys_there_is_one_row_once_there_is_any():
    check(lambda s: s.agg(n=ps.count(), total=col("v").sum()), input=ROWS, output=[{"n": 6, "total": 17}])
    check(lambda s: s.agg(n=ps.count()), input=T("v:Int64"), output=[])


def test_aggregates_skip_null_and_of_nothing_are_null():
    check(
        lambda s: s.group_by("k").agg(
            total=col("v").sum(), low=col("v").min(), high=col("v").max(), mean=col("v").mean()
        ),
        input=T("k | v:Int64\na | 1\na | null\na | 4\nb | null"),
        output=T("""
            k | total | low  | high | mean
            a | 5     | 1    | 4    | 2.5
            b | null  | null | null | null
        """),
    )


def test_a_condition_of_an_aggregate():
    check(
        lambda s: s.group_by("k").agg(n=ps.count().filter(col("v") > 2), total=col("v").sum().filter(col("v") > 2)),
        input=T("k | v\na | 1\na | 3\nb | 1"),
        output=T("""
            k | n | total
            a | 1 | 3
            b | 0 | null
        """),
    )


def test_first_and_last_follow_the_order_of_rows():
    check(
        lambda s: s.group_by("k").agg(first=col("v").first(), last=col("v").last()),
        input=(T("k | v\na | 1\na | 2"), T("k | v\na | 3\nb | 9")),
        order=[(0, 1), (0, 0), (0, 0), (0, 1)],
        output=T("""
            k | first | last
            a | 3     | 2
            b | 9     | 9
        """),
    )


def test_what_a_table_takes_back_is_taken_back():
    def histogram(rows):
        return rows.group_by("k").agg(n=ps.count()).group_by("n").agg(keys=ps.count())

    check(histogram, input=T("k\na\nb\na\nc\nb\na"), output=T("""
        n | keys
        1 | 1
        2 | 1
        3 | 1
    """))  # fmt: skip


def test_a_key_without_rows_goes():
    check(
        lambda s: s.group_by("k").agg(n=ps.count()).filter(col("n") == 1).group_by("n").agg(keys=ps.count()),
        input=T("k\na\nb\na\nb"),
        output=[],
    )


@pytest.mark.parametrize("aggregate", ["min", "max", "median", "n_unique", "mean", "sum", "var"])
def test_aggregates_take_back(aggregate):
    def build(rows):
        largest = rows.group_by("k").agg(v=col("v").max())
        return largest.agg(x=getattr(col("v"), aggregate)())

    check(build, input=T("k | v\na | 1\nb | 5\na | 3\nc | 5\nb | 2\na | 9"))


@pytest.mark.parametrize("aggregate", ["first", "last", "list"])
def test_the_rows_of_a_table_have_no_order(aggregate):
    with pytest.raises(UnsupportedError, match="the rows of a Table change"):
        check(
            lambda s: s.group_by("k").agg(v=col("v").sum()).agg(x=getattr(col("v"), aggregate)()),
            input=T("k | v\na | 1\nb | 2"),
        )


def test_a_row_that_cannot_be_evaluated_is_refused_and_does_not_count():
    check(
        lambda s: s.group_by("k").agg(n=ps.count(), total=(col("v") + 1).sum()),
        input=T("k | v\na | 1\na | 9223372036854775807"),
        output=[{"k": "a", "n": 1, "total": 2}],
        errors=[{"k": "a", "v": 2**63 - 1}],
    )


def test_keys_are_sent_in_the_order_of_their_first_rows():
    case = case_of(lambda s: s.group_by("k").agg(n=ps.count()), T("k:String"))
    for shards in (1, 2, 3):
        driver = Driver(case.pipeline, shards=shards)
        driver.push("input", T("k\nc\na\nb\nc")).step()
        assert [(row["k"], diff) for row, diff in driver.changes()] == [("c", 1), ("a", 1), ("b", 1)]
        driver.push("input", T("k\nb\nd\nc")).step()
        assert [(row["k"], diff) for row, diff in driver.changes(step=1)] == [
            ("b", -1), ("c", -1), ("b", 1), ("d", 1), ("c", 1)
        ]  # fmt: skip


def test_the_first_null_key_of_a_later_step_hides_no_change():
    case = case_of(lambda s: s.group_by("k").agg(n=ps.count()), T("k:String"))
    driver = Driver(case.pipeline).push("input", T("k\na\nb")).step().push("input", T('k:String\na\n""\nnull')).step()
    assert sorted((str(row["k"]), row["n"]) for row in driver.rows()) == [("", 1), ("None", 1), ("a", 2), ("b", 1)]


def test_no_rows():
    check(lambda s: s.group_by("k").agg(n=ps.count()), input=T("k:String"), output=[])


def test_values_that_are_taken_back_leave_no_state():
    def build(rows):
        return rows.group_by("k").agg(v=col("v").sum()).group_by().agg(low=col("v").min(), mid=col("v").median())

    case = case_of(build, T("k:String | v:Int64"))
    driver = Driver(case.pipeline)
    for number in range(50):
        driver.push("input", [{"k": "ab"[number % 2], "v": number * 7 % 11}]).step()
    stores = driver.plan.nodes[2].executor.tables[0].stores
    assert [len(store.entries) for store in stores] == [2, 2]
    assert max(store.entries.used for store in stores) <= 4
