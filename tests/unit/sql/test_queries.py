"""Queries over a small table, against what Flink gives."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

import penstock as ps
from tests.unit.sql.given import START, rows, stream


def at(minutes: int) -> dt.datetime:
    return START + dt.timedelta(minutes=minutes)


WINDOWED = "TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR))"
QUERIES: list[tuple[str, list[tuple[object, ...]]]] = [
    ("SELECT a, b FROM t WHERE b > 30", [(3, 60), (None, 40)]),
    ("SELECT x.a + 1 AS n FROM t AS x WHERE x.name = 'z'", [(3,)]),
    ("SELECT b / 7, -b, b * 2.5 FROM t WHERE b = 10", [(1, -10, Decimal("25.0"))]),
    ("SELECT a FROM t WHERE name IS NULL OR a IS NULL", [(1,), (None,)]),
    ("SELECT a FROM t WHERE a IN (2, 3) AND b IS NOT NULL", [(2,), (3,)]),
    ("SELECT a FROM t WHERE a NOT IN (1, 2)", [(3,)]),
    ("SELECT b FROM t WHERE b BETWEEN 20 AND 30", [(20,), (30,)]),
    ("SELECT b FROM t WHERE b NOT BETWEEN 20 AND 50", [(10,), (60,)]),
    ("SELECT b FROM t WHERE b BETWEEN SYMMETRIC 30 AND 20", [(20,), (30,)]),
    ("SELECT name FROM t WHERE name LIKE 'x%' AND a IS NOT NULL", [("x",)]),
    ("SELECT a FROM t WHERE name IS NOT DISTINCT FROM NULL", [(1,)]),
    ("SELECT CASE WHEN a = 1 THEN 'one' WHEN a = 2 THEN 'two' END FROM t WHERE a IS NOT NULL AND b > 10", [("one",), ("two",), (None,)]),
    ("SELECT CASE a WHEN 3 THEN b ELSE 0 END FROM t WHERE name = 'y'", [(0,), (60,)]),
    ("SELECT CAST(b AS STRING) || '!' FROM t WHERE a = 3", [("60!",)]),
    ("SELECT DISTINCT a FROM t", [(1,), (2,), (3,), (None,)]),
    # Queries as values, and NOT IN of what may be NULL.
    ("SELECT b FROM t WHERE b > (SELECT AVG(b) FROM t)", [(40,), (60,)]),
    ("SELECT a, (SELECT COUNT(*) FROM t x WHERE x.a = t.a AND x.b > 10) FROM t WHERE name = 'x'", [(1, 1), (None, 0)]),
    ("SELECT (SELECT MAX(b) - MIN(b) FROM t) FROM t WHERE a = 3", [(50,)]),
    ("SELECT (SELECT MAX(b) FROM t WHERE b > 100) FROM t WHERE a = 3", [(None,)]),
    ("SELECT b FROM t WHERE a NOT IN (SELECT a FROM t WHERE a < 3)", [(60,)]),
    ("SELECT b FROM t WHERE a NOT IN (SELECT a FROM t WHERE b > 20)", []),
    ("SELECT b FROM t WHERE a NOT IN (SELECT a FROM t WHERE b > 100)", [(10,), (20,), (30,), (40,), (60,), (None,)]),
    # Set operations: NULL equals NULL.
    ("SELECT a FROM t INTERSECT SELECT a FROM t WHERE b > 30", [(3,), (None,)]),
    ("SELECT a FROM t EXCEPT SELECT a FROM t WHERE b > 30", [(1,), (2,)]),
    ("SELECT a FROM t INTERSECT ALL SELECT a FROM t WHERE b < 40", [(1,), (1,), (2,)]),
    ("SELECT a FROM t EXCEPT ALL SELECT a FROM t WHERE b < 30", [(1,), (2,), (3,), (None,)]),
    # Earlier rows, and numbers of all rows.
    ("SELECT b, LAG(b) OVER (ORDER BY ts), LAG(b, 2, CAST(-1 AS BIGINT)) OVER (ORDER BY ts) FROM t WHERE b < 40",
     [(10, None, -1), (20, 10, -1), (30, 20, 10)]),
    ("SELECT b, LAG(b) OVER (PARTITION BY a ORDER BY ts), COUNT(*) OVER (PARTITION BY a ORDER BY ts) FROM t WHERE a = 1",
     [(10, None, 1), (30, 10, 2)]),
    ("SELECT b, ROW_NUMBER() OVER (PARTITION BY a ORDER BY ts) AS n FROM t WHERE a < 3", [(10, 1), (20, 1), (30, 2), (None, 2)]),
    # Windows: sessions, rows with their bounds, joins.
    ("SELECT a, COUNT(*) FROM TABLE(SESSION(TABLE t PARTITION BY a, DESCRIPTOR(ts), INTERVAL '30' MINUTE)) "
     "GROUP BY window_start, window_end, a", [(1, 1), (1, 1), (2, 1), (2, 1), (3, 1), (None, 1)]),
    ("SELECT SESSION_END(ts, INTERVAL '30' MINUTE), COUNT(*) FROM t GROUP BY SESSION(ts, INTERVAL '30' MINUTE)", [(at(130), 6)]),
    (f"SELECT b, window_start, window_time FROM {WINDOWED} WHERE a = 1",
     [(10, at(0), at(60) - dt.timedelta(milliseconds=1)), (30, at(0), at(60) - dt.timedelta(milliseconds=1))]),
    ("SELECT b, window_end FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '30' MINUTE, INTERVAL '1' HOUR)) WHERE a = 1",
     [(10, at(30)), (10, at(60)), (30, at(60))]),
    (f"SELECT l.b, r.b, r.window_start FROM (SELECT * FROM {WINDOWED}) l LEFT JOIN (SELECT * FROM {WINDOWED} WHERE b > 20) r "
     "ON l.a = r.a AND l.window_start = r.window_start AND l.window_end = r.window_end WHERE l.b < 30",
     [(10, 30, at(0)), (20, None, None)]),
    (f"SELECT b FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY b DESC) AS n FROM {WINDOWED}) "
     "WHERE n = 1", [(30,), (60,)]),
    ("SELECT x, k, v FROM (VALUES (1, MAP['a', 1]), (2, CAST(NULL AS MAP<STRING, INT>))) AS m (x, y) "
     "LEFT JOIN UNNEST(y) AS u (k, v) ON TRUE", [(1, "a", 1), (2, None, None)]),
    # Queries as values, and conditions of joins of every kind.
    ("SELECT b, a IN (SELECT a FROM t WHERE b > 20) FROM t WHERE b < 50", [(10, True), (20, None), (30, True), (40, None)]),
    ("SELECT b FROM t WHERE b = 20 OR EXISTS (SELECT 1 FROM t x WHERE x.a = t.a AND x.b > 50)", [(20,), (60,)]),
    ("SELECT b FROM t WHERE EXISTS (SELECT 1 FROM t x WHERE x.b < t.b AND x.b > 30)", [(60,)]),
    ("SELECT (SELECT name FROM t WHERE b = 10) FROM t WHERE a = 3", [("x",)]),
    ("SELECT l.b, r.b FROM t l LEFT JOIN t r ON l.b > r.b AND 100 / r.b > 4 WHERE l.a = 1", [(10, None), (30, 10), (30, 20)]),
    ("SELECT x, y, z FROM (VALUES (1, 'a'), (2, 'b')) AS l (x, y) FULL JOIN (VALUES (2, 'c'), (3, 'd')) AS r (x, z) USING (x)",
     [(1, "a", None), (2, "b", "c"), (3, None, "d")]),
    ("SELECT t.b, x.b FROM t JOIN t x JOIN t y ON x.a = y.a ON t.a = x.a WHERE t.a = 3", [(60, 60)]),
    # LATERAL, UNNEST with places.
    ("SELECT t.b, v.n FROM t, LATERAL (SELECT b - 1 AS n FROM t x WHERE x.a = t.a ORDER BY b DESC LIMIT 1) AS v WHERE t.a = 1",
     [(10, 29), (30, 29)]),
    ("SELECT t.b, v.n FROM t LEFT JOIN LATERAL (SELECT COUNT(*) AS n FROM t x WHERE x.a = t.a AND x.b > 10) AS v ON TRUE "
     "WHERE t.name = 'x'", [(10, 1), (40, None)]),
    ("SELECT t.b, v.n FROM t, LATERAL (VALUES (t.a), (7)) AS v (n) WHERE t.b = 60", [(60, 3), (60, 7)]),
    ("SELECT v, i FROM UNNEST(ARRAY['p', 'q']) WITH ORDINALITY AS u (v, i)", [("p", 1), ("q", 2)]),
    # OVER: sums of DECIMAL, distinct values, groups.
    ("SELECT b, SUM(b * 1.50) OVER (ORDER BY ts), COUNT(DISTINCT name) OVER (ORDER BY ts), AVG(b) OVER (ORDER BY ts) "
     "FROM t WHERE b < 40", [(10, Decimal("15.00"), 1, 10), (20, Decimal("45.00"), 2, 15), (30, Decimal("90.00"), 2, 20)]),
    ("SELECT a FROM (SELECT a, ROW_NUMBER() OVER (ORDER BY SUM(b) DESC) AS r FROM t WHERE a < 3 GROUP BY a) WHERE r = 1", [(1,)]),
    # Windows: their bounds before and without an aggregation, rows of sessions, units in the plural.
    (f"SELECT a, COUNT(*) FROM {WINDOWED} WHERE window_start = TIMESTAMP '2024-03-01 10:00:00' AND b > 10 "
     "GROUP BY window_start, window_end, a", [(1, 1), (2, 1)]),
    ("SELECT b FROM TABLE(HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOURS, INTERVAL '2' HOURS)) WHERE a = 3", [(60,), (60,)]),
    ("SELECT name, b, window_end FROM TABLE(SESSION(TABLE t PARTITION BY a, DESCRIPTOR(ts), INTERVAL '90' MINUTE)) WHERE a < 3",
     [("x", 10, at(130)), ("y", 20, at(170)), ("z", None, at(170)), (None, 30, at(130))]),
    # ORDER BY what is not selected, places, expressions.
    ("SELECT name FROM t WHERE b IS NOT NULL ORDER BY b DESC LIMIT 2", [("x",), ("y",)]),
    ("SELECT a, b FROM t WHERE b IS NOT NULL ORDER BY 2 DESC LIMIT 1", [(3, 60)]),
    ("SELECT a FROM t WHERE a IS NOT NULL GROUP BY a ORDER BY SUM(b) DESC LIMIT 1", [(3,)]),
    ("SELECT COUNT(name, a), COUNT(DISTINCT a, name) FROM t", [(4, 4)]),
    ("SELECT a FROM t WHERE a = 3 UNION ALL SELECT a FROM t WHERE a = 3", [(3,), (3,)]),
    ("SELECT a FROM t WHERE a = 3 UNION SELECT a FROM t WHERE a = 3", [(3,)]),
    ("SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v (n, s)", [(1, "a"), (2, "b")]),
    ("VALUES (1), (NULL)", [(1,), (None,)]),
    ("SELECT 1 + 1", [(2,)]),
    ("SELECT a, COUNT(*), SUM(b), MIN(b), MAX(b), AVG(b) FROM t GROUP BY a", [
        (1, 2, 40, 10, 30, 20), (2, 2, 20, 20, 20, 20), (3, 1, 60, 60, 60, 60), (None, 1, 40, 40, 40, 40)]),
    ("SELECT a % 2, COUNT(b) FROM t GROUP BY a % 2", [(0, 1), (1, 3), (None, 1)]),
    ("SELECT COUNT(*), COUNT(b), COUNT(DISTINCT a), COUNT(*) FILTER (WHERE b > 20) FROM t", [(6, 5, 3, 3)]),
    ("SELECT a FROM t GROUP BY a HAVING COUNT(*) > 1", [(1,), (2,)]),
    ("SELECT SUM(b) + COUNT(*) FROM t", [(166,)]),
    ("WITH x AS (SELECT a, b FROM t WHERE b > 20), y AS (SELECT * FROM x WHERE a = 1) SELECT b FROM y", [(30,)]),
    ("SELECT n FROM (SELECT a AS n, COUNT(*) AS c FROM t GROUP BY a) WHERE c > 1", [(1,), (2,)]),
    ("SELECT a, name, COUNT(*) FROM t WHERE a = 1 GROUP BY GROUPING SETS ((a), (name), ())", [
        (1, None, 2), (None, "x", 1), (None, None, 1), (None, None, 2)]),
    ("SELECT a, GROUPING(a), COUNT(*) FROM t WHERE a = 1 GROUP BY ROLLUP (a)", [(1, 0, 2), (None, 1, 2)]),
    (f"SELECT window_start, window_end, COUNT(*) FROM {WINDOWED} GROUP BY window_start, window_end", [
        (at(0), at(60), 3), (at(60), at(120), 3)]),
    (f"SELECT name, window_end, window_time, SUM(b) FROM {WINDOWED} WHERE name = 'x' "
     "GROUP BY name, window_start, window_end, window_time",
     [("x", at(60), at(60) - dt.timedelta(milliseconds=1), 10), ("x", at(120), at(120) - dt.timedelta(milliseconds=1), 40)]),
    ("SELECT window_start, COUNT(*) FROM TABLE(HOP(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), "
     "SLIDE => INTERVAL '30' MINUTE, SIZE => INTERVAL '1' HOUR)) GROUP BY window_start, window_end",
     [(at(-30), 2), (at(0), 3), (at(30), 3), (at(60), 3), (at(90), 1)]),
    ("SELECT window_end, COUNT(*) FROM TABLE(CUMULATE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '2' HOUR)) "
     "GROUP BY window_start, window_end", [(at(60), 3), (at(120), 6)]),
    ("SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '30' MINUTE)) "
     "GROUP BY window_start, window_end", [(at(-30), 2), (at(30), 3), (at(90), 1)]),
    ("SELECT TUMBLE_START(ts, INTERVAL '1' HOUR) AS s, TUMBLE_END(ts, INTERVAL '1' HOUR), COUNT(*) FROM t "
     "GROUP BY TUMBLE(ts, INTERVAL '1' HOUR)", [(at(0), at(60), 3), (at(60), at(120), 3)]),
    (f"WITH h AS (SELECT window_time AS w, COUNT(*) AS n FROM {WINDOWED} GROUP BY window_start, window_end, window_time) "
     "SELECT window_start, SUM(n) FROM TABLE(TUMBLE(TABLE h, DESCRIPTOR(w), INTERVAL '1' DAY)) "
     "GROUP BY window_start, window_end", [(at(-600), 6)]),
    (f"SELECT COUNT(*) FROM (SELECT name, window_start, window_end FROM {WINDOWED} WHERE b > 10) "
     "GROUP BY window_start, window_end", [(2,), (2,)]),
    ("CREATE VIEW v AS SELECT a, b FROM t WHERE a = 2; SELECT b FROM v", [(20,), (None,)]),
    ("CREATE VIEW v (p, q) AS SELECT a, b FROM t WHERE a = 3; SELECT q - p FROM v", [(57,)]),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "expected"), QUERIES, ids=range(len(QUERIES)))
def test_queries_give_what_flink_gives(sql: str, expected: list[tuple[object, ...]]) -> None:
    assert rows(sql) == sorted(expected, key=repr)


def test_a_running_group_is_a_table_and_a_window_a_stream() -> None:
    assert isinstance(ps.sql("SELECT a, COUNT(*) FROM t GROUP BY a", t=stream()), ps.Table)
    windowed = ps.sql(f"SELECT COUNT(*) FROM {WINDOWED} GROUP BY window_start, window_end", t=stream())
    assert not isinstance(windowed, ps.Table)


def test_names_are_case_sensitive() -> None:
    frame = {"id": [1], "Id": [2]}
    import polars as pl

    assert ps.sql("SELECT Id, id FROM x", x=pl.DataFrame(frame)).collect().rows() == [(2, 1)]


def test_columns_of_one_name_get_others() -> None:
    assert ps.sql("SELECT a, a, 1 FROM t", t=stream()).collect().columns == ["a", "a0", "EXPR$2"]


def test_the_function_stays_when_the_package_is_imported() -> None:
    import importlib

    importlib.import_module("penstock.sql.script")
    assert callable(ps.sql)


def test_top_n_of_windows_is_for_good():
    """Ranked within the last millisecond of their window, rows of an aggregation are final: any sink takes them."""
    sums = f"SELECT window_start, window_end, a, SUM(b) AS s FROM {WINDOWED} GROUP BY window_start, window_end, a"
    numbered = f"SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY s DESC) AS n FROM ({sums})"
    ranked = ps.sql(f"SELECT window_start, a, s, n FROM ({numbered}) WHERE n <= 2", t=stream())
    assert type(ranked) is ps.Stream
    found = ranked.collect().sort("window_start", "n").rows()
    every = ps.sql(f"SELECT * FROM ({sums})", t=stream()).collect()
    wanted = []
    for start in sorted(set(every["window_start"].to_list())):
        mine = every.filter(every["window_start"] == start).sort("s", descending=True, nulls_last=True).head(2)
        wanted += [(start, row["a"], row["s"], number) for number, row in enumerate(mine.to_dicts(), 1)]
    assert found == wanted
