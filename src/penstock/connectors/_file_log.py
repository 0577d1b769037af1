"""What a directory of a file sink says of itself: one small manifest per epoch, numbered without gaps.

A manifest is created only if its number is free, so of two writers one wins, and the other learns of it. A writer
begins with a manifest without an epoch, the fence: from then on the number that an older writer counts on is taken.
Now and then all manifests so far are gathered into one list; numbers at or below that of a list are taken for ever.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from penstock.connectors.base import Token
from penstock.core import files
from penstock.core.failpoint import hit

FOLDER = "_penstock"
"""The directory of manifests below that of the files; walkers pass over names that begin with an underscore."""

STAGING = "staged"
"""The directory of files that have no name yet, below that of the manifests."""

MANIFEST = "manifest-"
"""What names of staged manifests begin with."""

GATHERED = 64
"""How many manifests there are before they are gathered into a list."""

VERSION = 1
_TRIES = 10
_EPOCH, _LIST = re.compile(r"epoch-(\d{8,12})\.json"), re.compile(r"list-(\d{8,12})\.json")


class LogError(ValueError):
    """Manifests that are damaged, missing, or of a newer version."""


class Part(NamedTuple):
    """A file of an epoch.

    Attributes:
        name: Its path below the directory, with slashes.
        bytes: Its size.
        rows: How many rows it has; -1 = unknown.
        digest: The digest of its bytes; empty = unknown.
    """

    name: str
    bytes: int
    rows: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What one manifest says.

    Attributes:
        number: Its number.
        at: When it was made, in microseconds since 1970.
        parts: The files of the epoch, in order.
        token: The token of the epoch; None for a fence.
        writer: Of a fence: the name of the writer that goes on from here.
        owner: Of the fence of a run that starts anew: the name of its pipeline. Tokens before it are not of this run.
        replaces: Of such a fence: whether the first epoch replaces all that is there. Of an epoch: whether it does.
        first: The number of the oldest manifest whose files count.
        removes: Further files that do not count any more.
        partitions: The columns that are directories, and their types.
    """

    number: int
    at: int
    parts: tuple[Part, ...] = ()
    token: Token | None = None
    writer: str | None = None
    owner: str | None = None
    replaces: bool = False
    first: int = 0
    removes: tuple[str, ...] = ()
    partitions: Mapping[str, Any] = field(default_factory=dict)


class History:
    """What all manifests up to one add up to.

    Attributes:
        next: The number after the newest.
        first: The number of the oldest manifest whose files count.
        entries: Those that count and have files, in order, without their tokens.
        bytes: How many bytes these files have.
        token: The token of the newest epoch of the newest run, or None.
        writer: The writer of the newest fence.
        owner: The pipeline of the newest run.
        replacing: Whether the next epoch replaces all that is there.
        replaced: The number of the last manifest that did; -1 if there is none.
        dropped: The number of the last manifest with files that do not count any more; -1 if there is none.
        gone: Files that do not count any more, as far as they are known: they may be there still.
        partitions: The columns that are directories, and their types.
    """

    def __init__(self) -> None:
        self.next = self.first = self.bytes = 0
        self.entries: deque[Entry] = deque()
        self.token: Token | None = None
        self.writer: str | None = None
        self.owner: str | None = None
        self.replacing = False
        self.replaced = self.dropped = -1
        self.gone: list[str] = []
        self.partitions: Mapping[str, Any] = {}

    def add(self, entry: Entry) -> None:
        """Take the next manifest into account."""
        self.next = entry.number + 1
        if entry.writer is not None:
            self.writer = entry.writer
        if entry.owner is not None:
            self.owner, self.token, self.replacing = entry.owner, None, entry.replaces
            self.partitions = entry.partitions
        if entry.token is not None:
            self.token, self.replacing = entry.token, False
            self.replaced = entry.number if entry.replaces else self.replaced
        if entry.parts:
            self.entries.append(entry)
            self.bytes += _size(entry)
        self.gone += entry.removes
        self.first = entry.first
        while self.entries and self.entries[0].number < self.first:
            old = self.entries.popleft()
            self.bytes -= _size(old)
            self.dropped = old.number
            self.gone += [part.name for part in old.parts]

    def to_json(self) -> dict[str, Any]:
        """All of it except the files that are gone, for a list."""
        return {
            "number": self.next - 1, "first": self.first, "token": self.token, "writer": self.writer,
            "owner": self.owner, "replacing": self.replacing, "replaced": self.replaced, "dropped": self.dropped,
            "partitions": dict(self.partitions),
            "epochs": [{"number": one.number, "at": one.at, "files": _files(one.parts)} for one in self.entries],
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> History:
        """The inverse of `to_json`."""
        made = cls()
        made.next, made.first = data["number"] + 1, data["first"]
        made.token = None if data["token"] is None else Token(*data["token"])
        made.writer, made.owner, made.replacing = data["writer"], data["owner"], data["replacing"]
        made.replaced, made.dropped, made.partitions = data["replaced"], data["dropped"], data["partitions"]
        for one in data["epochs"]:
            made.entries.append(Entry(number=one["number"], at=one["at"], parts=_parts(one["files"])))
        made.bytes = sum(map(_size, made.entries))
        return made


def _size(entry: Entry) -> int:
    return sum(part.bytes for part in entry.parts)


def _files(parts: Iterable[Part]) -> list[dict[str, Any]]:
    return [part._asdict() for part in parts]


def _parts(found: Iterable[Mapping[str, Any]]) -> tuple[Part, ...]:
    parts = tuple(Part(one["name"], one["bytes"], one["rows"], one["digest"]) for one in found)
    for part in parts:
        if part.name.startswith("/") or "\\" in part.name or ".." in part.name.split("/"):
            raise LogError(f'names a file outside of the directory: "{part.name}"')
    return parts


def _entry_json(entry: Entry) -> dict[str, Any]:
    given = {"number": entry.number, "at": entry.at, "files": _files(entry.parts), "first": entry.first}
    told = {
        "token": entry.token, "writer": entry.writer, "owner": entry.owner, "replaces": entry.replaces,
        "removes": list(entry.removes), "partitions": dict(entry.partitions),
    }  # fmt: skip
    return given | {name: value for name, value in told.items() if value}


def _entry(data: Mapping[str, Any]) -> Entry:
    return Entry(
        number=data["number"], at=data["at"], parts=_parts(data["files"]), first=data["first"],
        token=Token(*data["token"]) if "token" in data else None, writer=data.get("writer"), owner=data.get("owner"),
        replaces=data.get("replaces", False), removes=tuple(data.get("removes", ())),
        partitions=data.get("partitions", {}),
    )  # fmt: skip


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(body, sort_keys=True).encode(), digest_size=16).hexdigest()


class FileLog:
    """The manifests of a directory, as they were when they were last looked at.

    Attributes:
        folder: Where they are.
        history: What they say.

    Args:
        path: The directory of the files.
    """

    def __init__(self, path: Path) -> None:
        self.folder = path / FOLDER
        self.history = History()
        self._listed = -1

    def refresh(self) -> None:
        """Read the manifests that have come.

        Raises:
            LogError: If they cannot be used, or those that were there are gone.
            OSError: If they cannot be read.
        """
        for _ in range(_TRIES):
            # Gathering manifests removes them: who is in the midst of reading looks again.
            with contextlib.suppress(FileNotFoundError):
                if self._catch_up():
                    return
        raise LogError(f'"{self._name("epoch", self.history.next)}" is missing: there are later ones')

    def _catch_up(self) -> bool:
        epochs, lists = self._numbers()
        newest, known = max(lists, default=-1), self.history.next - 1
        if known >= 0 and newest < known and known not in epochs:
            raise LogError("all manifests were removed while they were in use")
        if newest > known:
            self.history = self._read(self._name("list", newest), History.from_json)
        self._listed = max(newest, self._listed)
        while self.history.next in epochs:
            self.history.add(self._read(self._name("epoch", self.history.next), _entry))
        return all(number < self.history.next for number in epochs)

    def _numbers(self) -> tuple[set[int], set[int]]:
        found: tuple[set[int], set[int]] = (set(), set())
        if files.kind(self.folder) is not None:
            for entry in files.entries(self.folder):
                for pattern, numbers in zip((_EPOCH, _LIST), found, strict=True):
                    if match := pattern.fullmatch(entry.name):
                        numbers.add(int(match[1]))
        return found

    def _name(self, kind: str, number: int) -> Path:
        return self.folder / f"{kind}-{number:08d}.json"

    def _read(self, path: Path, made: Any) -> Any:
        try:
            body = json.loads(files.read_bytes(path))
            digest = body.pop("digest")
            if body["version"] > VERSION:
                raise LogError(f'"{path}" was written by a newer Penstock')
            if digest != _digest(body):
                raise LogError(f'"{path}" is damaged: its digest does not fit')
            return made(body)
        except LogError as failure:
            raise LogError(f'"{path}": {failure}' if str(path) not in str(failure) else str(failure)) from None
        except (ValueError, KeyError, TypeError, AttributeError) as failure:
            raise LogError(f'"{path}" is damaged: {type(failure).__name__}') from failure

    def append(self, entry: Entry) -> bool:
        """Make the next manifest, durable; whether it is this one: another may have taken its number.

        Raises:
            OSError: If it cannot be made; it may be there all the same.
        """
        assert entry.number == self.history.next
        made = self._create(self._name("epoch", entry.number), _entry_json(entry))
        if made and max(self._numbers()[1], default=-1) >= entry.number:
            # The number was free because it had been gathered: somebody else went on long ago.
            files.remove(self._name("epoch", entry.number))
            made = False
        if made:
            self.history.add(entry)
        return made

    def gather(self) -> None:
        """Make one list of all manifests if there are many, and remove them; a crash in between costs nothing.

        Raises:
            OSError: If that cannot be done; the manifests say what they said.
        """
        number = self.history.next - 1
        if number - self._listed < GATHERED:
            return
        hit("sink.before_gather")
        self._create(self._name("list", number), self.history.to_json())
        hit("sink.gathered")
        self._listed = number
        epochs, lists = self._numbers()
        for kind, old in (("epoch", epochs), ("list", lists - {number})):
            for one in sorted(old):
                if one <= number:
                    files.remove(self._name(kind, one))
        files.sync_directory(self.folder)

    def _create(self, path: Path, body: Mapping[str, Any]) -> bool:
        body = {"version": VERSION, **body}
        staged = files.StagedFile(self.folder / STAGING, MANIFEST)
        try:
            staged.write((json.dumps({"digest": _digest(body), **body}) + "\n").encode())
            staged.seal(named=False)
            hit("sink.before_manifest")
            files.publish(staged.path, path)
            files.sync_directory(self.folder)
            hit("sink.manifest_made")
        except (FileExistsError, FileNotFoundError):
            # The number is taken, or who has taken over has removed what this writer was about to name.
            return False
        finally:
            staged.discard()
        return True
