"""Where the segments, manifests and savepoints of one pipeline live.

    checkpoints/segments/NAME                   blocks of state and output, of one attempt at one epoch
    checkpoints/manifest-000000000012.json      what epoch 12 is made of; an epoch exists once its manifest does
    checkpoints/savepoints/NAME.json            the bytes of a manifest, kept until a person removes them

Safety rests on two things: what is written is durable when the call returns, and of all who create the manifest of a
number one succeeds. Whoever has created a manifest must look for higher numbers before it relies on it: a process that
was held up may create one anew that others have collected.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from penstock.checkpoint.manifest import unpack
from penstock.core.clock import Clock, SystemClock
from penstock.core.errors import PlanError, StateError

FOLDER = "checkpoints"
"""The folder in the state directory, or below the prefix of a bucket."""

SEGMENTS, SAVEPOINTS = "segments", "savepoints"

MANIFEST_BYTES = 256 << 20
"""How long a manifest may be."""

UNREADABLE = -1
"""The number of a savepoint that cannot be read."""

_MANIFEST = re.compile(r"manifest-(\d{12,18})\.json")
_SEGMENT = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,199}")
_SAVEPOINT = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,99}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"(/[0-9A-Za-z_=-][0-9A-Za-z._=-]*)*")


class Store(ABC):
    """Where segments and manifests of one pipeline live; any thread may use it.

    Attributes:
        place: The directory or the address, for people.
        local: Whether it lives and dies with the state directory.
    """

    place: str
    local: ClassVar[bool] = False

    def lock(self) -> None:
        """Keep others out until `close`, or until this process ends, as far as the store can.

        This is a courtesy, which tells whoever starts a pipeline twice what is going on: safety never rests on it.
        Object stores have none.

        Raises:
            StateError: If another process is using the store; it says which.
        """

    @abstractmethod
    def write_segment(self, name: str, parts: Iterable[bytes | memoryview]) -> None:
        """Write a segment; it and its name are durable when this returns.

        Args:
            name: A name that no attempt has used: `<number>-<random>`, of letters, digits, `.`, `_` and `-`.
                The number is that of the first manifest that may name it.
            parts: The bytes, in order.

        Raises:
            StateError: If it cannot be made durable. The segment is lost then: it is removed if that is possible, and
                the next attempt needs another name.
        """

    @abstractmethod
    def read_segment(self, name: str, offset: int, length: int) -> bytes | memoryview:
        """The bytes of a part of a segment, not verified; see `penstock.checkpoint.block.read_block`.

        Raises:
            StateError: If there is no such segment, if it ends before that, or if it cannot be read.
        """

    def create_manifest(self, number: int, data: bytes) -> bool:
        """Create the manifest of a number, if there is none; it is durable when this returns True.

        Args:
            number: The number of the epoch, from 0.
            data: Its bytes, from `penstock.checkpoint.manifest.pack`.

        Returns:
            Whether this call created it; False if the number was taken: of several callers one gets True.

        Raises:
            StateError: If it is not known to be durable. It may exist all the same, whole, now or a little later: the
                caller must end, and find out as a new process.
        """
        if len(data) > MANIFEST_BYTES:
            raise StateError(f"the manifest of epoch {number} has {len(data)} bytes, more than {MANIFEST_BYTES}")
        return self._create("manifest", _manifest_key(number), data)

    def manifests(self) -> list[int]:
        """The numbers of all manifests, ascending, listed anew each time.

        Raises:
            StateError: If they cannot be listed.
        """
        return sorted(int(found[1]) for name in self._list("") if (found := _MANIFEST.fullmatch(name)))

    def read_manifest(self, number: int) -> bytes:
        """The bytes of a manifest, not verified; see `penstock.checkpoint.manifest.unpack`.

        Raises:
            StateError: If there is none, or it cannot be read.
        """
        return self._read(f"manifest {number}", _manifest_key(number))

    def remove_manifest(self, number: int) -> None:
        """Remove a manifest if it is there; it stays away when this returns.

        Raises:
            StateError: If it cannot be removed.
        """
        self._remove("manifest", _manifest_key(number))

    def segments(self) -> list[str]:
        """The names of all segments, also of those that are not whole, in order.

        Raises:
            StateError: If they cannot be listed.
        """
        return sorted(name for name in self._list(SEGMENTS) if _SEGMENT.fullmatch(name))

    def remove_segment(self, name: str) -> None:
        """Remove a segment if it is there; it may come back if the power fails.

        Raises:
            StateError: If it cannot be removed.
        """
        self._remove("segment", segment_key(name))

    def create_savepoint(self, name: str, number: int) -> None:
        """Keep what a manifest names under a name of its own, until the savepoint is removed.

        To do it again with the same manifest changes nothing.

        Args:
            name: Letters, digits, `.`, `_` and `-`; 100 of them at most.
            number: The number of the manifest, which must say it under the key `number`.

        Raises:
            PlanError: If the name cannot be one.
            StateError: If there is another savepoint of this name, if the manifest is gone or does not verify,
                or if the savepoint cannot be made durable.
        """
        key, data = _savepoint_key(name), self.read_manifest(number)
        if _number(data) != number:
            raise StateError(f'manifest {number} in "{self.place}" does not say that this is its number')
        created = self._create("savepoint", key, data)
        if not created and self._read(f'savepoint "{name}"', key) != data:
            raise StateError(
                f'there is another savepoint "{name}" in "{self.place}"', hint="choose another name, or remove it first"
            )
        if number not in self.manifests():
            # Collected meanwhile, and its segments perhaps with it: a collector looks for savepoints after it has
            # removed manifests, so it knows of all that were made from one that is still there.
            if created:
                self._remove("savepoint", key)
            raise StateError(f'manifest {number} in "{self.place}" was removed while the savepoint "{name}" was made')

    def savepoints(self) -> dict[str, int]:
        """The savepoints by name, with the numbers of their epochs; -1 for one that cannot be read.

        Raises:
            StateError: If they cannot be listed.
        """
        names = [file.removesuffix(".json") for file in self._list(SAVEPOINTS) if file.endswith(".json")]
        return {name: self._number_of_savepoint(name) for name in sorted(names) if _SAVEPOINT.fullmatch(name)}

    def _number_of_savepoint(self, name: str) -> int:
        try:
            return _number(self.read_savepoint(name))
        except StateError:
            return UNREADABLE

    def read_savepoint(self, name: str) -> bytes:
        """The bytes of the manifest that a savepoint keeps, not verified.

        Raises:
            PlanError: If the name cannot be one.
            StateError: If there is none, or it cannot be read.
        """
        return self._read(f'savepoint "{name}"', _savepoint_key(name))

    def remove_savepoint(self, name: str) -> None:
        """Remove a savepoint if it is there; what only it named is collected later.

        Raises:
            PlanError: If the name cannot be one.
            StateError: If it cannot be removed.
        """
        self._remove("savepoint", _savepoint_key(name))

    def close(self) -> None:
        """Let go of the store, and of its lock."""

    # What follows is what a store must do; a key is a path below the folder of checkpoints, a kind one of "manifest"
    # and "savepoint" (and "segment", to remove). All raise StateError.

    @abstractmethod
    def _create(self, kind: str, key: str, data: bytes) -> bool:
        """Create a file durably if there is none; whether this call did it."""

    @abstractmethod
    def _read(self, what: str, key: str) -> bytes:
        """All bytes of a file, `MANIFEST_BYTES` at most; `what` it is, for messages."""

    @abstractmethod
    def _list(self, folder: str) -> list[str]:
        """The names of the files in a folder."""

    @abstractmethod
    def _remove(self, kind: str, key: str) -> None:
        """Remove a file if it is there; durably, unless it is a segment."""


def open_store(place: str | Path, options: Mapping[str, Any] | None = None, *, clock: Clock | None = None) -> Store:
    """Open the store of one pipeline, made if it is missing.

    It is tried out: what cannot keep checkpoints safely is refused now.

    Args:
        place: A directory, or `s3://bucket/prefix`.
        options: For S3: settings of the connection by their names in obstore (`endpoint`, `region`, `access_key_id`,
            `allow_http`, ...), which come before those of the environment (`AWS_...`). A directory has none.
        clock: Where time comes from; by default the computer's clock.

    Raises:
        PlanError: If this is no place for checkpoints.
        StartError: If the place cannot be used, or does not keep what checkpoints need; it says what is missing.
    """
    clock, text = clock or SystemClock(), str(place)
    scheme, separator, _ = text.partition("://")
    if isinstance(place, Path) or not separator:
        from penstock.checkpoint.local import LocalStore

        if not text:
            raise PlanError("the place of checkpoints is empty", hint=_PLACES)
        if options:
            raise PlanError(f"a directory of checkpoints takes no options, found {', '.join(sorted(options))}")
        return LocalStore(Path(place), clock)
    if scheme != "s3":
        raise PlanError(f'checkpoints cannot live in "{scheme}://..."', hint=_PLACES)
    from penstock.checkpoint.objects import ObjectStore

    parts = urlsplit(text)
    # The address is not shown: somebody may have put a password into it.
    if (
        not _BUCKET.fullmatch(parts.netloc)
        or parts.query
        or parts.fragment
        or not _PREFIX.fullmatch(parts.path.rstrip("/"))
    ):
        raise PlanError("the place of checkpoints is no bucket with a plain prefix", hint=_PLACES)
    return ObjectStore(parts.netloc, parts.path.strip("/"), options or {}, clock)


_PLACES = "give a directory, or s3://bucket/prefix; keys and endpoints come from options or AWS_... in the environment"


def _number(data: bytes) -> int:
    """The number that a manifest says it has."""
    number = unpack(data).get("number")
    if type(number) is not int or number < 0:
        raise StateError("a manifest does not say its number")
    return number


def _manifest_key(number: int) -> str:
    if not 0 <= number < 10**18:
        raise StateError(f"{number} cannot be the number of an epoch")
    return f"manifest-{number:012d}.json"


def segment_key(name: str) -> str:
    """Where a segment is, below the folder of checkpoints.

    Raises:
        StateError: If the name cannot be one.
    """
    # Names come from manifests too, which somebody may have written by hand.
    if not _SEGMENT.fullmatch(name):
        raise StateError(f"{name[:80]!r} cannot be the name of a segment")
    return f"{SEGMENTS}/{name}"


def _savepoint_key(name: str) -> str:
    if not _SAVEPOINT.fullmatch(name):
        raise PlanError(
            f"{name[:80]!r} cannot be the name of a savepoint",
            hint="letters, digits, '.', '_' and '-', 100 at most, with a letter or digit first",
        )
    return f"{SAVEPOINTS}/{name}.json"
