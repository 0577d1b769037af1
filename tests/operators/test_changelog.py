from __future__ import annotations

import penstock as ps
from penstock import col
from penstock.testing import Driver, T, check
from penstock.testing.case import case_of

KEYS = T("""
    k
    a
    a
    b
""")


def counts(rows):
    return rows.group_by("k").agg(n=ps.count())


def test_changes_add_up_to_the_table():
    check(lambda s: counts(s).changelog(), input=KEYS)


def test_one_row_a_step_shows_every_update():
    case = case_of(lambda s: counts(s).changelog(), KEYS)
    driver = Driver(case.pipeline)
    for row in KEYS.rows:
        driver.push("input", [row]).step()
    assert [tuple(row.values()) for row in driver.rows()] == [
        ("+I", "a", 1), ("-U", "a", 1), ("+U", "a", 2), ("+I", "b", 1)
    ]  # fmt: skip


def test_one_step_shows_the_net():
    case = case_of(lambda s: counts(s).changelog(), KEYS)
    driver = Driver(case.pipeline).push("input", KEYS).step()
    assert [tuple(row.values()) for row in driver.rows()] == [("+I", "a", 2), ("+I", "b", 1)]


def test_a_row_that_leaves_is_deleted():
    case = case_of(lambda s: counts(s).filter(col("n") < 2).changelog(), KEYS)
    driver = Driver(case.pipeline)
    for row in KEYS.rows:
        driver.push("input", [row]).step()
    assert [tuple(row.values()) for row in driver.rows()] == [("+I", "a", 1), ("-D", "a", 1), ("+I", "b", 1)]


def test_the_changes_of_a_table_row_by_row():
    check(
        counts,
        input=KEYS,
        output=T("""
            op | k | n
            +I | a | 1
            -U | a | 1
            +U | a | 2
            +I | b | 1
        """),
    )
