"""How far named readers have come: for people, and so that retention leaves what they have not read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.core import files
from penstock.core.clock import Clock
from penstock.core.errors import PlanError, StateError
from penstock.core.failpoint import hit
from penstock.log.locks import ProcessLock

FOLDER = "groups"
LOCK = "lock"
STAGED = "position-"

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Groups:
    """The positions of the groups of a log: one file per group, replaced as a whole.

    Args:
        folder: The directory of the log.
        clock: Measures how long to wait for other processes.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder / FOLDER
        self._lock = ProcessLock(self._folder / LOCK, clock, "storing positions in")

    def names(self) -> list[str]:
        """All groups."""
        if files.kind(self._folder) is None:
            return []
        return sorted(
            entry.name.removesuffix(".json") for entry in files.entries(self._folder) if entry.name.endswith(".json")
        )

    def read(self, group: str) -> dict[int, int]:
        """The next offset of each partition that the group has told of.

        Raises:
            StateError: If the file is damaged.
        """
        path = self._path(group)
        try:
            found = json.loads(files.read_bytes(path))
        except FileNotFoundError:
            return {}
        except ValueError:
            raise StateError(f'"{path}" is damaged: it is not JSON', hint=_HINT) from None
        positions = found.get("positions") if isinstance(found, dict) else None
        if not isinstance(positions, dict) or found.get("digest") != _digest(positions):
            raise StateError(f'"{path}" is damaged: it does not match its digest', hint=_HINT)
        return {int(partition): offset for partition, offset in positions.items()}

    def store(self, group: str, positions: Mapping[int, int]) -> None:
        """Store positions, in addition to those of other partitions; durable, all of them or none.

        Raises:
            OSError: If they cannot be stored; then those of before are there.
        """
        path = self._path(group)
        if files.kind(self._folder) is None:
            files.make_directory(self._folder)
            files.sync_directory(self._folder.parent)
        with self._lock.hold():
            stored = {str(partition): offset for partition, offset in sorted({**self.read(group), **positions}.items())}
            staged = files.StagedFile(self._folder, STAGED)
            try:
                staged.write(json.dumps({"positions": stored, "digest": _digest(stored)}).encode())
                staged.seal()
                hit("log.before_position")
                files.rename(staged.path, path)
                files.sync_directory(self._folder)
                hit("log.position_stored")
            finally:
                staged.discard()

    def forget(self, group: str) -> None:
        """Forget a group: retention does not wait for it any more."""
        files.remove(self._path(group))

    def _path(self, group: str) -> Path:
        if not _PLAIN.fullmatch(group):
            raise PlanError(
                f'"{group}" cannot name a group', hint="up to 100 letters, digits, dots, dashes and underscores"
            )
        return self._folder / f"{group}.json"

    def close(self) -> None:
        """Close the file of the lock."""
        self._lock.close()


_HINT = "remove the file: the group then has no positions; readers go on where their checkpoints say"


def _digest(positions: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(positions, sort_keys=True).encode(), digest_size=16).hexdigest()
