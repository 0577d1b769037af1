"""Names that the design has and this version does not, and what there is instead."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.core.errors import UnknownNameError, UnsupportedError
from penstock.core.where import caller

_OUTPUT = "write to a sink: .write(MemorySink()), .write(FileSink(...))"
_STATE = "state is kept by .group_by(...).agg(...), with or without .window(...)"

PLANNED: dict[str, str] = {
    "HybridSource": "ps.read(...).union(ps.read(...)) reads two sources at once",
    "View": _OUTPUT,
    "connect": _OUTPUT,
    "Flink": 'on="embedded", or ps.Embedded(...)',
    "pattern": _STATE,
    "saga": _OUTPUT,
    "step": _OUTPUT,
    "events": _STATE,
    "log": 'files are a log too: FileSink(...), and FileSource(..., watch="1 s")',
}
"""Names of the module `penstock`, and what exists in their place."""

GUESSES: dict[str, str] = {
    "tumble": "tumbling",
    "hop": "hopping",
    "cumulate": "cumulative",
    "column": "col",
    "literal": "lit",
    "len": "count",
    "from_source": "read",
    "read_stream": "read",
    "execute": "run",
    "Utf8": "String",
    "Bool": "Boolean",
    "Timestamp": "Datetime",
}
"""Names that people try, and ours for the same."""


class UnknownMemberError(UnknownNameError, AttributeError):
    """A name that the module does not have. `hasattr` is false for it, as it should be."""


class PlannedMemberError(UnsupportedError, AttributeError):
    """A name of the module that is planned and not offered yet. `hasattr` is false for it too."""


def unknown_member(name: str, known: Iterable[str]) -> AttributeError:
    """The error for a name that `penstock` does not have: what is planned says so, the rest names the nearest.

    Args:
        name: The name.
        known: The names that there are.
    """
    if name.startswith("_"):
        return AttributeError(f"module 'penstock' has no attribute {name!r}")
    if name in PLANNED:
        return PlannedMemberError(f"ps.{name} is planned and not offered yet", where=caller(), hint=PLANNED[name])
    return UnknownMemberError(
        "name", name, [*known, *PLANNED], inside="penstock", where=caller(), guess=GUESSES.get(name)
    )
