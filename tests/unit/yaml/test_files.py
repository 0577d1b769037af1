"""Whole files: the flights example as the design has it, variables, secrets, connectors, the JSON schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

import penstock as ps
from penstock import col
from penstock.connectors.files import FileSink, FileSource
from penstock.core.spec import Secret
from penstock.yaml.document import pipeline_of
from penstock.yaml.schema import schema
from tests.unit.yaml.test_mistakes import CASES as MISTAKES
from tests.unit.yaml.test_steps import CASES, HEAD, SINKS

ROOT = Path(__file__).parents[3]
FLIGHTS = """
pipeline: delays
sources:
  flights: {connector: filesystem, path: data/flights.parquet, event_time: time_hour, watermark: 1 hour}
streams:
  delays:
    from: flights
    steps:  # in order
      - filter: dep_delay IS NOT NULL
      - group_by: origin
        window: {tumbling: 1 day, zone: America/New_York}
        agg: {flights: COUNT(*), avg_delay: AVG(CAST(dep_delay AS DOUBLE))}
sinks:
  out: {from: delays, connector: filesystem, path: out/delays, format: json}  # from: delays.late, flights.errors
"""


def lines(folder: Path) -> list[str]:
    return sorted(line for file in folder.glob("*.json") for line in file.read_text().splitlines())


def test_the_example_gives_what_python_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/flights.parquet").symlink_to(ROOT / "tests/data/flights.parquet")
    Path("delays.yaml").write_text(FLIGHTS)
    ps.run(ps.load("delays.yaml"))
    flights = ps.read(FileSource("data/flights.parquet"), event_time="time_hour", watermark="1 hour")
    delays = (
        flights.filter(col("dep_delay").is_not_null())
        .group_by("origin")
        .window(ps.tumbling("1 day", zone="America/New_York"))
        .agg(flights=ps.count(), avg_delay=col("dep_delay").mean())
    )
    ps.run(ps.Pipeline("python", delays.write(FileSink("out/python", format="json"))))
    assert lines(Path("out/delays")) == lines(Path("out/python"))
    assert len(lines(Path("out/delays"))) == 1095


TEXT = """
pipeline: ${NAME:p}
sources:
  a: {connector: files, path: "${DIR:in}/a.json", schema: {v: BIGINT, t: STRING}}
streams:
  b: {from: a, steps: [filter: "v > ${LEAST:1}", limit: '${ROWS:5}', inspect: '$${v}']}
sinks:
  out: {from: b, connector: filesystem, path: "${DIR:in}/out", format: json}
"""


def test_variables_are_of_values_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text(TEXT)
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a.json").write_text('{"v": 1, "t": "x"}\n{"v": 3, "t": "y"}\n')
    ps.run(ps.load("p.yaml", DIR="d", LEAST=2, NAME="q"))
    assert lines(tmp_path / "d/out") == ['{"v":3,"t":"y"}']
    with pytest.raises(ps.PlanError, match="key"):
        pipeline_of("${X:pipeline}: p", "p.yaml")


def test_a_number_by_a_variable() -> None:
    text = HEAD.replace("path: rows.json", "path: x.json") + "      - limit: ${ROWS:5}\n" + SINKS % "made"
    assert "limit" in pipeline_of(text, "p.yaml").outputs[0].inputs[0].verb


def test_secrets_are_references() -> None:
    text = HEAD + SINKS.replace("connector: blackhole", "connector: postgres, table: t, url: 'secret:DB', key: id")
    made: Any = pipeline_of(text % "names", "p.yaml")
    assert made.outputs[0].sink.url == Secret("DB")


KAFKA = "connector: kafka, topic: t, schema: {a: BIGINT}, format: json"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (f"{KAFKA}, servers: 'h:1', start: earliest, group: g", {"servers": "h:1", "start": "earliest", "group": "g"}),
        (f"{KAFKA}, properties.bootstrap.servers: 'h:1', scan.startup.mode: latest-offset",
         {"servers": "h:1", "start": "latest"}),
        (f"{KAFKA}, servers: 'h:1', properties.group.id: g", {"servers": "h:1", "group": "g"}),
        ("connector: filesystem, path: x.csv, header: false, schema: {a: BIGINT}", {"header": False, "format": None}),
        ("connector: filesystem, path: x, format: csv, csv.field-delimiter: ;, schema: {a: BIGINT}",
         {"delimiter": ";", "header": False}),
        ("connector: datagen, rows-per-second: 5, number-of-rows: 7, schema: {a: BIGINT}", {"rows": 7, "rate": 5.0}),
    ],
)  # fmt: skip
def test_options_are_flinks_or_ours(options: str, expected: dict[str, Any]) -> None:
    text = f"pipeline: p\nsources:\n  a: {{{options}}}\nsinks:\n  out: {{from: a, connector: blackhole}}\n"
    source: Any = pipeline_of(text, "p.yaml").outputs[0].input.source
    assert {name: getattr(source, name) for name in expected} == expected


# -- the schema --------------------------------------------------------------------


def test_the_schema_in_the_docs_is_this_one() -> None:
    committed = (ROOT / "docs/reference/pipeline.schema.json").read_text()
    assert committed == json.dumps(schema(), indent=1) + "\n", (
        "penstock yaml-schema > docs/reference/pipeline.schema.json"
    )


def test_the_schema_takes_what_is_right_and_refuses_keys_that_are_wrong() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())
    validator = jsonschema.Draft202012Validator(schema())
    plain = YAML(typ="safe", pure=True)
    texts = [FLIGHTS, TEXT]
    for steps, _, _ in CASES:
        texts.append(HEAD + "".join(f"      {line}\n" for line in steps.splitlines()) + SINKS % "made")
    for text in texts:
        assert not [error.message for error in validator.iter_errors(plain.load(text))], text
    wrong = [text for text, message in MISTAKES if "no key" in message or "no verb" in message]
    assert len(wrong) >= 5
    for text in wrong:
        if "changelog" not in text:
            assert not validator.is_valid(plain.load(text)), text
