"""Random and mutated texts: each is a plan or an error with a place, never a traceback."""

from __future__ import annotations

import random

import pytest

from penstock.core.errors import PlanError
from penstock.sql.lexer import LONGEST
from penstock.sql.script import Script
from tests.golden import cases
from tests.unit.sql.given import tables
from tests.unit.sql.mistakes import mistakes
from tests.unit.sql.test_nexmark import QUERIES as NEXMARK
from tests.unit.sql.test_queries import QUERIES

_LINES = (
    "SELECT FROM WHERE GROUP BY HAVING ORDER LIMIT AS a b t ts name ( ) , . * + - / = < > <> 1 2.5 NULL TRUE CASE WHEN",
    "THEN ELSE END AND OR NOT IN BETWEEN LIKE IS CAST INT STRING COUNT SUM OVER PARTITION ROW_NUMBER JOIN ON UNION ALL",
    "VALUES WITH TABLE TUMBLE DESCRIPTOR INTERVAL DAY CREATE VIEW INSERT INTO SET EXISTS DISTINCT [ ] ROW ARRAY MAP ; ` ' /* */ --",
)
WORDS = [word for line in _LINES for word in line.split(" ")] + ['"', "\x00", "é", "'x'"]


def sources() -> list[str]:
    """Whole texts that are mutated: queries, mistakes, golden cases, Nexmark."""
    scripts = [one.text for one in cases.scripts()]
    return [*mistakes(), *(sql for sql, _ in QUERIES), *scripts, *NEXMARK.values()]


def mutated(chance: random.Random, texts: list[str]) -> str:
    """A text with some pieces gone, doubled, swapped, or put in from elsewhere; or one of random words."""
    if chance.random() < 0.2:
        return " ".join(chance.choice(WORDS) for _ in range(chance.randrange(1, 25)))
    text = chance.choice(texts)
    for _ in range(chance.randrange(1, 4)):
        i, j = sorted(chance.randrange(len(text) + 1) for _ in range(2))
        kind = chance.randrange(5)
        if kind == 0:
            text = text[:i] + text[min(j, i + 8) :]
        elif kind == 1:
            text = text[:j] + text[i:]
        elif kind == 2:
            text = text[:i] + " " + chance.choice(WORDS) + " " + text[i:]
        elif kind == 3:
            other = chance.choice(texts)
            text = text[:i] + other[chance.randrange(len(other)) :]
        else:
            text = text[:i] + text[i:j][::-1] + text[j:]
    return text[:3_000]


def tried(sql: str) -> bool:
    """Whether it is a plan; if not, it was refused with a place."""
    script = Script()
    script.give(tables())
    refused: PlanError | None = None
    try:
        script.run(sql)
        script.outputs()
    except PlanError as error:
        refused = error
    assert refused is None or refused.where is not None, f"{sql!r}: {refused}"
    return refused is None


@pytest.mark.slow
def test_no_text_ends_in_a_traceback() -> None:
    chance = random.Random(7)
    texts = sources()
    good = sum(tried(mutated(chance, texts)) for _ in range(5_000))
    assert 50 < good < 4_950  # both kinds were tried


@pytest.mark.parametrize(
    "sql", ["(" * 500 + "1", "SELECT " + "NOT " * 500 + "TRUE", "SELECT " + "-" * 1, "SELECT " + "(" * 150]
)
def test_deep_nesting_is_refused(sql: str) -> None:
    assert not tried(sql)


@pytest.mark.parametrize(
    ("sql", "fits"),
    [
        ("SELECT 3E FROM t", False),
        ("SELECT 0.90e, a FROM t", False),
        (
            "SELECT * FROM (SELECT b, ROW_NUMBER() OVER (ORDER BY b) r, ROW_NUMBER() OVER (ORDER BY b) x FROM t) WHERE r = 1",
            True,
        ),
    ],
)
def test_what_random_texts_found_stays_mended(sql: str, fits: bool) -> None:
    assert tried(sql) == fits


def test_a_text_that_is_too_long_is_refused() -> None:
    with pytest.raises(PlanError, match="at most"):
        Script().run("x" * (LONGEST + 1))
