"""Whole scripts: the file of the design, statements, the command line."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

import penstock as ps
from penstock.api.stream import stream
from penstock.cli.check import findings
from penstock.core.errors import PlanError
from penstock.core.timespan import DAY
from penstock.operators.as_table import AsTable
from penstock.operators.dedup import Dedup
from penstock.operators.group import Group
from penstock.plan.node import walk
from penstock.plan.ttl import TimeToLive
from penstock.sql.script import Script
from tests.unit.sql.given import rows, tables

FLIGHTS = """
SET 'table.local-time-zone' = 'America/New_York';

CREATE TABLE flights (
  origin STRING, dep_delay BIGINT, time_hour TIMESTAMP_LTZ(3),
  WATERMARK FOR time_hour AS time_hour - INTERVAL '1' HOUR
) WITH ('connector' = 'filesystem', 'path' = '${FOLDER}/flights.parquet', 'format' = 'parquet');

CREATE TABLE delays (origin STRING, window_start TIMESTAMP(3), window_end TIMESTAMP(3), flights BIGINT, avg_delay DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '${FOLDER}/out', 'format' = 'json');

INSERT INTO delays
SELECT origin, window_start, window_end, COUNT(*), AVG(CAST(dep_delay AS DOUBLE))
FROM TABLE(TUMBLE(TABLE flights, DESCRIPTOR(time_hour), INTERVAL '1' DAY))
WHERE dep_delay IS NOT NULL
GROUP BY origin, window_start, window_end;
"""


def flights(folder: Path) -> None:
    """A day and a half of New York, in UTC."""
    moments = pl.datetime_range(
        pl.datetime(2013, 1, 1, 5), pl.datetime(2013, 1, 2, 16), "1h", time_zone="UTC", eager=True
    )
    count = len(moments)
    frame = pl.DataFrame({"origin": ["EWR", "JFK"] * (count // 2), "dep_delay": range(count), "time_hour": moments})
    frame = frame.with_columns(pl.col("dep_delay").replace_strict(3, None, default=pl.col("dep_delay")))
    frame.write_parquet(folder / "flights.parquet")


def written(folder: Path) -> list[dict[str, object]]:
    """What the sink has."""
    return [json.loads(line) for file in sorted(folder.glob("*.json")) for line in file.read_text().splitlines()]


def test_the_script_of_the_design_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flights(tmp_path)
    (tmp_path / "delays.sql").write_text(FLIGHTS)
    pipeline = ps.load("delays.sql", FOLDER=str(tmp_path))
    assert pipeline.name == "delays"
    ps.run(pipeline)
    first, *_ = found = written(tmp_path / "out")
    assert first == {
        "origin": "EWR",
        "window_start": "2013-01-01T00:00:00",
        "window_end": "2013-01-02T00:00:00",
        "flights": 12,
        "avg_delay": 11.0,
    }
    assert [row["flights"] for row in found] == [12, 11, 6, 6]


def test_what_is_known_of_a_script_before_it_runs(tmp_path: Path) -> None:
    script = Script()
    script.run(FLIGHTS, "delays.sql")
    found = findings(ps.Pipeline("delays", *script.outputs()))
    columns = {one["name"]: one["type"] for one in found["nodes"][-1]["columns"]}
    assert columns["window_start"] == 'Datetime("ms")'
    assert found["unbounded_state"] == []
    assert found["nodes"][0]["where"] == "delays.sql:4:1"


def test_several_inserts_are_one_pipeline_and_those_into_one_table_one_output() -> None:
    script = Script()
    script.give(tables())
    script.run(
        """
        CREATE TABLE x (a INT, b BIGINT) WITH ('connector' = 'blackhole');
        CREATE TABLE y LIKE x;
        EXECUTE STATEMENT SET BEGIN
          INSERT INTO x SELECT a, b FROM t;
          INSERT INTO y (b) SELECT b FROM t WHERE a = 1;
          INSERT INTO x VALUES (1, 2);
        END;
        """
    )
    assert [output.name for output in script.outputs()] == ["x", "y"]


def test_print_has_the_lines_of_flink(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    script = Script()
    script.give(tables())
    script.run(
        "CREATE TABLE p (a INT, n BIGINT) WITH ('connector' = 'print'); INSERT INTO p SELECT a, b FROM t WHERE a = 1"
    )
    ps.run(ps.Pipeline("printed", *script.outputs()), state=str(tmp_path / "state"))
    assert capsys.readouterr().out.splitlines() == ["+I[1, 10]", "+I[1, 30]"]


def test_like_tables_take_what_is_not_excluded() -> None:
    script = Script()
    script.run(
        """
        CREATE TABLE base (a INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen', 'number-of-rows' = '3');
        CREATE TABLE more (b AS a + 1) WITH ('number-of-rows' = '5') LIKE base;
        CREATE TABLE less WITH ('connector' = 'datagen') LIKE base (EXCLUDING WATERMARKS EXCLUDING OPTIONS);
        """
    )
    more, less = script.tables["more"].related, script.tables["less"].related
    assert [one.name for one in more.columns] == ["a", "ts", "b"]
    assert (more.time, less.time) == ("ts", None)
    assert more.node.facts.bounded
    assert not less.node.facts.bounded


def test_options_of_a_table_can_be_changed_by_a_hint() -> None:
    script = Script()
    script.run(
        """
        CREATE TABLE g (a INT) WITH ('connector' = 'datagen');
        SELECT * FROM g /*+ OPTIONS('number-of-rows' = '4') */;
        """
    )
    assert script.queries[0].node.facts.bounded


def test_describe_explain_and_show_answer() -> None:
    script = Script()
    script.give(tables())
    script.run("DESCRIBE t; SHOW TABLES; EXPLAIN CHANGELOG_MODE SELECT a, COUNT(*) FROM t GROUP BY a; SHOW FUNCTIONS")
    described, shown, explained, functions = script.shown
    assert described.splitlines()[0] == "a     INT"
    assert "*ROWTIME* NOT NULL" in described
    assert shown == "t"
    assert "group: I,UB,UA,D" in explained
    assert {"COUNT", "UPPER"} <= set(functions.splitlines())


def test_drop_and_if_exists() -> None:
    script = Script()
    script.run("CREATE TABLE x (a INT) WITH ('connector' = 'blackhole'); DROP TABLE x; DROP TABLE IF EXISTS x")
    with pytest.raises(PlanError, match='no table "x"'):
        script.run("DROP TABLE x")


def test_computed_columns_are_read_and_not_written() -> None:
    script = Script()
    script.run(
        """
        CREATE TABLE g (a INT, b AS a * 2, c AS CAST(a AS STRING)) WITH ('connector' = 'datagen', 'number-of-rows' = '3');
        SELECT b - a - a, c FROM g;
        """
    )
    assert list(script.tables["g"].physical.names) == ["a"]
    assert stream(script.queries[0].node).collect()["EXPR$0"].to_list() == [0, 0, 0]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY a ORDER BY ts MEASURES A.b AS x PATTERN (A B) DEFINE B AS b > 1) AS m",
        "SELECT a FROM t EMIT CHANGES",
        "SELECT a FROM t, LATERAL TABLE(f(a)) AS x",
        "CREATE FUNCTION f AS 'org.example.F'",
        "SELECT t.a FROM t FOR SYSTEM_TIME AS OF t.ts",
        "SELECT /*+ STATE_TTL('t' = '1 h') */ a FROM t",
        "SELECT LEAD(b) OVER (ORDER BY ts) FROM t",
        "SELECT a FROM t WHERE (a, b) NOT IN (SELECT a, b FROM t)",
        "SELECT a, ROW_NUMBER() OVER (ORDER BY b) FROM t",
        "CREATE TABLE c (a INT) WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'debezium-json'); SELECT * FROM c",
        "CREATE TABLE c (a INT, ts TIMESTAMP(3), PRIMARY KEY (a) NOT ENFORCED, WATERMARK FOR ts AS ts) "
        "WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'debezium-json'); SELECT * FROM c",
        "SELECT l.a FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) l JOIN "
        "TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '2' HOUR)) r ON l.a = r.a AND l.window_start = r.window_start "
        "AND l.window_end = r.window_end",
        "SET 'execution.runtime-mode' = 'batch'",
        "CREATE TABLE k (a INT) WITH ('connector' = 'upsert-kafka'); SELECT * FROM k",
        "CREATE TABLE k (a INT, p MAP<STRING, BYTES> METADATA FROM 'headers') WITH ('connector' = 'kafka', 'topic' = 'x', "
        "'properties.bootstrap.servers' = 'h:1', 'format' = 'json')",
    ],
)
def test_what_is_not_offered_is_refused_with_its_place(sql: str) -> None:
    script = Script()
    script.give(tables())
    with pytest.raises(PlanError) as refused:
        script.run(sql)
    assert refused.value.where is not None


FROM_KAFKA = """
CREATE TABLE k (a INT, p INT METADATA FROM 'partition' VIRTUAL, `offset` BIGINT METADATA VIRTUAL, b AS a + p,
  ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL, WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'kafka', 'topic' = 'x', 'properties.bootstrap.servers' = 'h:1', 'format' = 'json');
"""


def test_metadata_is_read_and_not_written() -> None:
    script = Script()
    script.run(FROM_KAFKA + "SELECT * FROM k; INSERT INTO k SELECT 1")
    related = script.queries[0]
    assert [one.name for one in related.columns] == ["a", "p", "offset", "b", "ts"]
    (read,) = (node for node in walk(related.node) if node.verb == "read")
    assert read.parameters()["source"].metadata == {"p": "partition", "offset": "offset", "ts": "timestamp"}
    assert any(node.facts.time == "ts" for node in walk(related.node))
    assert script.tables["k"].physical.names == ("a",)
    (output,) = script.outputs()
    assert output.input.schema.names == ("a",)


CHANGES = """
CREATE TABLE c (id INT, name STRING, PRIMARY KEY (id) NOT ENFORCED)
WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'debezium-json', 'debezium-json.schema-include' = 'false');
"""


def test_changes_are_the_rows_of_their_key(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(
        """
{"before": null, "after": {"id": 1, "name": "a"}, "op": "c"}
{"before": null, "after": {"id": 2, "name": "b"}, "op": "r"}
{"before": {"id": 1, "name": "a"}, "after": {"id": 3, "name": "a"}, "op": "u"}
{"before": {"id": 2, "name": "b"}, "after": null, "op": "d"}
{"before": null, "after": {"id": 4, "name": "d"}, "op": "c"}
{"before": null, "after": {"id": 4, "name": "e"}, "op": "u"}
""".strip()
    )
    found = ps.sql(CHANGES.format(path=path) + "SELECT id, name FROM c")
    assert found.node.facts.key == ("id",)
    assert sorted(found.collect().rows()) == [(3, "a"), (4, "e")]


def test_a_change_of_another_kind_is_an_error_row(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"before": null, "after": {"id": 1, "name": "a"}, "op": "x"}\n')
    script = Script()
    script.run(CHANGES.format(path=path) + "SELECT id, name FROM c")
    (table,) = (node for node in walk(script.queries[0].node) if isinstance(node, AsTable))
    assert stream(table).collect().rows() == []
    assert stream(table).errors().collect().drop("_why").rows() == [(1, "a", "x")]


def test_changes_are_not_written() -> None:
    script = Script()
    script.run(CHANGES.format(path="x") + "INSERT INTO c VALUES (1, 'a')")
    with pytest.raises(PlanError, match="only read yet") as refused:
        script.outputs()
    assert refused.value.where is not None


@pytest.mark.parametrize(
    ("sql", "days"),
    [
        ("SET 'table.exec.state.ttl' = '1 d'; SELECT a, COUNT(*) FROM t GROUP BY a", 1),
        ("SET 'table.exec.state.ttl' = '1 d'; SELECT DISTINCT a FROM t", 1),
        ("SELECT /*+ STATE_TTL('t' = '2 d') */ a, COUNT(*) FROM t GROUP BY a", 2),
        ("SET 'table.exec.state.ttl' = '1 d'; SELECT /*+ STATE_TTL('t' = '0 s') */ DISTINCT a FROM t", None),
        ("SET 'table.exec.state.ttl' = '0 s'; SELECT a, COUNT(*) FROM t GROUP BY a", None),
    ],
)
def test_groups_are_kept_so_long(sql: str, days: int | None) -> None:
    script = Script()
    script.give(tables())
    script.run(sql)
    (group,) = (node for node in walk(script.queries[0].node) if isinstance(node, Group))
    assert group.ttl == (None if days is None else TimeToLive(days * DAY, "processing"))


CLOCKED = """
CREATE TABLE o (k STRING, n BIGINT, ts TIMESTAMP_LTZ(3), p AS PROCTIME(), WATERMARK FOR ts AS ts)
WITH ('connector' = 'datagen', 'number-of-rows' = '1000', 'fields.k.length' = '1', 'rows-per-second' = '1000000');
"""


@pytest.mark.parametrize("order", ["p", "PROCTIME()", "ts"])
@pytest.mark.parametrize(
    ("before", "hint", "days"),
    [
        ("", "", None),
        ("SET 'table.exec.state.ttl' = '2 d';", "", 2),
        ("SET 'table.exec.state.ttl' = '2 d';", "/*+ STATE_TTL('o' = '1 d') */", 1),
    ],
)
def test_the_first_row_of_each_key_is_known_so_long(order: str, before: str, hint: str, days: int | None) -> None:
    script = Script()
    script.run(
        f"{before}{CLOCKED} SELECT k, n FROM (SELECT {hint} *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY {order}) AS rn "
        "FROM o) WHERE rn = 1"
    )
    (dedup,) = (node for node in walk(script.queries[0].node) if isinstance(node, Dedup))
    assert dedup.ttl == (None if days is None else TimeToLive(days * DAY, "processing"))
    assert (dedup.unbounded_state is None) == (days is not None)


def test_the_rows_behind_the_first_ones() -> None:
    rows = ps.read([{"a": i} for i in range(5)])
    assert ps.sql("SELECT a FROM t LIMIT 2 OFFSET 1", t=rows).collect()["a"].to_list() == [1, 2]


def test_ranks_by_arrival() -> None:
    first = "SELECT k FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY p) AS rn FROM o) WHERE rn <= 2"
    last = "SELECT k FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY p DESC) AS rn FROM o) WHERE rn = 1"
    keys = ps.sql(CLOCKED + last).collect()["k"].to_list()
    assert len(keys) == len(set(keys))
    both = ps.sql(CLOCKED + first).collect()["k"].to_list()
    assert set(both) == set(keys)
    assert max(map(both.count, both)) == 2


@pytest.mark.parametrize(
    "rank",
    [
        "SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY p, n) AS rn FROM o",
        "SELECT *, ROW_NUMBER() OVER (PARTITION BY p ORDER BY n) AS rn FROM o",
        "SELECT *, ROW_NUMBER() OVER (ORDER BY p DESC) AS rn FROM o",
        "SELECT /*+ STATE_TTL('o' = '1 d') */ *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY n) AS rn FROM o",
    ],
)
def test_ranks_by_arrival_that_are_refused(rank: str) -> None:
    with pytest.raises(PlanError) as refused:
        ps.sql(f"{CLOCKED} SELECT k FROM ({rank}) WHERE rn <= 1")
    assert refused.value.where is not None


def test_options_without_effect_are_noted() -> None:
    script = Script()
    script.run("SET 'table.exec.mini-batch.enabled' = 'true'; SET 'parallelism.default' = '4'; RESET")
    assert len(script.options.notes) == 2
    assert script.options.given == {}


def test_a_file_without_an_insert_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("CREATE TABLE x (a INT) WITH ('connector' = 'print')")
    with pytest.raises(PlanError, match="has no INSERT"):
        ps.load(tmp_path / "a.sql")
    with pytest.raises(PlanError, match="there is no file"):
        ps.load(tmp_path / "b.sql")
    with pytest.raises(PlanError, match="there is no file"):
        ps.load(tmp_path / "b.yaml")


def test_frames_and_lists_are_tables() -> None:
    assert ps.sql("SELECT n FROM y", y=pl.DataFrame({"n": [2]})).collect().rows() == [(2,)]
    assert ps.sql("SELECT n FROM x", x=[{"n": 1}]).collect().rows() == [(1,)]
    assert rows("SELECT COUNT(*) FROM t") == [(6,)]
