"""What a log was created with, and where logs are."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from penstock.core import files
from penstock.core.errors import StartError, StateError

NAME = "log.json"
FOLDER = Path(".penstock/logs")
FORMAT = 1
MOST_PARTITIONS = 1024

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclass(frozen=True)
class Settings:
    """What a log was created with; it never changes.

    Attributes:
        identity: 32 hexadecimal digits, drawn when the log was created.
        partitions: How many partitions it has.
        segment_bytes: How large a segment file grows before the next one begins.
        record_bytes: How large a record (key and value) may be.
        deduplicate_us: For how long the ids of records are remembered; 0 = not at all.
        retain_bytes: How many bytes of old segments are kept; None = all.
        retain_us: For how long segments are kept; None = for ever.
    """

    identity: str
    partitions: int
    segment_bytes: int = 64 << 20
    record_bytes: int = 1 << 20
    deduplicate_us: int = 0
    retain_bytes: int | None = None
    retain_us: int | None = None

    @property
    def log(self) -> bytes:
        """The identity as bytes."""
        return bytes.fromhex(self.identity)

    def check(self) -> None:
        """Check the limits.

        Raises:
            StartError: If one is beyond what is possible.
        """
        if not 1 <= self.partitions <= MOST_PARTITIONS:
            raise StartError(f"a log has 1 to {MOST_PARTITIONS} partitions, found {self.partitions}")
        if not 1 <= self.record_bytes <= 1 << 30:
            raise StartError(f"a record has at most 1 GiB, found record_bytes={self.record_bytes}")
        if self.segment_bytes < 1 << 12:
            raise StartError(f"a segment has at least 4 KiB, found segment_bytes={self.segment_bytes}")
        if self.retain_us is not None and self.retain_us < self.deduplicate_us:
            raise StartError("ids are looked for in what is kept: retain must not be shorter than deduplicate")


def resolve(name: str | Path) -> Path:
    """The directory of a log: a plain name is a log below `.penstock/logs`, anything else a path."""
    text = os.fspath(name)
    return FOLDER / text if _PLAIN.fullmatch(text) else Path(text)


def load(folder: Path) -> Settings | None:
    """The settings of a log, or None if there is no log.

    Raises:
        StateError: If they cannot be understood.
    """
    path = folder / NAME
    try:
        found = json.loads(files.read_bytes(path))
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise StartError(f'"{folder}" is a file; a log is a directory') from None
    except ValueError:
        raise StateError(f'"{path}" is damaged: it is not JSON') from None
    values = found.get("settings") if isinstance(found, dict) else None
    if not isinstance(values, dict) or found.get("digest") != _digest(values):
        raise StateError(f'"{path}" is damaged: it does not match its digest')
    if found.get("format") != FORMAT:
        raise StateError(f'"{path}" has the format {found.get("format")}; this version reads {FORMAT}')
    return Settings(**values)


def create(folder: Path, settings: Settings) -> Settings:
    """Create a log, or find the one that another process created at the same time; its settings.

    Raises:
        StartError: If the directory cannot be made, or holds something else.
    """
    settings.check()
    values = asdict(settings)
    text = json.dumps({"format": FORMAT, "settings": values, "digest": _digest(values)}, indent=1)
    try:
        files.make_private(folder)
        strangers = [entry.name for entry in files.entries(folder) if not entry.name.endswith(".staged")]
        if strangers and NAME not in strangers:
            raise StartError(f'"{folder}" holds {strangers[0]} and is no log: a log has a directory of its own')
        staged = files.StagedFile(folder, "settings-")
        try:
            staged.write(text.encode())
            staged.seal()
            files.publish(staged.path, folder / NAME)
            files.sync_directory(folder)
            files.sync_directory(folder.parent)
        finally:
            staged.discard()
    except FileExistsError:
        there = load(folder)
        assert there is not None
        return there
    except OSError as failure:
        raise StartError(f'cannot create a log in "{folder}": {failure.strerror or failure}') from failure
    return settings


def _digest(values: dict[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=16).hexdigest()
