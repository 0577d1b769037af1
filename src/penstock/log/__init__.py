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
    from penstock.log.buffer import Kept, acknowledging, persistent_buffer

__all__ = [
    "Appended",
    "Batch",
    "Damage",
    "DamagedError",
    "Kept",
    "Log",
    "LogSink",
    "LogSource",
    "Record",
    "Repaired",
    "acknowledging",
    "check",
    "delete",
    "persistent_buffer",
    "repair",
]


def __getattr__(name: str) -> Any:
    # The connectors import the log: they are loaded when they are asked for.
    if name in ("LogSink", "LogSource"):
        return getattr(importlib.import_module("penstock.connectors.log"), name)
    if name in ("Kept", "acknowledging", "persistent_buffer"):  # they load anyio
        return getattr(importlib.import_module("penstock.log.buffer"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
