"""Typical mistakes in SQL, and what is said of each."""

from __future__ import annotations

from pathlib import Path

from penstock.core.errors import PlanError
from penstock.sql.script import Script
from tests.unit.sql.given import tables

FOLDER = Path(__file__).parent
_LINE = "=" * 20


def mistakes() -> list[str]:
    """The texts."""
    return [one.strip() for one in (FOLDER / "mistakes.sql").read_text(encoding="utf-8").split("\n;;\n")]


def message(sql: str) -> str:
    """What is said of a text; fails if nothing is."""
    script = Script()
    script.give(tables())
    try:
        script.run(sql, "a.sql")
        script.outputs()
    except PlanError as refused:
        return str(refused)
    raise AssertionError(f"nothing was said of: {sql}")


def told() -> str:
    """All of them."""
    return "".join(f"{sql}\n{_LINE}\n{message(sql)}\n{_LINE}{_LINE}\n" for sql in mistakes())
