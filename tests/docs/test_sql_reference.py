"""The page of SQL functions is what is declared."""

from __future__ import annotations

import pytest

from tools import gen_sql_reference


def test_the_page_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert gen_sql_reference.main(["--check"]) == 0, capsys.readouterr().err


def test_an_old_page_is_noticed(tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(gen_sql_reference, "TARGET", tmp_path / "sql-functions.md")
    assert gen_sql_reference.main(["--check"]) == 1
    assert "run python tools/gen_sql_reference.py" in capsys.readouterr().err
    assert gen_sql_reference.main([]) == 0
    assert gen_sql_reference.main(["--check"]) == 0
