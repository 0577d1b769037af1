"""`${NAME}` in the options of connectors stands for a setting, in every way that a pipeline is run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

import penstock as ps
from penstock.api import references
from penstock.api.stored import to_json
from penstock.connectors.base import Reader, ReadRequest, Source, Split
from penstock.connectors.files import FileSink, FileSource
from penstock.connectors.memory import MemorySink
from penstock.core.schema import Schema
from penstock.core.spec import option
from penstock.plan.explain import as_text
from penstock.settings import Settings


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file, which the environment names."""
    (tmp_path / "today.csv").write_text("n\n1\n2\n")
    monkeypatch.setenv("PS_FOLDER", str(tmp_path))
    return tmp_path


def test_settings_of_the_environment_are_found_and_the_plan_keeps_the_references(rows: Path) -> None:
    stream = ps.read(FileSource("${PS_FOLDER}/${PS_DAY:today}.csv"))
    assert stream.columns == ["n"]
    assert stream.collect().rows() == [(1,), (2,)]
    assert stream.preview(1).rows() == [(1,)]
    pipeline = ps.Pipeline("p", stream.write(FileSink("${PS_FOLDER}/out")))
    job = ps.run(pipeline, state=rows / "state")
    assert job.status().rows_out == {"${PS_FOLDER}/out".rpartition("/")[2]: 2}
    assert list((rows / "out").glob("*.json"))
    for told in (as_text(pipeline), to_json(pipeline)):
        assert str(rows) not in told


def test_what_is_set_nowhere_is_told_with_the_line_and_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(ps.PlanError, match=r'the option "path" of files asks for \$\{PS_NOT_SET\}') as refused:
        ps.read(FileSource("${PS_NOT_SET}/x.csv"))
    assert refused.value.where is not None
    assert refused.value.hint == "--set PS_NOT_SET=..., or ${PS_NOT_SET:default}"
    stream = ps.read(FileSource("${PS_NOT_SET}/x.csv"), schema={"n": ps.Int64})  # nobody need ask for the columns
    pipeline = ps.Pipeline("p", stream.write(MemorySink()))
    with pytest.raises(ps.PlanError, match=r"test_references.py:\d+: .*PS_NOT_SET.*, which is set nowhere"):
        ps.run(pipeline, state=tmp_path)


def test_two_outputs_that_come_to_one_place_are_refused_at_the_start(rows: Path) -> None:
    stream = ps.read([{"a": 1}])
    pipeline = ps.Pipeline(
        "p", stream.write(FileSink("${PS_FOLDER}/out"), name="a"), stream.write(FileSink(str(rows / "out")), name="b")
    )
    with pytest.raises(ps.PlanError, match="write to the directory"):
        ps.run(pipeline, state=rows / "state")


def test_a_pipeline_without_references_is_left_as_it_is() -> None:
    pipeline = ps.Pipeline("p", ps.read([{"a": "${b}"}]).write(MemorySink()))
    assert references.resolved(pipeline) is pipeline
    assert references.names(pipeline) == set()


@dataclass(frozen=True, kw_only=True)
class Ports(Source):
    """A source with options of several types."""

    connector: ClassVar[str] = "ports"

    port: int = option(1, doc="A number.")
    hosts: tuple[str, ...] = option((), doc="Texts.")
    note: str | None = option(None, doc="A text.")

    @property
    def bounded(self) -> bool:
        return True

    def schema(self) -> Schema:
        return Schema.of({"n": ps.Int64})

    def splits(self) -> list[Split]:
        return []

    def reader(self, split: Split, position: object, request: ReadRequest) -> Reader:
        raise NotImplementedError


def fill(**given: str) -> Callable[[str, str], str]:
    return Settings(given).fill


def test_options_of_all_types_are_filled_and_converted() -> None:
    given: object = "${port}"
    source = Ports(port=given, hosts=("a${x}", "b"), note="$${x}")  # type: ignore[arg-type]
    assert references.filled(source, fill(port="7", x="1")) == Ports(port=7, hosts=("a1", "b"), note="${x}")
    with pytest.raises(ps.PlanError, match=r"\"port\" of ports does not take what '\$\{port\}' stands for") as refused:
        references.filled(source, fill(port="hunter2", x="1"))
    assert "hunter2" not in str(refused.value)


def test_names_that_a_pipeline_refers_to() -> None:
    sources = [Ports(note="${a}-${b:1}"), Ports(hosts=("${c}", "$${d}"))]
    streams = [ps.read(source, schema={"n": ps.Int64}, name=f"s{i}") for i, source in enumerate(sources)]
    pipeline = ps.Pipeline("p", streams[0].union(streams[1]).write(FileSink("${e}")))
    assert references.names(pipeline) == {"a", "b", "c", "e"}
