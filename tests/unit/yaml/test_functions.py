"""Functions in Python in YAML, and the other verbs that came with them."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pytest

import penstock as ps
from penstock.api.sql import load
from penstock.core.errors import PlanError
from penstock.spelling import written
from penstock.spelling.written import same
from penstock.spelling.yaml import read_yaml

NUMBERS = itertools.count()
MODULE = """
import penstock as ps
from json import loads

def count_char(text: str, letter: str) -> int:
    return text.count(letter)

def shouted(row):
    return {"b": row.b.upper() + "!"}

def twice(row):
    yield {"b": row.b}
    yield {"b": row.b}

def as_it_is(frame):
    return frame
"""
HEAD = """
pipeline: p
sources:
  t: {connector: filesystem, path: t.csv, format: csv, schema: {a: BIGINT, b: STRING}}
"""
TAIL = """
sinks:
  out: {from: s, connector: print}
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module beside the file."""
    name = f"functions_of_test_{next(NUMBERS)}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.setattr("sys.path", [*sys.path])
    return name


def loaded(folder: Path, body: str) -> ps.Pipeline:
    (folder / "p.yaml").write_text(HEAD + body + TAIL)
    return load(folder / "p.yaml")


def rows(pipeline: ps.Pipeline, folder: Path) -> list[tuple[object, ...]]:
    (folder / "t.csv").write_text("a,b\n1,hello\n2,xyz\n")
    return sorted(ps.api.stream.stream(pipeline.outputs[0].input).collect().rows())


def test_functions_in_expressions(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pipeline = loaded(
        tmp_path,
        f"""
functions: {{letters: {module}.count_char}}
streams:
  s:
    from: t
    steps:
      - filter: letters(b, 'l') + 1 > 2
      - select: {{a: a, n: "letters(b, 'l') + letters(UPPER(b), 'H')"}}
""",
    )
    assert rows(pipeline, tmp_path) == [(1, 3)]
    found = written(pipeline, "yaml")
    assert not found.missing
    assert f"functions: {{count_char: {module}.count_char}}" in found.text
    assert same(read_yaml(found.text, folder=found.folder), pipeline)


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("map: {0}.shouted, schema: {{b: STRING}}", [("HELLO!",), ("XYZ!",)]),
        ("flat_map: {0}.twice, schema: {{b: STRING}}", [("hello",), ("hello",), ("xyz",), ("xyz",)]),
        ("map_batches: {0}.as_it_is, schema: {{a: BIGINT, b: STRING}}", [(1, "hello"), (2, "xyz")]),
    ],
)
def test_functions_of_rows(module, tmp_path, monkeypatch, step, expected):
    monkeypatch.chdir(tmp_path)
    pipeline = loaded(tmp_path, "streams: {s: {from: t, steps: [{" + step.format(module) + "}]}}")
    assert rows(pipeline, tmp_path) == expected
    found = written(pipeline, "yaml")
    assert not found.missing
    assert same(read_yaml(found.text, folder=tmp_path), pipeline)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("functions: {f: os.system}", 'p.yaml:5:16: there is no module "os" in'),
        ("functions: {f: MODULE.loads}", 'is a function of "json"'),
        ("functions: {f: MODULE.shouted}", "does not say what it gives"),
        ("functions: {upper: MODULE.count_char}", '"upper" cannot name a function'),
        ("functions: {f: count_char}", "does not say where a function is"),
        ("functions: {f: MODULE.count_chars}", 'did you mean "count_char"?'),
        ("streams: {s: {from: t, steps: [{map: subprocess.run}]}}", "of its own folder only"),
        ("streams: {s: {from: t, steps: [{map: MODULE.shouted}]}}", "does not say which columns it gives"),
        ("streams: {s: {from: t, steps: [{map_batches: MODULE.as_it_is}]}}", "needs the columns that it gives"),
        ("streams: {s: {from: t, steps: [{rows: true}]}}", 'no verb "rows"'),
        ("streams: {s: {from: t, steps: [{group_by: a, rows: true}]}}", '"rows" is about a window'),
        ("streams: {s: {from: t, steps: [{filter: f(a) > 1}]}}", 'no function "F"'),
    ],
)
def test_mistakes(module, tmp_path, body, message):
    with pytest.raises(PlanError) as refused:
        loaded(tmp_path, body.replace("MODULE", module) + "\n")
    assert message in str(refused.value)
    assert str(refused.value).startswith("p.yaml:")


TIMED = """
pipeline: p
sources:
  t:
    connector: filesystem
    path: t.csv
    format: csv
    schema: {k: STRING, v: BIGINT, at: TIMESTAMP_LTZ(3), mark: TIMESTAMP_LTZ(3)}
streams:
  timed: {from: t, steps: [{with_event_time: at, watermark: {punctuated: mark}}]}
  taken: {from: t, steps: [{with_event_time: ingestion_time}]}
  all: {from: timed, steps: [{window: {tumbling: 10 s}, rows: true}]}
  best: {from: timed, steps: [{group_by: k, window: {tumbling: 10 s}, top_n: 2, by: v, rank: r}]}
sinks:
  one: {from: all, connector: print}
  two: {from: best, connector: print}
  three: {from: taken, connector: print}
"""


def test_windows_of_rows_and_watermarks(tmp_path):
    (tmp_path / "p.yaml").write_text(TIMED)
    pipeline = load(tmp_path / "p.yaml")
    source = ps.read(
        pipeline.outputs[0].input.input.input.source, schema=pipeline.outputs[0].input.input.input.columns, name="t"
    )
    timed = source.with_event_time("at", watermark=ps.punctuated("mark"))
    best = timed.group_by("k").window(ps.tumbling("10 s")).top_n(2, by="v", rank="r")
    wanted = [timed.window(ps.tumbling("10 s")).rows(), best, source.with_event_time(ps.ingestion_time())]
    assert [one.input.fingerprint for one in pipeline.outputs] == [one.node.fingerprint for one in wanted]
