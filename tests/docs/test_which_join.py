"""The pictures of joins are what runs give."""

from __future__ import annotations

import pytest

from tools import draw_joins


def test_the_pictures_are_what_runs_give(capsys: pytest.CaptureFixture[str]) -> None:
    assert draw_joins.main(["--check"]) == 0, capsys.readouterr().err


def test_a_picture_that_differs_is_found(tmp_path, monkeypatch, capsys) -> None:
    old = tmp_path / "which-join.md"
    old.write_text(draw_joins.TARGET.read_text(encoding="utf-8").replace("+ a1 b1", "+ a1 b2"), encoding="utf-8")
    monkeypatch.setattr(draw_joins, "TARGET", old)
    assert draw_joins.main(["--check"]) == 1
    assert "not what runs give" in capsys.readouterr().err
