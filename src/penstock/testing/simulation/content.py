"""Files and directories of the shadow file system: what is seen, what is on the disk, what a loss of power leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

PAGE = 256
"""Bytes that reach the disk together; small, so that small files can be torn too."""


@dataclass(eq=False)
class File:
    """A file.

    Attributes:
        number: Its number.
        modified: When it was last written, in nanoseconds.
        data: What readers see: the page cache.
        disk: What is on the disk.
        dirty: Pages that were written and are not on the disk.
        lost: Pages that could not be written when they were synced: the system takes them for clean.
        locked_by: The opening that has locked it.
    """

    number: int
    modified: int
    data: bytearray = field(default_factory=bytearray)
    disk: bytearray = field(default_factory=bytearray)
    dirty: set[int] = field(default_factory=set)
    lost: set[int] = field(default_factory=set)
    locked_by: Any = None

    def write(self, position: int, data: bytes) -> None:
        """Write to the page cache."""
        end = position + len(data)
        if len(self.data) < position:
            self.data.extend(bytes(position - len(self.data)))
        self.data[position:end] = data
        if data:
            self._touch(position, end)

    def truncate(self, size: int) -> None:
        """Cut it short in the page cache."""
        self._touch(size, max(size + 1, len(self.data)))
        del self.data[size:]

    def _touch(self, begin: int, end: int) -> None:
        pages = range(begin // PAGE, (end - 1) // PAGE + 1)
        self.dirty.update(pages)
        self.lost.difference_update(pages)

    def sync(self) -> None:
        """Bring all dirty pages to the disk."""
        for page in self.dirty:
            self._store(page)
        self._cut()
        self.dirty.clear()

    def fail_to_sync(self, random: Random) -> None:
        """Bring some pages to the disk; the others are forgotten, and a later sync succeeds without them."""
        for page in sorted(self.dirty):
            if random.random() < 0.5:
                self._store(page)
            else:
                self.lost.add(page)
        self.dirty.clear()

    def _store(self, page: int) -> None:
        begin = page * PAGE
        part = self.data[begin : begin + PAGE]
        if len(self.disk) < begin + len(part):
            self.disk.extend(bytes(begin + len(part) - len(self.disk)))
        self.disk[begin : begin + len(part)] = part

    def _cut(self) -> None:
        del self.disk[len(self.data) :]

    def evict(self, random: Random) -> None:
        """Read some lost pages from the disk again: what was written to them is gone."""
        for page in sorted(self.lost):
            if random.random() < 0.5:
                begin = page * PAGE
                length = len(self.data[begin : begin + PAGE])
                self.data[begin : begin + length] = self.disk[begin : begin + length].ljust(length, b"\0")
                self.lost.discard(page)

    @property
    def durable(self) -> bool:
        """Whether all that readers see survives a loss of power."""
        return not self.dirty and not self.lost and self.data == self.disk

    def lose_power(self, random: Random) -> None:
        """Become what a loss of power leaves: dirty pages are there, or not, or in part."""
        dirty = sorted(self.dirty | self.lost)
        way = random.choice(["none", "all", "torn", "any"])
        if dirty and way == "all":
            self.lost.clear()
            self.dirty.update(dirty)
            self.sync()
        elif dirty and way == "torn":
            end = random.randrange(dirty[0] * PAGE, max(len(self.data), dirty[0] * PAGE + 1) + 1)
            for page in dirty:
                if page * PAGE < end:
                    self._store(page)
            del self.disk[max(end, dirty[0] * PAGE) :]
        elif dirty and way == "any":
            for page in dirty:
                if random.random() < 0.5:
                    self._store(page)
            if random.random() < 0.5:
                # The length was stored, and pages before it were not.
                self.disk.extend(bytes(max(0, len(self.data) - len(self.disk))))
        self.data = bytearray(self.disk)
        self.dirty, self.lost, self.locked_by = set(), set(), None


@dataclass
class Change:
    """A change of names that is not durable yet.

    Attributes:
        name: The name.
        node: What has it now; None = it was taken away.
        old: The name that goes with it, all at once: of a file that was renamed.
    """

    name: str
    node: File | Directory | None
    old: str | None = None

    def apply(self, entries: dict[str, File | Directory]) -> None:
        """Make the change."""
        if self.node is None:
            entries.pop(self.name, None)
            return
        if self.old is not None:
            entries.pop(self.old, None)
        entries[self.name] = self.node


@dataclass(eq=False)
class Directory:
    """A directory.

    Attributes:
        number: Its number.
        modified: When it was made.
        entries: The names that are seen.
        stored: The names that are on the disk.
        pending: Changes that are not. A sync that fails leaves them so: file systems keep a journal of names.
    """

    number: int
    modified: int
    entries: dict[str, File | Directory] = field(default_factory=dict)
    stored: dict[str, File | Directory] = field(default_factory=dict)
    pending: list[Change] = field(default_factory=list)

    def change(self, name: str, node: File | Directory | None, old: str | None = None) -> None:
        """Change names, for those who look; not on the disk yet."""
        made = Change(name, node, old)
        made.apply(self.entries)
        self.pending.append(made)

    def sync(self) -> None:
        """Bring all changes to the disk."""
        for one in self.pending:
            one.apply(self.stored)
        self.pending = []

    def lose_power(self, random: Random) -> None:
        """Become what a loss of power leaves: of what is not durable any part, or the first part."""
        way = random.choice(["none", "all", "first", "any"])
        first = random.randrange(len(self.pending) + 1)
        for number, one in enumerate(self.pending):
            if way == "all" or (way == "first" and number < first) or (way == "any" and random.random() < 0.5):
                one.apply(self.stored)
        self.entries, self.pending = dict(self.stored), []
        for _, node in sorted(self.entries.items()):
            node.lose_power(random)


class ShadowStatus(NamedTuple):
    """What a file is."""

    st_ino: int
    st_size: int
    st_mtime_ns: int


class ShadowEntry(NamedTuple):
    """An entry of a directory."""

    name: str
    path: str
    node: File | Directory

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a directory."""
        return isinstance(self.node, Directory)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Whether it is a file."""
        return isinstance(self.node, File)

    def stat(self, *, follow_symlinks: bool = True) -> ShadowStatus:
        """Its status."""
        return status_of(self.node)


def status_of(node: File | Directory) -> ShadowStatus:
    """What a file or directory is."""
    return ShadowStatus(node.number, len(node.data) if isinstance(node, File) else 0, node.modified)
