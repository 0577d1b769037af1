"""Options of tables that Flink's connectors do not have: whole connectors of ours, and what silent splits do."""

from __future__ import annotations

import json
from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Any

from penstock.connectors import names
from penstock.core.errors import PlanError
from penstock.core.spec import configure, options_of
from penstock.core.timespan import duration
from penstock.plan.watermark import ADVANCE, HOLD, Silence

if TYPE_CHECKING:
    from penstock.sql.connectors import Table

CONNECTOR = "connector"
IDLE_TIMEOUT = "scan.watermark.idle-timeout"
"""Flink's option of a table: after how long a silent split no longer holds the watermark back."""
ON_SILENCE = "scan.watermark.on-silence"
"""Ours: what the watermark does when all splits are idle, `hold` as in Flink, or `advance`."""
OF_ALL = (CONNECTOR, IDLE_TIMEOUT, ON_SILENCE)
"""The options that every table may have."""
INTERNAL = ("memory", "flow")
"""Connectors whose rows are values of a program: a text cannot name them."""


def own_connector(table: Table, theirs: Container[str], find: Callable[[str], Any]) -> Any:
    """The source or sink of a connector that Flink does not have, with our options; None if it is one of Flink's.

    Raises:
        PlanError: If it has no such option, or a value does not fit.
    """
    said = next((one for one in table.options if one.key == CONNECTOR), None)
    if said is None or said.value in theirs or said.value in INTERNAL or said.value not in names():
        return None
    try:
        cls: Any = find(said.value)
        declared = [one.name for one in options_of(cls)]
        given: dict[str, Any] = {}
        for one in table.options:
            if one.key in OF_ALL:
                continue
            if one.key not in declared:
                raise table.text.unknown(f"option of '{said.value}'", one.key, declared, one.at)
            given[one.key] = _value(one.value)
        return configure(cls, given)
    except PlanError as refused:
        raise refused.at(table.text.where(said.at, said.end)) from None


def _value(text: str) -> Any:
    """A list or mapping is written as JSON."""
    if text[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def silence(table: Table, usual: Silence) -> Silence:
    """What the options of a table say of silent splits, in the place of what is usual.

    Raises:
        PlanError: If one does not fit.
    """
    given = {one.key: one for one in table.options}
    try:
        idle = duration(given[IDLE_TIMEOUT].value) if IDLE_TIMEOUT in given else usual.idle
    except PlanError as refused:
        raise refused.at(table.text.where(given[IDLE_TIMEOUT].at, given[IDLE_TIMEOUT].end)) from None
    then = given[ON_SILENCE].value if ON_SILENCE in given else usual.then
    if then not in (HOLD, ADVANCE):
        one = given[ON_SILENCE]
        raise table.text.error(f"'{ON_SILENCE}' is hold or advance, found '{then}'", one.value_at, one.end)
    return Silence(idle, then)
