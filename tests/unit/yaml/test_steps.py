"""Every verb in YAML builds the plan, or gives the rows, that the same verb of the Python API does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import penstock as ps
from penstock.api.stream import stream
from penstock.yaml.document import pipeline_of
from penstock.yaml.steps import STEPS

ROWS = [
    {"k": "a", "v": 1, "s": 10.0, "at": "2020-01-01T00:00:01Z"},
    {"k": "b", "v": 2, "s": None, "at": "2020-01-01T00:00:02Z"},
    {"k": "a", "v": 3, "s": 30.0, "at": "2020-01-01T00:00:11Z"},
    {"k": "a", "v": 3, "s": 5.0, "at": "2020-01-01T00:00:25Z"},
]
NAMES = [{"id": "a", "name": "Anna", "at": "2020-01-01T00:00:00Z"}]
HEAD = """
pipeline: test
sources:
  rows:
    connector: filesystem
    path: rows.json
    schema: {k: STRING, v: BIGINT, s: DOUBLE, at: TIMESTAMP_LTZ(3)}
    event_time: at
    watermark: 30 s
  names:
    connector: files
    path: names.json
    schema: {id: STRING, name: STRING, at: TIMESTAMP_LTZ(3)}
    event_time: at
    watermark: 30 s
streams:
  made:
    from: rows
    steps:
"""
SINKS = """
sinks:
  out: {from: %s, connector: blackhole}
"""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    for name, rows in (("rows", ROWS), ("names", NAMES)):
        (tmp_path / f"{name}.json").write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    def make(steps: str, of: str = "made") -> Any:
        lines = "".join(f"      {line}\n" for line in steps.strip("\n").splitlines())
        pipeline = pipeline_of(HEAD + lines + SINKS % of, "test.yaml")
        return stream(pipeline.outputs[0].input)

    return make


def shown(rows: Any, *columns: str) -> list[tuple[Any, ...]]:
    frame = rows.collect()
    return sorted(frame.select(columns or frame.columns).rows(), key=repr)


CASES: list[tuple[str, tuple[str, ...], list[tuple[Any, ...]]]] = [
    ("- filter: v > 1 AND k = 'a'", ("v",), [(3,), (3,)]),
    ("- filter: [v > 1, s IS NULL]", ("k",), [("b",)]),
    ("- select: [k, {w: v * 2}]", (), [("a", 2), ("a", 6), ("a", 6), ("b", 4)]),
    ("- select: {w: UPPER(k)}", (), [("A",), ("A",), ("A",), ("B",)]),
    ("- with_columns: {w: v / 2}\n- limit: 2", ("w",), [(0,), (1,)]),
    ("- with_columns: {one: 1, 'yes': true}\n- limit: 1", ("one", "yes"), [(1, True)]),
    ("- drop: [at, s]\n- limit: 1", (), [("a", 1)]),
    ("- rename: {k: key}\n- limit: 1", ("key", "v"), [("a", 1)]),
    ("- cast: {v: STRING}\n- limit: 1", ("v",), [("1",)]),
    ("- fill_null: {s: -1}\n- filter: k = 'b'", ("s",), [(-1.0,)]),
    ("- expect: {paid: s > 5}", ("v", "s"), [(1, 10.0), (3, 30.0)]),
    ("- with_columns: {l: 'ARRAY[v, 7]'}\n- explode: l\n- filter: k = 'b'", ("l",), [(2,), (7,)]),
    ("- inspect: seen\n- limit: 1", ("k",), [("a",)]),
    ("- union: rows\n- group_by: k\n  agg: {n: COUNT(*)}", (), [("a", 6), ("b", 2)]),
    ("- group_by: k\n  agg: {n: COUNT(*), share: SUM(v) / COUNT(*)}", (), [("a", 3, 2), ("b", 1, 2)]),
    ("- group_by: {odd: v % 2}\n  agg: {n: COUNT(*)}", (), [(0, 1), (1, 3)]),
    ("- agg: {n: COUNT(*) FILTER (WHERE s IS NULL)}", (), [(1,)]),
    ("- window: {tumbling: 10 s}\n  agg: {n: COUNT(*)}", ("n",), [(1,), (1,), (2,)]),
    ("- group_by: k\n  window: {hopping: 20 s, every: 10 s}\n  agg: {n: COUNT(*)}", ("k", "n"),
     [("a", 1), ("a", 1), ("a", 2), ("a", 2), ("b", 1), ("b", 1)]),
    ("- group_by: k\n  window: {cumulative: 30 s, every: 30 s}\n  agg: {n: COUNT(*)}", ("k", "n"),
     [("a", 3), ("b", 1)]),
    ("- group_by: k\n  window: {session: 12 s}\n  agg: {n: COUNT(*)}", ("k", "n"), [("a", 1), ("a", 2), ("b", 1)]),
    ("- group_by: k\n  window: {count: 2}\n  agg: {n: SUM(v)}", ("k", "n"), [("a", 3), ("a", 4), ("b", 2)]),
    ("- group_by: k\n  window: global\n  emit: {rows: 2}\n  agg: {n: SUM(v)}", ("k", "n"), [("a", 7), ("b", 2)]),
    ("- group_by: k\n  window: {tumbling: 10 s}\n  emit: change\n  allowed_lateness: 5 s\n  agg: {n: COUNT(*)}",
     ("k", "n"), [("a", 1), ("a", 1), ("a", 1), ("b", 1)]),
    ("- group_by: k\n  top_n: 1\n  by: s\n  rank: place", ("k", "s", "place"), [("a", 30.0, 1), ("b", None, 1)]),
    ("- top_n: 1\n  by: [v, s]\n  descending: [true, false]", ("v", "s"), [(3, 5.0)]),
    ("- dedup: k", ("k", "v"), [("a", 1), ("b", 2)]),
    ("- dedup: [k, v]\n  keep: last", ("k", "v", "s"), [("a", 1, 10.0), ("a", 3, 5.0), ("b", 2, None)]),
    ("- sort: at\n- limit: 1", ("v",), [(1,)]),
    ("- select: k\n- distinct: true", (), [("a",), ("b",)]),
    ("- as_table: k\n  delete: s < 6", ("k", "v"), [("b", 2)]),
    ("- as_table: k\n- changelog: true\n- filter: op = '+I'", ("k", "op"), [("a", "+I"), ("b", "+I")]),
    ("- join: names\n  left_on: k\n  right_on: id", ("k", "name"), [("a", "Anna")] * 3),
    ("- join: names\n  left_on: k\n  right_on: id\n  how: anti", ("k",), [("b",)]),
    ("- join: names\n  left_on: k\n  right_on: id\n  where: left.at < right.at", ("k",), []),
    ("- join: names\n  left_on: k\n  right_on: UPPER(id)\n  how: left", ("k", "name"),
     [("a", None), ("a", None), ("a", None), ("b", None)]),
    ("- join: names\n  left_on: k\n  right_on: id\n  within: [-15 s, 0]", ("v", "name"), [(1, "Anna"), (3, "Anna")]),
    ("- join: names\n  left_on: k\n  right_on: id\n  window: {tumbling: 10 s}", ("v", "name"), [(1, "Anna")]),
    ("- join_asof: names\n  by_left: k\n  by_right: id\n  how: inner\n  tolerance: 5 s", ("v", "name"), [(1, "Anna")]),
    ("- select: k\n- except: made2", (), [("b",)]),
    ("- select: k\n- intersect: made2", (), [("a",)]),
    ("- with_columns: {r: 'SUM(v) OVER (PARTITION BY k ORDER BY at)'}", ("k", "r"),
     [("a", 1), ("a", 4), ("a", 7), ("b", 2)]),
    ("- group_by: k\n  agg: {n: COUNT(*)}\n- state: totals\n  ttl: 7 days", (), [("a", 3), ("b", 1)]),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "columns", "rows"), CASES, ids=[case[0].replace("\n", " ") for case in CASES])
def test_a_step(made: Any, steps: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    if "made2" in steps:
        text = HEAD.replace("streams:", "streams:\n  made2: {from: names, steps: [select: {k: id}]}")
        lines = "".join(f"      {line}\n" for line in steps.splitlines())
        found = stream(pipeline_of(text + lines + SINKS % "made", "test.yaml").outputs[0].input)
    else:
        found = made(steps)
    assert shown(found, *columns) == rows


def test_all_verbs_are_tried() -> None:
    tried = {line.strip("- ").split(":")[0] for case in CASES for line in case[0].splitlines()}
    elsewhere = {"unnest", "with_event_time", "map", "flat_map", "map_batches"}  # below, and in test_functions
    assert set(STEPS) - tried == elsewhere


def test_refused_rows_are_streams(made: Any) -> None:
    steps = "- expect: {paid: s > 5}"
    assert shown(made(steps, "made.errors"), "k", "v") == [("a", 3), ("b", 2)]
    with pytest.raises(ps.PlanError, match='no part of a stream "laet"; did you mean "late"'):
        made(steps, "made.laet")


def test_unnest_and_a_later_event_time(made: Any) -> None:
    assert made("- with_columns: {r: 'ROW(k, v)'}\n- unnest: r").columns[4:] != []
    later = made("- with_columns: {t: \"at + INTERVAL '1' HOUR\"}\n- with_event_time: t\n  watermark: monotonic")
    assert later.node.facts.time == "t"
