"""MATCH_RECOGNIZE: what is read, and what it would give."""

from __future__ import annotations

import pytest

from penstock.core.errors import UnsupportedError
from penstock.sql.parse_match import MatchParser
from penstock.sql.parse_statement import StatementParser
from penstock.sql.syntax import MatchRecognize, Relation
from penstock.sql.text import Text
from tests.unit.sql.mistakes import message


def read(inside: str) -> MatchRecognize:
    """What is between the brackets."""
    return MatchParser(StatementParser(Text(f"MATCH_RECOGNIZE ({inside})"))).read(Relation())


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("A", [("A", 1, 1, False)]),
        ("A B+ C", [("A", 1, 1, False), ("B", 1, None, False), ("C", 1, 1, False)]),
        ("A* B*? C+?", [("A", 0, None, False), ("B", 0, None, True), ("C", 1, None, True)]),
        ("A? B", [("A", 0, 1, False), ("B", 1, 1, False)]),
        (
            "A{2} B{2,} C{2,5} D{,5}",
            [("A", 2, 2, False), ("B", 2, None, False), ("C", 2, 5, False), ("D", 0, 5, False)],
        ),
        ("A{2,5}? B{0,1}", [("A", 2, 5, True), ("B", 0, 1, False)]),
    ],
)
def test_patterns(pattern: str, found: list[tuple[str, int, int | None, bool]]) -> None:
    match = read(f"PATTERN ({pattern}) DEFINE A AS x > 1")
    assert [(one.name.name, one.least, one.most, one.reluctant) for one in match.pattern] == found


@pytest.mark.parametrize(
    ("said", "to", "variable"),
    [
        ("PAST LAST ROW", "past last row", None),
        ("TO NEXT ROW", "to next row", None),
        ("TO FIRST B", "to first", "B"),
        ("TO LAST B", "to last", "B"),
        ("TO B", "to last", "B"),
    ],
)
def test_where_matching_goes_on(said: str, to: str, variable: str | None) -> None:
    skip = read(f"ONE ROW PER MATCH AFTER MATCH SKIP {said} PATTERN (A B) DEFINE A AS x > 1").skip
    assert skip is not None
    assert (skip.to, skip.variable.name if skip.variable else None) == (to, variable)


def test_within() -> None:
    within = read("PATTERN (A B) WITHIN INTERVAL '1:30' MINUTE TO SECOND DEFINE A AS x > 1").within
    assert within is not None
    assert within.us == 90_000_000
    assert read("PATTERN (A B) DEFINE A AS x > 1").within is None


@pytest.mark.parametrize(
    ("measures", "types"),
    [
        ("A.b AS x", "x BIGINT"),
        ("FIRST(A.b, 2) - LAST(B.b) AS x, PREV(B.name) AS y", "x BIGINT, y STRING"),
        (
            "COUNT(*) AS n, AVG(CAST(B.b AS DOUBLE)) AS mean, SUM(B.b + 1) / COUNT(B.b) AS x",
            "n BIGINT, mean DOUBLE, x BIGINT",
        ),
        ("UPPER(LAST(B.name)) || 'x' AS name", "name STRING"),
        ("MATCH_ROWTIME() AS at, A.ts AS began", "at TIMESTAMP(3), began TIMESTAMP(3)"),
        ("CASE WHEN LAST(B.b) > A.b THEN 'up' ELSE 'down' END AS trend", "trend STRING"),
    ],
)
def test_measures_have_types(measures: str, types: str) -> None:
    told = message(
        f"SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY a ORDER BY ts, b MEASURES {measures} PATTERN (A B+ C) "
        "DEFINE B AS B.b > LAST(B.b, 1) AND SUM(B.b) < 100) AS m"
    )
    assert "does not run yet" in told
    assert told.endswith(f"it would give a INT, {types}")


def test_it_is_refused_as_a_thing_that_is_not_there() -> None:
    from penstock.sql.script import Script
    from tests.unit.sql.given import tables

    script = Script()
    script.give(tables())
    with pytest.raises(UnsupportedError, match="the operator of patterns comes later"):
        script.run("SELECT * FROM t MATCH_RECOGNIZE (ORDER BY ts PATTERN (A B) DEFINE B AS b > A.b)")
