"""Which nodes run together, and what a run computes."""

from __future__ import annotations

import polars as pl

import penstock as ps
from penstock import col
from penstock.connectors.memory import MemorySink
from penstock.engine.compile import compile_plan, sources_of


def labels(*streams: ps.Stream) -> list[str]:
    """The labels of the physical nodes of a pipeline over some streams."""
    outputs = [stream.write(MemorySink(), name=str(i)) for i, stream in enumerate(streams)]
    pipeline = ps.Pipeline("p", *outputs)
    return [made.label for made in compile_plan(pipeline, [["0"]] * len(sources_of(pipeline))).nodes]


def rows() -> ps.Stream:
    """Three rows."""
    return ps.read(pl.DataFrame({"a": [1, 2, 3], "b": [1.0, None, 3.0]}))


def test_a_chain_of_stateless_verbs_is_one_node() -> None:
    chain = rows().filter(col("a") > 1).with_columns(c=col("a") + 1).select("c", "b").filter(col("b") > 0)
    assert labels(chain) == ["read", "filter + select + select + filter", "write"]


def test_nothing_is_computed_twice() -> None:
    chain = rows().with_columns(c=col("a") * 2).with_columns(d=col("c") + 1)
    assert labels(chain) == ["read", "select", "select", "write"]


def test_a_node_with_two_readers_ends_a_run() -> None:
    common = rows().filter(col("a") > 1)
    assert labels(common.select("a"), common.select("b")) == ["read", "filter", "select", "write", "select", "write"]


def test_a_node_whose_errors_are_read_runs_by_itself() -> None:
    cast = rows().filter(col("a") > 0).cast({"b": ps.Int8})
    assert labels(cast, cast.errors()) == ["read", "filter", "select", "write", "refused", "write"]


def test_a_row_that_an_earlier_filter_drops_does_not_fail_later() -> None:
    stream = rows().filter(col("a") < 3).with_columns(big=col("a") + (2**63 - 3))
    assert stream.collect()["big"].to_list() == [2**63 - 2, 2**63 - 1]
    assert stream.errors().collect().height == 0


def test_a_row_that_fails_before_a_filter_is_refused() -> None:
    stream = rows().with_columns(big=col("a") + (2**63 - 3)).filter(col("a") < 2)
    assert stream.collect()["a"].to_list() == [1]
    assert rows().with_columns(big=col("a") + (2**63 - 3)).errors().collect()["a"].to_list() == [3]
