"""The embedded durable partitioned log: a broker for those who have none.

from penstock.log import Log, LogSource, LogSink
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from penstock.log.batches import Batch, Record
from penstock.log.deletion import delete
from penstock.log.draft import Appended
from penstock.log.frame import DamagedError
from penstock.log.log import Log
from penstock.log.repair import Damage, Repaired, check, repair

if TYPE_CHECKING:
    from penstock.connectors.log import LogSink, LogSource

__all__ = [
    "Appended",
    "Batch",
    "Damage",
    "DamagedError",
    "Log",
    "LogSink",
    "LogSource",
    "Record",
    "Repaired",
    "check",
    "delete",
    "repair",
]


def __getattr__(name: str) -> Any:
    # The connectors import the log: they are loaded when they are asked for.
    if name in ("LogSink", "LogSource"):
        return getattr(importlib.import_module("penstock.connectors.log"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
