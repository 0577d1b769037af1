"""Aligned windows in the zone that each row names."""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar

from penstock.core.dtypes import Null, String
from penstock.core.errors import PlanError
from penstock.core.schema import Schema
from penstock.expr.ast import Term
from penstock.expr.infer import infer
from penstock.plan.keyed_windows import KeyedWindows
from penstock.plan.windows import Windows

SOME_ZONE = "Europe/Berlin"
"""Any that is not UTC: what windows in a zone cannot be is said when the plan is built."""


@dataclass(frozen=True, kw_only=True)
class Zoned(KeyedWindows):
    """Windows that follow the calendar of the zone that a row names.

    Attributes:
        windows: The windows; their own zone says nothing.
        zone: The name of the zone, by row.
    """

    kind: ClassVar[str] = "zoned"

    windows: Windows
    zone: Term

    def __post_init__(self) -> None:
        replace(self.windows, zone=SOME_ZONE)

    def check(self, schema: Schema) -> None:
        """The zone is a text."""
        dtype = infer(self.zone, schema).dtype
        if dtype not in (String, Null):
            hint = 'a column of IANA names such as "America/New_York", or zone="..." for all rows'
            raise PlanError(f"the zone of windows is a text, found {self.zone}: {dtype}", hint=hint)

    def columns(self) -> set[str]:
        """Those of the zone."""
        return self.zone.columns()

    def shape(self) -> dict[str, Any]:
        """Kind, lengths and offset."""
        lengths = [str(length) for length in self.windows.lengths()]
        return {"kind": self.kind, "of": self.windows.kind, "lengths": lengths, "offset": self.windows.offset}

    def within(self, zone: str) -> Windows:
        """The windows in a zone."""
        return replace(self.windows, zone=zone)

    def __str__(self) -> str:
        return f"{self.windows}, in the zone {self.zone}"


@lru_cache(maxsize=4096)
def zone_fault(zone: str | None) -> str | None:
    """Why a value names no zone; None if it does."""
    if zone is None:
        return "the zone of the window is null"
    try:
        zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return f'no time zone "{zone}"'
    return None
