"""Every script case: the rows that are there in the end are those of a real Flink."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from penstock.api import sql as api
from penstock.core.dtypes import DType
from penstock.core.errors import PlanError
from penstock.sql.functions import Session
from tests.golden import cases
from tests.golden.departures import NOT_YET, SCRIPTS
from tests.golden.expressions import read_type
from tests.golden.values import decoded, plain


def zone_of(script: cases.Script) -> str:
    """The zone of the session."""
    found = [text for text in script.statements() if text.startswith("SET 'table.local-time-zone'")]
    return found[-1].split("'")[3] if found else "UTC"


def flinks(script: cases.Script) -> tuple[list[str], list[DType], list[Any]]:
    """The names, the types and the rows that Flink gave, with our values."""
    expected, session = script.expected(), Session(zone_of(script))
    types = [read_type(kind, session)[0] for _, kind in expected["columns"]]
    rows = [[decoded(v, t) for v, t in zip(row, types, strict=True)] for row in expected["rows"]]
    return [name for name, _ in expected["columns"]], types, rows


def bag(rows: list[Any]) -> Counter[str]:
    """Rows without their order; floats to twelve digits."""
    return Counter(json.dumps(plain(list(row)), sort_keys=True) for row in rows)


def differences(script: cases.Script) -> list[str]:
    """What differs from Flink, in words; nothing if all is equal."""
    refused = "error" in script.expected()
    try:
        stream = api.sql(";\n".join(script.statements()))
        frame = stream.collect()
    except PlanError as error:
        return [] if refused else [f"refused: {error}"]
    if refused:
        return [f"Flink refuses: {script.expected()['error']}"]
    names, types, rows = flinks(script)
    wrong = []
    if frame.columns != names:
        wrong.append(f"the columns are {frame.columns}, in Flink {names}")
    mine = [field.dtype for field in stream.schema]
    wrong += [f"{n} is {m}, in Flink {t}" for n, m, t in zip(names, mine, types, strict=False) if m != t]
    ours, theirs = bag(frame.rows()), bag(rows)
    wrong += [f"only here: {row}" for row in list((ours - theirs).elements())[:3]]
    wrong += [f"only in Flink: {row}" for row in list((theirs - ours).elements())[:3]]
    return wrong


@pytest.mark.parametrize("script", cases.scripts(), ids=lambda script: script.name)
def test_gives_what_flink_gave(script: cases.Script) -> None:
    wrong = differences(script)
    meant = SCRIPTS.get(script.name, NOT_YET.get(script.name))
    if meant is not None:
        assert wrong, "it is equal now: take it from the list"
        if script.name in NOT_YET:
            assert wrong[0].startswith("refused: "), "what is not there yet is refused, not wrong:\n" + "\n".join(wrong)
    else:
        assert not wrong, "\n".join(wrong)


def test_the_lists_name_cases_that_exist() -> None:
    names = {script.name for script in cases.scripts()}
    assert names >= {*NOT_YET, *SCRIPTS}
    assert not set(NOT_YET) & set(SCRIPTS)


def test_there_are_enough() -> None:
    """150 programs for SQL; 40 of windows, groups, OVER, ranks and duplicates, which Python's verbs have too."""
    results = [script for script in cases.scripts() if "error" not in script.expected()]
    timely = ("windows/", "groups/", "over/", "topn/", "dedup/")
    assert len(results) >= 150
    assert sum(script.name.startswith(timely) for script in results) >= 40
