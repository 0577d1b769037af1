"""Names that do not exist: what is planned says so, the rest names the nearest, and `hasattr` is false for all."""

from __future__ import annotations

import copy
import importlib

import pytest

import penstock as ps
from penstock import col
from penstock.api import planned
from penstock.expr import guesses
from penstock.expr.calls import METHODS
from penstock.expr.functions import FUNCTIONS

OF_THE_DESIGN = (
    "session", "udf", "aggregate", "count_window", "hybrid", "sliding", "global_window", "custom", "every",
    "processing_time", "ingestion_time", "punctuated", "HybridSource", "View", "connect", "sql", "load", "Process",
    "ValueState", "ListState", "MapState", "process", "pattern", "saga", "step", "side", "Flink",
)  # fmt: skip


@pytest.mark.parametrize("name", OF_THE_DESIGN)
def test_names_of_the_design_are_there_or_planned(name: str) -> None:
    if hasattr(ps, name):
        return
    with pytest.raises(ps.PlanError, match=f"ps.{name} is planned and not offered yet") as refused:
        getattr(ps, name)
    assert isinstance(refused.value, AttributeError)
    assert refused.value.hint
    assert refused.value.where is not None


def test_nothing_is_planned_that_is_there() -> None:
    assert not set(planned.PLANNED) & set(ps.__all__)
    assert not set(guesses.PLANNED) & (FUNCTIONS.keys() | METHODS.keys())


def test_what_is_hinted_at_is_there() -> None:
    known = {*ps.__all__, *(name for name, function in FUNCTIONS.items() if function.top)}
    assert set(planned.GUESSES.values()) <= known
    own = {name for name in dir(ps.Expr) if not name.startswith("_")}
    assert {guess for guess in guesses.GUESSES.values() if "(" not in guess} <= own | FUNCTIONS.keys() | METHODS.keys()
    assert set(guesses.SAME.values()) <= guesses.PLANNED.keys()


@pytest.mark.parametrize(
    ("name", "guess"), [("tumble", "tumbling"), ("coalesc", "coalesce"), ("Utf8", "String"), ("tumblin", "tumbling")]
)
def test_other_names_of_the_module_name_the_nearest(name: str, guess: str) -> None:
    assert not hasattr(ps, name)
    with pytest.raises(ps.PlanError, match=f'did you mean "{guess}"'):
        getattr(ps, name)


def test_private_names_fail_as_in_any_module() -> None:
    with pytest.raises(AttributeError, match="module 'penstock' has no attribute '_x'"):
        _ = ps._x  # type: ignore[attr-defined]
    assert getattr(ps, "View", None) is None


def test_planned_modules_are_import_errors() -> None:
    for name in ("flow", "events"):
        if importlib.util.find_spec(f"penstock.{name}") is None:
            with pytest.raises(ImportError, match=name):
                importlib.import_module(f"penstock.{name}")


@pytest.mark.parametrize("name", ["cum_prod", "cumprod", "rolling_std", "rank", "pct_change", "map_elements"])
def test_planned_methods_of_expressions_say_so(name: str) -> None:
    assert not hasattr(col("x"), name)
    with pytest.raises(ps.PlanError, match=f'"{name}".*is planned and not offered yet') as refused:
        getattr(col("x"), name)(3)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("astype", "cast"), ("fillna", "fill_null"), ("isnull", "is_null"), ("isna", "is_null"), ("isin", "is_in"),
        ("notnull", "is_not_null"), ("between", "is_between"), ("nunique", "n_unique"), ("avg", "mean"),
        ("if_else", r"when\(...\)"), ("like", "str.contains"), ("where", "filter"), ("replace", "str.replace"),
    ],
)  # fmt: skip
def test_words_of_other_libraries_name_ours(name: str, right: str) -> None:
    assert not hasattr(col("x"), name)
    with pytest.raises(ps.PlanError, match=f'no function "{name}"; did you mean "{right}'):
        getattr(col("x"), name)(1)


def test_expressions_can_be_copied() -> None:
    assert str(copy.copy(col("x")).term) == str(col("x").term)
