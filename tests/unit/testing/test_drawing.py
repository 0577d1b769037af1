from __future__ import annotations

import importlib
import sys

import pytest


def test_without_hypothesis_the_kit_works_and_strategies_say_what_is_missing(monkeypatch):
    import penstock.testing  # needs no Hypothesis

    assert penstock.testing.check
    for name in [name for name in sys.modules if name == "hypothesis" or name.startswith("hypothesis.")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    for name in ("drawing", "strategies"):
        monkeypatch.delitem(sys.modules, f"penstock.testing.{name}", raising=False)
    with pytest.raises(ModuleNotFoundError, match="pip install hypothesis"):
        importlib.import_module("penstock.testing.strategies")
