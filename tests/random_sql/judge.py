"""One random query, three ways: the engine in random steps, the reference row by row, and DuckDB."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import random
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import duckdb

import penstock as ps
from penstock.core.dtypes import Boolean, Date, Datetime, Decimal, DType, Float64, Int32, Int64, String
from penstock.core.errors import PlanError, UnsupportedError
from penstock.core.schema import Field, Schema
from penstock.optimize import optimize
from penstock.plan.watermark import policy
from penstock.testing.case import Case, case_of
from penstock.testing.check import reference
from penstock.testing.compare import CheckFailed, fold
from penstock.testing.scene import Input, at_random
from penstock.testing.trial import Mode, try_out
from tests.random_sql.queries import Queries
from tests.random_sql.reading import TABLE, TABLES, Query
from tests.random_sql.terms import APPROX, BIG, BOOL, DATE, DBL, DEC, DUCK, INT, STR, TS

DTYPES: dict[str, DType] = {
    INT: Int32, BIG: Int64, DEC: Decimal(10, 2), DBL: Float64, STR: String, BOOL: Boolean, TS: Datetime("ms"),
    DATE: Date,
}  # fmt: skip
START = dt.datetime(2024, 3, 1, 10)
Row = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What became of a query: `equal`, `refused` (and why), or `wrong` (and how).

    Attributes:
        seed: What it was drawn from.
        outcome: Which of them.
        why: The first line of the reason.
        query: The query.
        forms: What it is made of.
    """

    seed: int
    outcome: str
    why: str
    query: Query
    forms: tuple[str, ...]

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.outcome}: {self.why}\n  {self.query.text.flink}\n  {self.query.text.duck}"


def tables(chance: random.Random) -> dict[str, list[Row]]:
    """Random rows: few keys, NULLs, times that no two rows share, in any order."""
    found = {}
    for name in TABLES:
        count = chance.choice((0, 3, 8, 12, 16))
        times = chance.sample(range(7200), count)
        rows = []
        for i, second in enumerate(times):
            row: Row = {
                "id": i, "k": chance.randrange(4), "n": chance.randrange(-20, 20),
                "p": decimal.Decimal(chance.randrange(-500, 900)) / 100, "x": chance.randrange(-20, 40) / 4,
                "g": chance.choice(("a", "b", "ab", "B c", "")), "f": chance.random() < 0.5,
                "day0": dt.date(2024, 2, chance.randrange(27, 30)),
            }  # fmt: skip
            row = {name: None if name != "id" and chance.random() < 0.15 else value for name, value in row.items()}
            rows.append(row | {"ts": START + dt.timedelta(seconds=second)})
        found[name] = rows
    return found


def drawn(seed: int) -> tuple[Query, dict[str, list[Row]], tuple[str, ...]]:
    """The query and the tables of a seed."""
    chance = random.Random(seed)
    rows = tables(chance)
    queries = Queries(chance)
    return queries.one(), rows, tuple(dict.fromkeys(queries.used))


def judged(seed: int) -> Verdict:
    """Run the query of a seed in all ways."""
    query, rows, forms = drawn(seed)

    def verdict(outcome: str, why: str) -> Verdict:
        return Verdict(seed, outcome, why, query, forms)

    try:
        case = _case(query, rows)
    except UnsupportedError as refused:
        return verdict("refused", str(refused).partition("\n")[0].partition(": ")[2])
    except PlanError as refused:
        return verdict("wrong", f"no plan: {refused}")
    chance = random.Random(seed + 1)
    told = reference(case)
    (port,) = told.outputs.values()
    try:
        steps = at_random(case.scene.events(), chance)
        try_out(case, told, Mode("random cut", steps, chance.randrange(1, 4), seed))
    except CheckFailed as failed:
        # Of several grouping sets two may have equal rows: one goes and the other comes in the same step.
        if "as it is brought" not in str(failed) or "sets" not in forms:
            return verdict("wrong", f"engine and reference: {failed}")
    refused_rows = [*told.refused_by("errors"), *told.refused_by("late")]
    if refused_rows:
        return verdict("wrong", f"rows were refused: {refused_rows[0][1]}")
    mine = [tuple(one.values()) for one in fold([(dict(row.values), row.diff) for row in port.rows])]
    wrong = difference(query, mine, _by_duckdb(query, rows))
    return verdict("wrong", wrong) if wrong else verdict("equal", "")


def _case(query: Query, rows: dict[str, list[Row]]) -> Case:
    schema = Schema(tuple(Field(one.name, DTYPES[one.kind], one.name not in ("id", "ts")) for one in TABLE))
    given = {name: Input(name, schema, (tuple(found),), "ts", policy("1 d"), True) for name, found in rows.items()}
    case = case_of(lambda **streams: ps.sql(query.text.flink, **streams), given)
    return case.with_outputs(optimize(case.pipeline.outputs))


def _by_duckdb(query: Query, rows: dict[str, list[Row]]) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        for name, found in rows.items():
            columns = ", ".join(f"{one.name} {DUCK[one.kind]}" for one in TABLE)
            connection.execute(f"CREATE TABLE {name} ({columns})")
            if found:
                marks = ", ".join("?" for _ in TABLE)
                values = [[row[one.name] for one in TABLE] for row in found]
                connection.executemany(f"INSERT INTO {name} VALUES ({marks})", values)
        return connection.execute(query.text.duck).fetchall()


def difference(query: Query, mine: list[tuple[Any, ...]], theirs: list[tuple[Any, ...]]) -> str:
    """What differs, in words; empty if nothing does."""
    kinds = [one.kind for one in query.columns]
    ours, others = (_grouped(rows, kinds) for rows in (mine, theirs))
    for key in [*ours, *others]:
        a, b = ours.get(key, []), others.get(key, [])
        if len(a) != len(b):
            return f"{key} is there {len(a)} times, in DuckDB {len(b)} times"
        if not all(_close(x, y) for one, other in zip(a, b, strict=True) for x, y in zip(one, other, strict=True)):
            return f"of {key}: {a}, in DuckDB {b}"
    return ""


def _grouped(rows: list[tuple[Any, ...]], kinds: list[str]) -> dict[Any, list[tuple[float | None, ...]]]:
    """Rows by what is exact of them."""
    found: dict[Any, list[tuple[float | None, ...]]] = defaultdict(list)
    for row in rows:
        exact = tuple(_plain(value) for value, kind in zip(row, kinds, strict=True) if kind != APPROX)
        rest = tuple(None if v is None else float(v) for v, kind in zip(row, kinds, strict=True) if kind == APPROX)
        found[exact].append(rest)
    for rests in found.values():
        rests.sort(key=lambda rest: [(value is not None, value or 0.0) for value in rest])
    return dict(found)


def _plain(value: Any) -> Any:
    if isinstance(value, (decimal.Decimal, float)):
        # Equal numbers are equal keys, whatever their digits; there is one zero.
        return (decimal.Decimal(value).normalize() + 0) if math.isfinite(value) else str(value)
    return value


def _close(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=2e-6) or (math.isnan(a) and math.isnan(b))
