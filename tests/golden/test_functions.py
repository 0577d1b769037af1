"""Every function case: the library's type, its plain meaning and its Polars form are what a real Flink gave."""

from __future__ import annotations

import functools
import json
import zoneinfo
from typing import Any

import pytest

from penstock.core.dtypes import Decimal
from penstock.core.errors import PlanError
from penstock.core.schema import Field, Schema
from penstock.sql.functions import Session
from tests.golden import cases
from tests.golden.departures import FUNCTIONS, NULLABLE
from tests.golden.expressions import read, read_type
from tests.golden.values import decoded, same
from tests.unit.expr.both import FAULT, by_meaning, by_polars

LAST = 5
"""The row at the end of the year 9999, which has no local time east of Greenwich."""


@functools.cache
def table(zone: str) -> tuple[Schema, list[dict[str, Any]]]:
    """The table of the cases, with its instants in a zone."""
    found = json.loads((cases.FOLDER / "functions" / "table.json").read_text())
    session, utc = Session(zone), Session()
    fields = [Field(name, *read_type(kind, session)) for name, kind in found["columns"]]
    types = [read_type(kind, utc)[0] for _, kind in found["columns"]]
    names = [field.name for field in fields]
    rows = [dict(zip(names, map(decoded, row, types), strict=True)) for row in found["rows"]]
    for row in rows:
        row["lz"] = _local(row["lz"], zone)
    return Schema(tuple(fields)), rows


def _local(instant: Any, zone: str) -> Any:
    """The instant in a zone; none where that is after the year 9999."""
    try:
        return instant and instant.astimezone(zoneinfo.ZoneInfo(zone))
    except OverflowError:
        return None


def listed() -> list[Any]:
    """The cases by family."""
    return [
        pytest.param(family, sql, id=f"{family}: {sql}")
        for family in cases.families()
        for sql in cases.expressions(family)
    ]


def differences(family: str, sql: str) -> list[str]:
    """What differs from Flink, in words; nothing if all is equal."""
    found = cases.expected(family).get(sql)
    assert found is not None, "no result: run tools/flink_golden.py"
    session = Session(cases.settings(family).get("table.local-time-zone", "UTC"))
    schema, rows = table(session.zone)
    try:
        typed = read(sql, schema, session)
    except PlanError as refused:
        return [] if "error" in found else [f"refused: {refused}"]
    types = {field.name: field.dtype for field in schema}
    meaning = by_meaning(typed, rows)
    engine = by_polars(typed, rows, **types)
    if "error" in found:
        return [] if any(value is FAULT for value in meaning) else [f"Flink refuses: {found['error']}; here {meaning}"]
    dtype, nullable = read_type(found["type"], session)
    wrong = []
    if typed.dtype != dtype:
        return [f"the type is {typed.dtype}, in Flink {found['type']}"]
    # A decimal that does not fit is null, also where Flink says that there is none; to promise more is no error.
    if typed.nullable and not nullable and not isinstance(dtype, Decimal) and sql not in NULLABLE:
        wrong.append(f"nullable: {typed.nullable}, in Flink {nullable}")
    for row, (value, mine, fast) in enumerate(zip(found["values"], meaning, engine, strict=True), start=1):
        if session.zone != "UTC" and row == LAST:
            continue
        expected = decoded(value, dtype)
        if not (mine is expected or same(mine, expected)):
            wrong.append(f"row {row}: the meaning is {mine!r}, in Flink {expected!r}")
        if not (fast is mine or same(fast, mine)):
            wrong.append(f"row {row}: Polars gives {fast!r}, the meaning {mine!r}")
    return wrong


@pytest.mark.parametrize(("family", "sql"), listed())
def test_is_what_flink_gave(family: str, sql: str) -> None:
    wrong = differences(family, sql)
    departure = FUNCTIONS.get(f"{family}: {sql}", FUNCTIONS.get(sql))
    if departure is not None:
        assert wrong, "it is equal now: take it from the list of departures"
        wrong = [one for one in wrong if not departure.covers(one)]
    assert not wrong, "\n".join(wrong)
