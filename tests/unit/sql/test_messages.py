from __future__ import annotations

import pytest

from tests.unit.sql.mistakes import FOLDER, message, mistakes, told


def test_every_mistake_is_told_as_it_was() -> None:
    # Written by `python -m tools.sql_messages`; look at the difference.
    assert told() == (FOLDER / "mistakes.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("sql", mistakes())
def test_every_mistake_has_a_line_a_column_and_a_caret(sql: str) -> None:
    first, _, caret, *_ = message(sql).split("\n")
    file, line, column, _ = first.split(":", 3)
    assert file == "a.sql"
    assert int(line) >= 1
    assert caret.index("^") == int(column) + 1  # two blanks before the line


def test_there_are_at_least_sixty() -> None:
    assert len(mistakes()) >= 60
