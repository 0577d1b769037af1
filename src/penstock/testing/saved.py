"""What a checkpointer keeps, in memory: for each table its records, for each blob its bytes, and a JSON value.

It does what that of the engine does without its files: of a table that it knows it takes what has changed since the
last time, of another one all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.core.errors import InvariantError, StateError
from penstock.core.lazy import np
from penstock.engine.step import Engine
from penstock.state.arrangement import Arrangement
from penstock.state.record import Record


@dataclass
class SavedTable:
    """A table.

    Attributes:
        serial: Of which table in this process the next record goes on.
        records: Its images, the whole first.
    """

    serial: int
    records: list[Record] = field(default_factory=list)


@dataclass
class SavedNode:
    """What one executor has saved: its saver and its loader.

    Attributes:
        tables: Its tables by name.
        blobs: Its blobs by name.
        given: The names that the snapshot under way has given.
    """

    tables: dict[str, SavedTable] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    given: set[str] = field(default_factory=set)

    def save_table(self, name: str, table: Arrangement, step: int) -> None:
        """Take what has changed of a table."""
        self._give(name)
        known = self.tables.get(name)
        if known is None or known.serial != table.serial:
            known = self.tables[name] = SavedTable(table.serial, [table.capture(table.live())])
        else:
            changed = table.changed()
            if len(np.unique(changed)) < len(changed):
                raise InvariantError(f'"{name}" was touched in a step before that for which it was last saved')
            known.records.append(table.capture(changed))
        table.begin_epoch(step)

    def save_blob(self, name: str, data: bytes) -> None:
        """Take bytes."""
        self._give(name)
        self.blobs[name] = bytes(data)

    def _give(self, name: str) -> None:
        if name in self.given:
            raise InvariantError(f'a snapshot gives "{name}" twice')
        self.given.add(name)

    def finish(self) -> None:
        """The snapshot is over: what it has not given is forgotten."""
        self.tables = {name: table for name, table in self.tables.items() if name in self.given}
        self.blobs = {name: data for name, data in self.blobs.items() if name in self.given}
        self.given = set()


@dataclass(frozen=True)
class _Saver:
    node: SavedNode

    def table(self, name: str, table: Arrangement, step: int) -> None:
        self.node.save_table(name, table, step)

    def blob(self, name: str, data: bytes) -> None:
        self.node.save_blob(name, data)


@dataclass(frozen=True)
class _Loader:
    node: SavedNode

    @property
    def names(self) -> Sequence[str]:
        return [*self.node.tables, *self.node.blobs]

    def table(self, name: str, into: Arrangement) -> None:
        saved = self.node.tables.get(name)
        if saved is None:
            raise StateError(f'no table "{name}" is stored; there are {", ".join(self.node.tables) or "none"}')
        into.fill(saved.records)
        saved.serial = into.serial

    def blob(self, name: str) -> bytes:
        if name not in self.node.blobs:
            raise StateError(f'no blob "{name}" is stored; there are {", ".join(self.node.blobs) or "none"}')
        return self.node.blobs[name]


class Saved:
    """The state of an engine, over any number of snapshots.

    Attributes:
        nodes: By the identity of the node, what its executor has saved.
        value: What the last snapshot gave besides.
    """

    def __init__(self) -> None:
        self.nodes: dict[str, SavedNode] = {}
        self.value: dict[str, Any] = {}

    def take(self, engine: Engine) -> None:
        """Take a snapshot, between two steps.

        Raises:
            InvariantError: If an executor gives what cannot be stored.
        """
        value = engine.snapshot(lambda name: _Saver(self.nodes.setdefault(name, SavedNode())))
        self.value = through_json(value)
        for node in self.nodes.values():
            node.finish()

    def give(self, engine: Engine) -> None:
        """Let a fresh engine go on from the last snapshot.

        Raises:
            StateError: If it is one of another plan.
        """
        engine.restore(self.value, lambda name: _Loader(self.nodes[name]))

    @property
    def records(self) -> Mapping[str, int]:
        """By node and table, how many records there are."""
        return {f"{n}:{t}": len(table.records) for n, node in self.nodes.items() for t, table in node.tables.items()}


def through_json(value: Any) -> Any:
    """A value as it comes back from being stored.

    Raises:
        InvariantError: If it does not come back as it was.
    """
    try:
        back = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as failure:
        raise InvariantError(f"a snapshot is no JSON: {failure}") from None
    if back != _listed(value):
        raise InvariantError("a snapshot does not come back from JSON as it was: are all keys texts?")
    return back


def _listed(value: Any) -> Any:
    """The value with lists for tuples, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, (list, tuple)) else value
