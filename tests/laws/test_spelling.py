"""A plan that is written and read back is the same plan, in every language; what has no spelling is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

import penstock as ps
from penstock.api.stream import stream
from penstock.connectors.files import FileSink, FileSource
from penstock.connectors.stdout import StdoutSink
from penstock.operators import OPERATORS
from penstock.plan.node import walk
from penstock.plan.pipeline import Pipeline
from penstock.spelling import LANGUAGES, Written, written
from penstock.spelling.selects import SELECTS
from penstock.spelling.sql import NO_WORDS, read_sql
from penstock.spelling.verbs import NEVER, SAYS
from penstock.spelling.written import same
from penstock.spelling.yaml import read_yaml
from penstock.testing.plans import cases
from tests.laws.law import LAW
from tests.laws.test_serde import everything


def read(found: Written, language: str) -> Pipeline:
    """The pipeline that a text is, with what it only names."""
    if language == "python":
        names: dict[str, Any] = {name: stream(node) for name, node in found.given.items()}
        exec(found.text, names)
        made = names["pipeline"]
    else:
        made = {"yaml": read_yaml, "sql": read_sql}[language](found.text, found.given, found.folder)
    return made.with_outputs((*made.outputs, *found.outputs))


def assert_comes_back(pipeline: Pipeline, language: str) -> Written:
    """Write it, read it, compare."""
    found = written(pipeline, language)
    if len(found.outputs) < len(pipeline.outputs):
        assert same(read(found, language), pipeline), found.text
    return found


def shown(outputs: Any) -> Pipeline:
    """The plan with outputs that a text can name."""
    return Pipeline("drawn", *(replace(one, sink=StdoutSink()) for one in outputs))


@pytest.mark.parametrize("language", LANGUAGES)
def test_any_plan(language):
    @given(cases())
    @LAW
    def comes_back(case):
        assert_comes_back(shown(case.pipeline.outputs), language)

    comes_back()


WITHOUT = {
    "python": {"keyed_window", "lookup", "map_async", "process", "read"},
    "yaml": {"group", "keyed_window", "lookup", "map_async", "over", "process", "read"},
}
"""The verbs of which `everything` has a node that is only named: data of a test, and what the guides say."""


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_verb(language):
    found = assert_comes_back(shown(everything()), language)
    if language in WITHOUT:
        assert {one.node.verb for one in found.missing} == WITHOUT[language]
    assert all(one.reason and str(one) in found.text for one in found.missing)


def test_every_operator_says_how_it_is_spelled():
    rooted = {"read", "write", "watermark"}
    assert set(OPERATORS) <= {*SAYS, *NEVER, *rooted}
    assert set(OPERATORS) <= {*SELECTS, *NO_WORDS, *rooted}
    assert not set(SAYS) & set(NEVER)


def test_what_is_shared_stays_shared():
    pipeline = shown(everything())
    found = written(pipeline, "yaml")
    nodes = {node.fingerprint for node in walk(*read(found, "yaml").outputs)}
    assert nodes == {node.fingerprint for node in walk(*pipeline.outputs)}


@pytest.mark.parametrize("path", ["out/rows", "out.d/rows", "rows.parquet", "rows.json"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_files_whose_format_is_the_default(language, path):
    sink = FileSink(path, format="json")
    source = FileSource(str(Path(__file__).parents[1] / "data" / "flights.parquet"))
    pipeline = Pipeline("files", ps.read(source).select("origin").write(sink, name="rows"))
    found = assert_comes_back(pipeline, language)
    assert not found.missing


@pytest.mark.parametrize("language", LANGUAGES)
def test_directories_whose_format_is_what_is_in_them(language, tmp_path):
    (tmp_path / "part-0.json").write_text('{"a": 1}\n')
    pipeline = Pipeline("files", ps.read(FileSource(str(tmp_path)), name="read").write(StdoutSink(), name="rows"))
    assert not assert_comes_back(pipeline, language).missing
