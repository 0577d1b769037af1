"""The reference of functions says what the declarations say."""

from __future__ import annotations

import pytest

from penstock.expr.aggregates import AGGREGATES
from penstock.expr.functions import FUNCTIONS
from tools import gen_reference


def test_the_page_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert gen_reference.main(["--check"]) == 0, capsys.readouterr().err


def test_every_function_and_aggregate_has_an_entry_with_examples() -> None:
    entries = {entry.partition("\n")[0]: entry for entry in gen_reference.page().split("\n### ")[1:]}
    assert set(entries) == {*FUNCTIONS, *AGGREGATES}
    for name, entry in entries.items():
        declared = FUNCTIONS.get(name) or AGGREGATES[name]
        assert declared.doc in entry
        assert entry.count("\n| ") == len(declared.examples) + 1
        assert "Flink: " in entry


def test_a_page_that_is_behind_is_found(tmp_path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(gen_reference, "TARGET", tmp_path / "functions.md")
    assert gen_reference.main(["--check"]) == 1
    assert "run python tools/gen_reference.py" in capsys.readouterr().err
    assert gen_reference.main([]) == 0
    assert gen_reference.main(["--check"]) == 0
