"""Functions in Python as SQL declares and calls them."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

import penstock as ps
from penstock.api.sql import load
from penstock.core.errors import PlanError, UnsupportedError
from penstock.spelling import written
from penstock.spelling.sql import read_sql
from penstock.spelling.written import same
from tests.unit.sql.test_nexmark import tables

NUMBERS = itertools.count()
TEXT = """
import penstock as ps
from json import loads

def count_char(text: str, letter: str) -> int:
    return text.count(letter)

@ps.udf(returns=ps.List(ps.Struct({"word": ps.String, "length": ps.Int64})))
def words(text: str):
    return [{"word": word, "length": len(word)} for word in text.split()]

@ps.udf(returns=ps.Float64, vectorized=True)
def half(x):
    return x / 2

def untyped(x):
    return x

class Thing:
    pass
"""
ROWS = [{"a": "hello world", "k": 1}, {"a": "lll", "k": 2}, {"a": None, "k": 3}]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module in the current folder."""
    name = f"tools_of_test_{next(NUMBERS)}"
    (tmp_path / f"{name}.py").write_text(TEXT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])
    return name


def declared(module: str, *names: str) -> str:
    return "".join(f"CREATE TEMPORARY FUNCTION {one} AS '{module}.{one}' LANGUAGE PYTHON;\n" for one in names)


def rows(text: str, **more: object) -> list[tuple[object, ...]]:
    return sorted(ps.sql(text, t=ROWS, **more).collect().rows(), key=repr)


def test_in_select_where_and_group_by(module):
    head = declared(module, "count_char")
    assert rows(head + "SELECT k, count_char(a, 'l') + 1 FROM t WHERE count_char(a, 'o') > 0") == [(1, 4)]
    assert rows(head + "SELECT count_char(a, 'l') AS c, COUNT(*) FROM t GROUP BY count_char(a, 'l')") == [
        (3, 2),
        (None, 1),
    ]
    assert rows(head + "SELECT SUM(count_char(a, 'l')) FROM t") == [(6,)]
    assert rows(head + "SELECT count_char(UPPER(a), CAST(count_char(a, 'l') AS STRING)) FROM t WHERE k < 3") == [
        (0,),
        (0,),
    ]


def test_names_of_columns_are_those_without_calls(module):
    stream = ps.sql(declared(module, "count_char") + "SELECT *, count_char(a, 'l'), k FROM t", t=ROWS)
    assert stream.columns == ["a", "k", "EXPR$2", "k0"]


def test_over_series_and_from_the_program(module):
    assert rows(declared(module, "half") + "SELECT half(k) FROM t") == [(0.5,), (1.0,), (1.5,)]

    def plus(x: int) -> int:
        return x + 1

    assert rows("SELECT plus(k) FROM t", functions={"plus": plus}) == [(2,), (3,), (4,)]


def test_a_function_of_tables(module):
    head = declared(module, "words")
    for how in (", LATERAL TABLE(words(a))", "CROSS JOIN LATERAL TABLE(words(a))", "CROSS JOIN UNNEST(words(a))"):
        found = rows(head + f"SELECT k, w, n FROM t {how} AS r(w, n)")
        assert found == [(1, "hello", 5), (1, "world", 5), (2, "lll", 3)]
    found = rows(head + "SELECT k, word FROM t LEFT JOIN LATERAL TABLE(words(a)) ON TRUE")
    assert found == [(1, "hello"), (1, "world"), (2, "lll"), (3, None)]


def test_rows_that_fail_are_refused(module):
    stream = ps.sql("SELECT broken(k) AS b FROM t", t=ROWS, functions={"broken": broken})
    assert sorted(stream.collect()["b"]) == [1, 3]


def broken(x: int) -> int:
    """Fails for two."""
    if x == 2:
        raise ValueError("two")
    return x


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("os.system", 'there is no module "os" in'),
        ("json.loads", 'there is no module "json" in'),
        ("subprocess.run", "of its own folder only"),
        ("{0}.loads", 'is a function of "json"'),
        ("{0}.count_chars", 'did you mean "count_char"?'),
        ("{0}.untyped", "does not say what it gives"),
        ("{0}.Thing", "is no function"),
        ("../x.f", "does not say where a function is"),
        ("count_char", "does not say where a function is"),
    ],
)
def test_what_is_no_function_of_the_folder_is_refused(module, target, message):
    with pytest.raises(PlanError) as refused:
        ps.sql(f"CREATE FUNCTION f AS '{target.format(module)}' LANGUAGE PYTHON; SELECT f(a) FROM t", t=ROWS)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT count_char(a) FROM t", "takes 2 argument(s)"),
        ("SELECT count_char(k, 'l') FROM t", '"text" of count_char is String'),
        ("SELECT x.k FROM t x JOIN t y ON count_char(x.a, 'l') = y.k", "has no place in ON"),
        ("SELECT MAX(a) FROM t GROUP BY k HAVING count_char(MAX(a), 'l') > 1", "has no place in HAVING"),
        (
            "SELECT r.w FROM t, LATERAL TABLE(count_char(a, 'l')) AS r(w)",
            "gives one value, and a table function a list",
        ),
        ("SELECT count_chars(a, 'l') FROM t", 'did you mean "count_char"?'),
        ("SELECT count_char(DISTINCT a, 'l') FROM t", "a function of one row"),
    ],
)
def test_what_has_no_place_says_so(module, query, message):
    with pytest.raises(PlanError) as refused:
        ps.sql(declared(module, "count_char") + query, t=ROWS)
    assert message in str(refused.value)
    assert refused.value.where is not None


def test_other_languages_and_names_of_sql(module):
    with pytest.raises(UnsupportedError, match="functions in JAVA do not run here"):
        ps.sql("CREATE FUNCTION f AS 'org.example.F'; SELECT f(a) FROM t", t=ROWS)
    with pytest.raises(PlanError, match="UPPER is a function of SQL"):
        ps.sql(f"CREATE FUNCTION upper AS '{module}.count_char' LANGUAGE PYTHON; SELECT 1", t=ROWS)
    with pytest.raises(PlanError, match="already"):
        ps.sql(declared(module, "half", "half") + "SELECT 1", t=ROWS)
    with pytest.raises(PlanError, match='no function "half"'):
        ps.sql(declared(module, "half") + "DROP FUNCTION half; DROP FUNCTION half; SELECT 1", t=ROWS)


def test_a_file_takes_functions_of_its_folder_and_comes_back(module, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    text = (
        declared(module, "count_char")
        + """
        CREATE TABLE t (a STRING, k BIGINT) WITH ('connector' = 'filesystem', 'path' = 'x.csv', 'format' = 'csv');
        CREATE TABLE o (k BIGINT, n BIGINT) WITH ('connector' = 'print');
        INSERT INTO o SELECT k, count_char(a, 'l') FROM t WHERE k > 1;
    """
    )
    file = tmp_path / "counted.sql"
    file.write_text(text)
    pipeline = load(file)
    found = written(pipeline, "sql")
    assert not found.missing
    assert "count_char(a, 'l') AS n" in found.text
    assert same(read_sql(found.text, folder=tmp_path), pipeline)
    assert f"from {module} import count_char" not in found.text


Q14 = """
    SELECT auction, bidder, 0.908 * price AS price,
      CASE WHEN HOUR(`dateTime`) >= 8 AND HOUR(`dateTime`) <= 18 THEN 'dayTime'
           WHEN HOUR(`dateTime`) <= 6 OR HOUR(`dateTime`) >= 20 THEN 'nightTime' ELSE 'otherTime' END AS bidTimeType,
      `dateTime`, extra, count_char(extra, 'c') AS c_counts
    FROM bid WHERE 0.908 * price > 1000000 AND 0.908 * price < 50000000
"""


def test_q14_of_nexmark(module):
    bid = tables()["bid"]
    found = ps.sql(declared(module, "count_char") + Q14, bid=bid).collect()
    assert found.height > 0
    assert found["c_counts"].to_list() == [one.count("c") for one in found["extra"]]
