"""The pictures of windows are what runs give."""

from __future__ import annotations

import pytest

from tools import window_pictures


def test_the_pictures_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert window_pictures.main(["--check"]) == 0, capsys.readouterr().err


def test_every_page_but_the_first_has_one_and_is_listed() -> None:
    first = (window_pictures.FOLDER / "README.md").read_text(encoding="utf-8")
    for page in window_pictures.FOLDER.glob("*.md"):
        if page.stem != "README":
            assert page.with_suffix(".svg").exists(), page.name
            assert f"({page.name})" in first, page.name


def test_a_picture_that_is_behind_is_found(tmp_path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    page = (window_pictures.FOLDER / "tumbling.md").read_text(encoding="utf-8")
    monkeypatch.setattr(window_pictures, "FOLDER", tmp_path)
    (tmp_path / "tumbling.md").write_text(page.replace("e@6", "e@11"), encoding="utf-8")
    assert window_pictures.main(["--check"]) == 1
    assert "tumbling.md, tumbling.svg; run python" in capsys.readouterr().err
    assert window_pictures.main([]) == 0
    assert "+ ef" in (tmp_path / "tumbling.md").read_text(encoding="utf-8")
    assert window_pictures.main(["--check"]) == 0
