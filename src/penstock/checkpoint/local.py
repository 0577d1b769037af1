"""Checkpoints in a directory: synced files, and manifests that get their names by a link."""

from __future__ import annotations

import contextlib
import errno
import json
import platform
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from penstock.checkpoint.store import FOLDER, MANIFEST_BYTES, SAVEPOINTS, SEGMENTS, Store, segment_key
from penstock.core import files
from penstock.core.clock import Clock
from penstock.core.errors import StartError, StateError
from penstock.core.failpoint import hit
from penstock.core.timespan import instant_text

POINTS = (
    "checkpoint.segment.created",
    "checkpoint.segment.written",
    "checkpoint.segment.synced",
    "checkpoint.segment.named",
    "checkpoint.segment.before_remove",
    "checkpoint.segment.removed",
    "checkpoint.manifest.created",
    "checkpoint.manifest.written",
    "checkpoint.manifest.before_link",
    "checkpoint.manifest.linked",
    "checkpoint.manifest.synced",
    "checkpoint.manifest.before_remove",
    "checkpoint.manifest.removed",
    "checkpoint.savepoint.created",
    "checkpoint.savepoint.written",
    "checkpoint.savepoint.before_link",
    "checkpoint.savepoint.linked",
    "checkpoint.savepoint.synced",
    "checkpoint.savepoint.before_remove",
    "checkpoint.savepoint.removed",
)
"""The failpoints of a directory, in order."""

_NOTE_BYTES = 4096
_NO_LOCKS = frozenset({errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK, errno.EINVAL})


class LocalStore(Store):
    """A directory of checkpoints, for this user alone (mode 0700 where it is made).

    A file gets the name that counts when it is whole and synced; a name is synced before anybody is told. What could
    not be synced is given up: a second attempt could succeed without the first one's bytes.

    Args:
        state: The state directory.
        clock: Where time comes from.

    Raises:
        StartError: If the directory cannot be used, or its file system lacks exclusive creation, hard links or syncs.
    """

    local = True

    def __init__(self, state: Path, clock: Clock) -> None:
        self.place = str(state)
        self._root = (state / FOLDER).absolute()  # the working directory may change
        self._clock = clock
        self._lock: BinaryIO | None = None
        try:
            for folder in (self._root.parent, self._root, self._root / SEGMENTS, self._root / SAVEPOINTS):
                files.make_private(folder)
        except OSError as failure:
            raise StartError(f'"{state}" cannot be made a directory of checkpoints: {_reason(failure)}') from failure
        self._probe()

    def _probe(self) -> None:
        """Try out all that safety rests on."""
        step = "files cannot be created"
        staged, linked = files.unique(self._root, "probe-"), files.unique(self._root, "probe-")
        try:
            with files.create(staged) as file:
                step = "files cannot be created exclusively"
                _must_fail(lambda: files.create(staged).close())
                step = "files cannot be synced (fsync)"
                files.write(file, b"probe")
                files.sync(file)
            step = "files cannot be linked"
            files.link(staged, linked)
            step = "a link replaces a file"
            _must_fail(lambda: files.link(staged, linked))
            step = "directories cannot be synced (fsync)"
            files.sync_directory(self._root)
        except OSError as failure:
            raise StartError(
                f'"{self.place}" cannot keep checkpoints: {step}: {_reason(failure)}',
                hint="choose a directory on a local file system, with room",
            ) from failure
        finally:
            for path in (staged, linked):
                with contextlib.suppress(OSError):  # `lock` collects what is left
                    files.remove(path)

    def lock(self) -> None:
        """Take the directory for this process, and collect staged files that others have left.

        Raises:
            StateError: If another process, or another store of this one, has it; it says which, since when and where.
        """
        if self._lock is not None:
            return
        path = self._root / "lock"
        note = {"process": files.process(), "since": instant_text(self._clock.now()), "host": platform.node()}
        try:
            self._lock = files.lock_file(path, json.dumps(note).encode())
        except BlockingIOError:
            raise StateError(
                f'"{self.place}" is in use by {_holder(path)}',
                hint="stop that process first, or choose another state directory",
            ) from None
        except OSError as failure:
            # Some file systems have no locks. Two processes are then told apart by their manifests alone.
            if failure.errno not in _NO_LOCKS:
                raise self._failed("cannot be locked", failure) from failure
        self._collect_staged()

    def _collect_staged(self) -> None:
        """Remove staged files of attempts that have ended; a living one, which ignores locks, fails and says so."""
        try:
            for folder in (self._root, self._root / SAVEPOINTS):
                for entry in list(files.entries(folder)):
                    if entry.name.endswith(".staged"):
                        files.remove(Path(entry.path))
        except OSError as failure:
            raise self._failed("cannot be tidied up", failure) from failure

    def close(self) -> None:
        """Unlock the directory."""
        held, self._lock = self._lock, None
        if held is not None:
            held.close()

    def write_segment(self, name: str, parts: Iterable[bytes | memoryview]) -> None:
        """Write, sync, sync the name; see `Store.write_segment`."""
        path = self._root / segment_key(name)
        try:
            file = files.create(path)
        except FileExistsError as failure:
            raise self._failed(f'has a segment "{name}" already: no name is used twice', failure) from failure
        except OSError as failure:
            raise self._failed(f'cannot take the segment "{name}"', failure) from failure
        durable = False
        try:
            hit("checkpoint.segment.created")
            for part in parts:
                files.write(file, part)
            hit("checkpoint.segment.written")
            files.sync(file)
            hit("checkpoint.segment.synced")
            file.close()
            files.sync_directory(path.parent)
            hit("checkpoint.segment.named")
            durable = True
        except OSError as failure:
            raise self._failed(f'cannot take the segment "{name}"', failure) from failure
        finally:
            if not durable:
                _discard(file, path)

    def read_segment(self, name: str, offset: int, length: int) -> memoryview:
        """Read a part of a segment; see `Store.read_segment`."""
        path = self._root / segment_key(name)
        if offset < 0 or length < 0:
            raise StateError(f'{length} bytes at {offset} of the segment "{name}" cannot be read')
        try:
            data = files.read_at(path, offset, length)
        except FileNotFoundError as failure:
            raise StateError(f'the segment "{name}" is missing in "{self.place}"', hint=_TOUCHED) from failure
        except OSError as failure:
            raise self._failed(f'cannot give the segment "{name}"', failure) from failure
        if len(data) < length:
            raise StateError(
                f'the segment "{name}" in "{self.place}" is cut short: {length} bytes at {offset} are not all there',
                hint=_TOUCHED,
            )
        return data

    def _create(self, kind: str, key: str, data: bytes) -> bool:
        path = self._root / key
        staged = files.unique(path.parent, f"{kind}-")
        try:
            self._stage(kind, staged, data)
            hit(f"checkpoint.{kind}.before_link")
            try:
                files.link(staged, path)
            except FileExistsError:
                # A network file system may have lost its first answer: a link of ours is ours.
                if not files.same_file(staged, path):
                    return False
            hit(f"checkpoint.{kind}.linked")
            files.sync_directory(path.parent)
            hit(f"checkpoint.{kind}.synced")
        except OSError as failure:
            raise self._failed(f"cannot take the {kind} {path.name}", failure) from failure
        finally:
            with contextlib.suppress(OSError):  # `lock` collects what is left
                files.remove(staged)
        return True

    def _stage(self, kind: str, staged: Path, data: bytes) -> None:
        """Write a file whole and synced, under a name that nobody looks for."""
        file = files.create(staged)
        try:
            hit(f"checkpoint.{kind}.created")
            files.write(file, data)
            hit(f"checkpoint.{kind}.written")
            files.sync(file)
        finally:
            with contextlib.suppress(OSError):  # what could not be flushed failed above
                file.close()

    def _read(self, what: str, key: str) -> bytes:
        try:
            data = files.read_at(self._root / key, 0, MANIFEST_BYTES + 1)
        except FileNotFoundError as failure:
            raise StateError(f'there is no {what} in "{self.place}"') from failure
        except OSError as failure:
            raise self._failed(f"cannot give the {what}", failure) from failure
        if len(data) > MANIFEST_BYTES:
            raise StateError(f'the {what} in "{self.place}" has more than {MANIFEST_BYTES} bytes: it is damaged')
        return bytes(data)

    def _list(self, folder: str) -> list[str]:
        try:
            return [entry.name for entry in files.entries(self._root / folder)]
        except OSError as failure:
            raise self._failed("cannot be listed", failure) from failure

    def _remove(self, kind: str, key: str) -> None:
        path = self._root / key
        try:
            hit(f"checkpoint.{kind}.before_remove")
            files.remove(path)
            hit(f"checkpoint.{kind}.removed")
            if kind != "segment":
                # Else a manifest could come back after what it names has gone.
                files.sync_directory(path.parent)
        except OSError as failure:
            raise self._failed(f"cannot remove the {kind} {path.name}", failure) from failure

    def _failed(self, what: str, failure: OSError) -> StateError:
        return StateError(f'"{self.place}" {what}: {_reason(failure)}')


_TOUCHED = (
    "files of a state directory are for Penstock alone: restore them from a copy, or resume from another checkpoint"
)


def _must_fail(take_again: Callable[[], None]) -> None:
    """Refuse a file system that gives a name twice."""
    with contextlib.suppress(FileExistsError):
        take_again()
        raise OSError("a name that is taken is given again")


def _discard(file: BinaryIO, path: Path) -> None:
    """Remove what could not be made durable, if that is possible; else it is collected later, as nothing names it."""
    with contextlib.suppress(OSError):
        file.close()
    with contextlib.suppress(OSError):
        files.remove(path)


def _holder(path: Path) -> str:
    """Who has locked the directory, as far as its note tells."""
    try:
        note = json.loads(bytes(files.read_at(path, 0, _NOTE_BYTES)))
        process, since, host = int(note["process"]), str(note["since"]), str(note["host"])
    except (OSError, ValueError, TypeError, KeyError):
        return "another process"
    who = "this process" if process == files.process() and host == platform.node() else f"process {process}"
    return f"{who} since {since} UTC, on host {host}"


def _reason(failure: OSError) -> str:
    return failure.strerror or str(failure)
