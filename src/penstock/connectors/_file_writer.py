"""Writes one file per epoch, which nobody sees before it is whole."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.connectors.base import Content, Sealed, Writer, WriteRequest
from penstock.connectors.formats.base import Format, FrameWriter
from penstock.core import files
from penstock.core.errors import SinkError, StartError
from penstock.core.failpoint import hit
from penstock.core.lazy import pa

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

STAGING = ".penstock"
"""The hidden directory of files that are not whole."""

_PART = re.compile(r"part-(\d{8,})-[0-9a-f]{12}\.[a-z.]+")


class FileWriter(Writer):
    """Writes the open epoch to a staged file, and publishes it by giving it its name.

    The name of a file is `part-<epoch>-<digest of its content>`: to publish an epoch again changes nothing.

    Args:
        path: The directory.
        format: How to write.
        mode: See `FileSink`.
        request: What is going to be written.

    Raises:
        StartError: If the directory cannot be used, or holds what it must not.
    """

    def __init__(self, path: Path, format: Format, mode: str, request: WriteRequest) -> None:
        self._path = path
        self._format = format
        self._schema = request.schema
        self._prefix = f"{hashlib.blake2b(request.pipeline.encode(), digest_size=4).hexdigest()}-"
        self._file: files.StagedFile | None = None
        self._frames: FrameWriter | None = None
        self._rows = 0
        self._published = 0
        try:
            there = self._prepare_directory(request.fresh)
        except OSError as failure:
            raise StartError(f'cannot write to "{path}": {failure.strerror or failure}') from failure
        parts = {name: int(found[1]) for name in there if (found := _PART.fullmatch(name))}
        self._replaces: list[list[Any]] = []
        self._first = 0
        if request.fresh and mode == "error" and there:
            raise StartError(
                f'"{path}" holds {_some(there)}: output of two runs must not be mixed',
                hint='mode="overwrite" replaces the output of former runs, mode="append" adds to it',
            )
        if request.fresh and mode == "overwrite":
            self._replaces = [[name, *files.identity(path / name)] for name in sorted(parts)]
        if mode == "append":
            self._first = max(parts.values(), default=-1) + 1

    def _prepare_directory(self, fresh: bool) -> list[str]:
        """Make the directory and try it out; the visible names in it."""
        if files.kind(self._path) == "file":
            raise StartError(f'"{self._path}" is a file; a sink of files is a directory')
        files.make_directory(self._path)
        staging = self._path / STAGING
        if fresh and files.kind(staging):
            for entry in list(files.entries(staging)):
                if entry.name.startswith(self._prefix):
                    files.remove(Path(entry.path))
        probe = files.StagedFile(staging, self._prefix)
        try:
            # A file system that is full, or without links or durable writes, is found out now.
            probe.write(b"probe")
            probe.seal()
            linked = probe.path.with_suffix(".probe")
            files.publish(probe.path, linked)
            files.remove(linked)
        finally:
            probe.discard()
            files.remove_directory(staging)
        return [entry.name for entry in files.entries(self._path) if not entry.name.startswith(".")]

    def write(self, frame: pl.DataFrame, diff: np.ndarray | None) -> None:
        """Append rows to the staged file of the open epoch.

        Raises:
            SinkError: If they cannot be written; nothing of the epoch is visible.
        """
        if not frame.height:
            return
        try:
            if self._frames is None:
                self._file = files.StagedFile(self._path / STAGING, self._prefix)
                self._frames = self._format.writer(self._file, self._schema)  # type: ignore[arg-type]
            self._frames.write(frame)
        except (OSError, pa.ArrowException) as failure:
            self._discard()
            raise self._failed(failure) from failure
        self._rows += frame.height

    def prepare(self, epoch: int) -> Callable[[], Content]:
        """Make the staged file whole and durable; an epoch without rows has none.

        Raises:
            SinkError: If it cannot be made durable; it is given up then, never tried again.
        """
        prepared = self._seal(epoch)
        return lambda: Content(prepared, rows=prepared["rows"])

    def _seal(self, epoch: int) -> dict[str, Any]:
        prepared: dict[str, Any] = {"rows": self._rows}
        if self._replaces:
            prepared["replaces"], self._replaces = self._replaces, []
        if self._file is None or self._frames is None:
            return prepared
        try:
            hit("sink.before_seal")
            self._frames.finish()
            digest = self._file.seal()
        except (OSError, pa.ArrowException) as failure:
            self._discard()
            raise self._failed(failure) from failure
        name = f"part-{self._first + epoch:08d}-{digest[:12]}{self._format.extensions[0]}"
        prepared |= {"file": name, "staged": self._file.path.name, "bytes": self._file.size, "digest": digest}
        self._file, self._frames, self._rows = None, None, 0
        return prepared

    def commit(self, epochs: Sequence[Sealed]) -> None:
        """Give the files their names; then the output of former runs goes, if this run replaces it.

        Raises:
            SinkError: If they cannot be published.
        """
        for sealed in epochs:
            self._commit(sealed.value)

    def _commit(self, prepared: dict[str, Any]) -> None:
        try:
            if "file" in prepared:
                self._publish(self._path / STAGING / prepared["staged"], self._path / prepared["file"])
            if "replaces" in prepared:
                self._remove(prepared["replaces"], prepared.get("file"))
        except OSError as failure:
            raise self._failed(failure) from failure

    def _publish(self, staged: Path, final: Path) -> None:
        hit("sink.before_publish")
        if files.kind(final):
            # The same content under the same name: it was published before.
            files.remove(staged)
            return
        files.publish(staged, final)
        files.sync_directory(self._path)
        hit("sink.published")
        self._published += 1

    def _remove(self, former: list[list[Any]], new: str | None) -> None:
        hit("sink.before_replace")
        for name, *identity in former:
            path = self._path / name
            # A later epoch may have published the same content under the same name again.
            if name != new and files.kind(path) and files.identity(path) == identity:
                files.remove(path)
        files.sync_directory(self._path)

    def close(self) -> None:
        """Remove what is not sealed."""
        self._discard()
        files.remove_directory(self._path / STAGING)

    def _discard(self) -> None:
        if self._frames is not None:
            self._frames.abandon()
        if self._file is not None:
            self._file.discard()
        self._file, self._frames, self._rows = None, None, 0

    def _failed(self, failure: BaseException) -> SinkError:
        reason = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
        return SinkError(f'cannot write to "{self._path}": {reason}', hint="nothing of the open epoch is visible")

    def report(self) -> str:
        """How many files there are, and where."""
        return f"{self._published} {'file' if self._published == 1 else 'files'} in {self._path}"


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{shown}{more}"
