"""Writes epochs as files that get their names when they are whole, and a manifest per epoch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from penstock.connectors._file_hive import check_columns
from penstock.connectors._file_log import MANIFEST, STAGING, Entry, FileLog, LogError, Part
from penstock.connectors._file_retention import Retention
from penstock.connectors._file_stage import Layout, Stage, StagedPart, discard_all, seal_all
from penstock.connectors.base import Content, Sealed, Token, Writer, WriteRequest, is_newer_run
from penstock.connectors.formats import format_of_name
from penstock.core import files
from penstock.core.clock import Clock, SystemClock
from penstock.core.errors import SinkError, StartError, StateError, SupersededError
from penstock.core.failpoint import hit
from penstock.core.lazy import pa

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

_TRIES = 20
_PART = re.compile(r"part-(\d{8,})-[0-9a-f]{12}\.[a-z.]+")
_STAGED = re.compile(rf"(?:(\d{{8,}})-|{MANIFEST})[0-9a-f]{{24}}\.staged")


class FileWriter(Writer):
    """Writes the open epoch to staged files, and publishes it: its files get their names, then comes the manifest.

    The name of a file is `part-<number>-<digest of its content>`, and numbers are used once: to publish an epoch again
    changes nothing. Which writer may publish is decided by the manifests: see `_file_log`.

    Args:
        path: The directory.
        layout: How rows become files.
        mode: See `FileSink`.
        retention: How much is kept.
        request: What is going to be written.
        clock: Says how old files are.

    Raises:
        StartError: If the directory cannot be used, or holds what it must not.
        PlanError: If a column cannot be a directory.
    """

    def __init__(
        self,
        path: Path,
        layout: Layout,
        mode: str,
        retention: Retention,
        request: WriteRequest,
        clock: Clock | None = None,
    ) -> None:
        check_columns(layout.partition_by, request.schema)
        self._path = path
        self._layout = layout
        self._mode = mode
        self._begins = request.fresh
        self._retention = retention
        self._request = request
        self._clock = clock or SystemClock()
        self._log = FileLog(path)
        self._staging = self._log.folder / STAGING
        self._name: str | None = None
        self._first_own: int | None = None
        self._strays_removed = False
        self._pending: dict[int, list[StagedPart]] = {}
        self._published = 0
        try:
            self._former, number = self._look()
            self._seen = self._log.history.token
            files.probe(self._staging, MANIFEST)
        except (OSError, LogError, SupersededError) as failure:
            raise StartError(f'cannot write to "{path}": {_reason(failure)}') from failure
        self._stage = Stage(self._staging, layout, request.schema, number)

    # -- opening ---------------------------------------------------------------

    def _look(self) -> tuple[list[Path], int]:
        """Staged files of former writers, and the first number that is free."""
        if files.kind(self._path) == "file":
            raise StartError(f'"{self._path}" is a file; a sink of files is a directory')
        if files.kind(self._path) is None:
            files.make_directory(self._path)
            files.sync_directory(self._path.parent)
        shown = [entry.name for entry in files.entries(self._path) if not entry.name.startswith((".", "_"))]
        if self._request.fresh and self._mode == "error" and shown:
            raise StartError(
                f'"{self._path}" holds {_some(shown)}: output of two runs must not be mixed',
                hint='mode="overwrite" replaces the output of former runs, mode="append" adds to it',
            )
        self._log.refresh()
        staged = list(files.entries(self._staging)) if files.kind(self._staging) else []
        former = [Path(entry.path) for entry in staged if _STAGED.fullmatch(entry.name)]
        matches = [_STAGED.fullmatch(one.name) for one in former]
        matches += [_part(one.name) for one in files.walk(self._path)]
        matches += [_part(part.name) for entry in self._log.history.entries for part in entry.parts]
        return former, max((int(match[1]) for match in matches if match and match[1]), default=-1) + 1

    def _fence(self) -> None:
        """Make this the run that writes: no other can publish from here on.

        One that begins anew forgets here what was published, not when the sink is opened: of two runs that begin at
        once only the one that has taken over may.

        Raises:
            SupersededError: If a newer run has published since the sink was opened, or others keep taking over.
        """
        name = files.unique_name()
        for _ in range(_TRIES):
            history = self._log.history
            if self._begins and is_newer_run(history.token, self._seen):
                break
            # Anew for each try: what the first manifest has adopted must not be adopted again.
            told = self._told() if self._begins else {}
            entry = Entry(number=history.next, at=self._clock.now(), writer=name, first=history.first, **told)
            hit("sink.before_fence")
            if self._log.append(entry):
                files.sync_directory(self._path)
                self._name, self._begins = name, False
                return
            self._log.refresh()
        raise SupersededError(f'another process has taken over "{self._path}"')

    def _told(self) -> dict[str, Any]:
        """What a run that begins anew tells of itself."""
        adopted: list[Part] = []
        if self._mode == "append" and not self._log.history.next:
            # What is there before the first manifest counts, or readers would lose it.
            for one in sorted(files.walk(self._path), key=lambda one: one.name):
                if format_of_name(one.name) == self._layout.format.name:
                    adopted.append(Part(one.name, one.size, -1, ""))
        partitions = {name: self._request.schema[name].dtype.to_json() for name in self._layout.partition_by}
        told = {"parts": tuple(adopted), "owner": self._request.pipeline, "partitions": partitions}
        return {**told, "replaces": self._mode == "overwrite"}

    def last_token(self) -> Token | None:
        """Keep all older writers of the directory from publishing; the token of the newest epoch of this run.

        Raises:
            SupersededError: If a newer writer has taken over.
            StateError: If the directory is that of another pipeline's run.
            SinkError: If the manifests cannot be read, or the fence not be made.
        """
        with self._failing():
            self._log.refresh()
            history = self._log.history
            if self._name is None and self._begins:
                self._fence()
                self._collect()
            elif self._name is None:
                if history.owner not in (None, self._request.pipeline):
                    raise StateError(
                        f'"{self._path}" holds a newer run of the pipeline "{history.owner}"',
                        hint="give each pipeline a directory of its own, or start anew",
                    )
                self._fence()
                self._collect(MANIFEST)
            self._require_own()
            self._remove_gone()
            self._log.gather()
            return self._log.history.token

    # -- the loop's thread -----------------------------------------------------

    def write(self, frame: pl.DataFrame, diff: np.ndarray | None) -> None:
        """Append rows to the staged files of the open epoch.

        Raises:
            SinkError: If they cannot be written; nothing of the epoch is visible.
        """
        if frame.height:
            try:
                with self._failing():
                    self._stage.write(frame)
            except SinkError:
                discard_all(self._stage.end())
                raise

    def prepare(self, epoch: int) -> Callable[[], Content]:
        """End the epoch; what is given finishes its files and makes them durable.

        Raises:
            SinkError: If that fails; the epoch is given up then, never tried again.
        """
        parts = self._stage.end()
        if self._first_own is None:
            self._first_own = epoch
        self._pending[epoch] = parts
        return lambda: self._seal(epoch)

    def _seal(self, epoch: int) -> Content:
        parts = self._pending[epoch]
        try:
            with self._failing():
                described = seal_all(self._staging, parts)
        except SinkError:
            discard_all(parts)
            raise
        finally:
            del self._pending[epoch]
        rows = sum(part.rows for part in parts)
        return Content({"rows": rows, "files": described}, rows=rows)

    # -- the publisher's thread ------------------------------------------------

    def commit(self, epochs: Sequence[Sealed]) -> None:
        """Give the files their names, then make the manifest; last, remove what does not count any more.

        Raises:
            SupersededError: If another writer has taken over, or an epoch was published with other content.
            SinkError: If they cannot be published.
        """
        if self._name is None:
            self.last_token()
        for sealed in epochs:
            with self._failing():
                if self._is_new(sealed.token):
                    self._publish(sealed)
                self._tidy(sealed.token.epoch)

    def _is_new(self, token: Token) -> bool:
        """Look whether this is still the writer, and whether an epoch is still to be published."""
        self._log.refresh()
        self._require_own()
        last = self._log.history.token
        if last is None or (token.pipeline == last.pipeline and token.epoch > last.epoch):
            return True
        if token.pipeline != last.pipeline or (token.epoch == last.epoch and token.digest != last.digest):
            raise SupersededError(
                f'epoch {token.epoch} of "{token.pipeline}" is not what "{self._path}" holds: that is epoch '
                f'{last.epoch} of "{last.pipeline}", with other content'
            )
        return False

    def _require_own(self) -> None:
        if self._log.history.writer != self._name:
            raise SupersededError(f'another process has taken over "{self._path}"')

    def _publish(self, sealed: Sealed) -> None:
        found = sealed.value.get("files", [])  # takeovers have none
        parts = tuple(Part(one["name"], one["bytes"], one["rows"], one["digest"]) for one in found)
        hit("sink.before_publish")
        for one in found:
            if self._first_own is None or sealed.token.epoch < self._first_own:
                self._require_whole(one)
            self._name_part(self._staging / one["staged"], self._path / one["name"])
        self._sync([PurePosixPath(part.name) for part in parts])
        for one in found:
            # Not before the new names are durable: a power cut could leave neither.
            files.remove(self._staging / one["staged"])
        hit("sink.published")
        if not self._log.append(self._entry(sealed.token, parts)):
            self._log.refresh()
            self._require_own()
            raise SinkError(f'the manifests of "{self._path}" contradict themselves')
        self._published += len(parts)

    def _require_whole(self, one: Mapping[str, Any]) -> None:
        """A file that a former writer has staged is what it was, wherever it is by now.

        Raises:
            StateError: If it is damaged or gone.
        """
        staged, final = self._staging / one["staged"], self._path / one["name"]
        path = final if files.kind(final) else staged
        try:
            digest = files.digest_of(path)
        except FileNotFoundError:
            self._log.refresh()
            self._require_own()
            raise StateError(
                f'"{path}" is missing: it is output that was sealed and not published', damaged=True
            ) from None
        if digest != one["digest"]:
            raise StateError(
                f'"{path}" is damaged: it is output that was sealed and not published, and has another digest',
                hint="restore the file from a copy, or start anew",
                damaged=True,
            )

    def _name_part(self, staged: Path, final: Path) -> None:
        if files.kind(final.parent) is None:
            files.make_directory(final.parent)
        if files.kind(final):
            # The same content under the same name: it has got it before.
            return
        try:
            files.link(staged, final)
        except FileExistsError:
            return
        except FileNotFoundError:
            self._log.refresh()
            self._require_own()
            raise

    def _sync(self, names: list[PurePosixPath]) -> None:
        folders = {folder for name in names for folder in name.parents}
        for folder in sorted(folders, key=lambda one: -len(one.parts)):
            files.sync_directory(self._path / folder)

    def _entry(self, token: Token, parts: tuple[Part, ...]) -> Entry:
        history, now = self._log.history, self._clock.now()
        number, first = history.next, history.first
        removes: tuple[str, ...] = ()
        if history.replacing:
            known = {part.name for part in parts} | {part.name for one in history.entries for part in one.parts}
            found = [one.name for one in files.walk(self._path) if _part(one.name) and one.name not in known]
            removes, first = tuple(found), number
        else:
            first = self._retention.first_kept(history, sum(part.bytes for part in parts), now)
        return Entry(
            number=number, at=now, parts=parts, token=token, first=first, replaces=history.replacing, removes=removes
        )

    def _tidy(self, epoch: int) -> None:
        """Remove what does not count any more, and gather manifests."""
        self._remove_gone()
        if self._first_own is not None and epoch >= self._first_own:
            # An epoch of this writer is out, so all those of former ones are.
            self._collect()
            self._remove_strays()
        self._log.gather()

    def _remove_gone(self) -> None:
        gone, self._log.history.gone = self._log.history.gone, []
        mine = [name for name in gone if _part(name)]
        if mine:
            hit("sink.before_remove")
        for name in mine:
            files.remove(self._path / name)
            for folder in list(PurePosixPath(name).parents)[:-1]:
                files.remove_directory(self._path / folder)

    def _remove_strays(self) -> None:
        """Remove, once, files that a former writer has named and that no manifest names.

        They are of epochs whose checkpoint was damaged: their rows come again, and who reads files without manifests
        would see them twice.
        """
        if self._strays_removed:
            return
        self._strays_removed = True
        found = [one.name for one in files.walk(self._path) if _part(one.name)]
        # Looked at in this order: what a successor has named, who may be at work by now, is not among them.
        self._log.refresh()
        self._require_own()
        known = {part.name for entry in self._log.history.entries for part in entry.parts}
        for name in [name for name in found if name not in known]:
            hit("sink.before_remove")
            files.remove(self._path / name)

    def _collect(self, kind: str = "") -> None:
        """Remove staged files of former writers; those of epochs may be needed until an epoch of this one is out."""
        for path in [path for path in self._former if path.name.startswith(kind)]:
            hit("sink.before_collect")
            files.remove(path)
            self._former.remove(path)

    def close(self) -> None:
        """Remove what is not sealed."""
        for parts in (self._stage.end(), *self._pending.values()):
            discard_all(parts)
        self._pending = {}

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, LogError, pa.ArrowException) as failure:
            raise SinkError(
                f'cannot write to "{self._path}": {_reason(failure)}',
                hint="nothing is visible of epochs that are not whole",
            ) from failure

    def report(self) -> str:
        """How many files there are, and where."""
        new = "" if self._request.fresh else "new "
        return f"{self._published} {new}{'file' if self._published == 1 else 'files'} in {self._path}"


def _part(name: str) -> re.Match[str] | None:
    return _PART.fullmatch(name.rsplit("/", 1)[-1])


def _reason(failure: BaseException) -> str:
    return failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{shown}{more}"
