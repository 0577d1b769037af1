"""What a user may write by mistake is refused with a reason, a place and a way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

import penstock as ps
from penstock import col
from penstock.connectors.stdout import StdoutSink

FRAME = pl.DataFrame({"k": ["a"], "v": [1]})


def rows() -> ps.Stream:
    """A row."""
    return ps.read(FRAME)


@pytest.mark.parametrize(
    ("verb", "call"),
    [
        ("join", lambda other: rows().join(other, on="k")),
        ("join_asof", lambda other: rows().join_asof(other, by="k")),
        ("union", lambda other: rows().union(other)),
        ("intersect", lambda other: rows().intersect(other)),
        ("except", lambda other: rows().except_(other)),
    ],
)
@pytest.mark.parametrize("other", [FRAME, "orders", None, rows().group_by("k")])
def test_verbs_of_two_streams_refuse_what_is_no_stream(verb: str, call: Callable[[Any], Any], other: Any) -> None:
    with pytest.raises(ps.PlanError) as refused:
        call(other)
    assert f"{verb} takes a Stream or a Table, found {type(other).__name__}" in str(refused.value)
    assert "test_mistakes.py" in str(refused.value)
    assert "ps.read(...)" in str(refused.value)


def test_expressions_of_polars_are_told_from_ours() -> None:
    with pytest.raises(ps.PlanError) as refused:
        rows().filter(pl.col("v") > 1)
    assert "from penstock import col" in str(refused.value)
    assert "test_mistakes.py" in str(refused.value)


def test_outputs_are_not_a_list() -> None:
    with pytest.raises(ps.PlanError, match="outputs are arguments"):
        ps.Pipeline("listed", [rows().write(StdoutSink())])  # type: ignore[arg-type]


def test_write_says_what_a_sink_is() -> None:
    with pytest.raises(ps.PlanError, match="FileSink"):
        rows().write("out/rows.json")  # type: ignore[arg-type]


def test_load_does_not_take_python_for_sql(tmp_path: Any) -> None:
    program = tmp_path / "program.py"
    program.write_text('import penstock as ps\n\nname = "x"\n')
    with pytest.raises(ps.PlanError, match="neither SQL nor YAML"):
        ps.load(program)


def test_a_condition_is_still_ours() -> None:
    assert rows().filter(col("v") > 0).collect().height == 1
