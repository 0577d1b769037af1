"""Verbs that do not exist, and what people mean by them."""

from __future__ import annotations

from penstock.core.errors import PlanError, UnknownNameError, UnsupportedError
from penstock.core.where import caller

GUESSES: dict[str, str] = {
    "aggregate": "agg", "append": "union", "assign": "with_columns", "assign_timestamps": "with_event_time",
    "collect_all": "collect", "concat": "union", "count": "group_by(...).agg(n=ps.count())",
    "deduplicate": "dedup", "distinct_by": "dedup", "drop_duplicates": "dedup", "explode_list": "explode",
    "fillna": "fill_null", "filter_rows": "filter", "flatmap": "flat_map", "flatten": "explode",
    "groupby": "group_by", "head": "preview", "key_by": "group_by", "keyby": "group_by", "merge": "union",
    "mutate": "with_columns", "order_by": "sort", "partition_by": "group_by", "peek": "inspect",
    "print": "show", "project": "select", "reduce": "group_by(...).agg", "sink": "write", "sink_to": "write",
    "sort_values": "sort", "take": "limit", "to": "write", "top_k": "top_n", "transform": "with_columns",
    "unique": "distinct", "where": "filter", "with_column": "with_columns", "with_watermark": "with_event_time",
    "window_by": "window", "write_to": "write",
}  # fmt: skip
"""Verbs of other systems, and ours for the same."""

PLANNED = (
    "match", "saga",
)  # fmt: skip
"""Verbs that the design has and this version does not."""


class UnknownVerbError(UnknownNameError, AttributeError):
    """A verb that does not exist; the message names the right one. `hasattr` is false for it, as it should be."""


class PlannedVerbError(UnsupportedError, AttributeError):
    """A verb that is planned and not offered yet."""


def unknown_verb(name: str, cls: type) -> PlanError:
    """The error for a verb that a class does not have: it names the right one."""
    verbs = [verb for verb in dir(cls) if not verb.startswith("_")]
    where = caller()
    if name in PLANNED:
        hint = f"there are: {', '.join(verbs)}"
        return PlannedVerbError(f'"{name}" is planned and not offered yet', where=where, hint=hint)
    if name == "changelog":
        hint = "a Table is what group_by(...).agg(...) gives"
        return UnknownVerbError("verb", name, verbs, where=where, hint=hint)
    guess = GUESSES.get(name)
    later = "planned, not offered yet" if guess in PLANNED else None
    return UnknownVerbError("verb", name, verbs, where=where, guess=guess, hint=later)
