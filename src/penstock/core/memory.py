"""Memory that grows without being copied, and memory that can leave: the seam under all keyed state.

A `Buffer` is an array that gets longer at its end. A large one has address space reserved behind it (which costs
nothing until it is touched), so that to lengthen it moves nothing, whatever it holds. With a memory budget
(`Scratch`) large buffers lie on files of their own that have no name any more, so that what is not in use can be given
back; nothing of them is left when the process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.core.errors import ScratchError, StartError
from penstock.core.freed import MOST_KEPT, give_back_freed, keep_freed
from penstock.core.lazy import np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

SMALL = 1 << 20
"""With a budget, buffers up to so many bytes are ordinary arrays."""

COPIED = 8 << 20
"""Without one, up to so many: to grow one copies no more than that, and is faster (measured) than to lengthen it."""

MOST_MORE = 64 << 20
"""By how many bytes a large buffer is lengthened at most; a quarter of itself before that."""

RESERVED = 128 << 30
"""How much address space a large buffer reserves: a thousand of them fit into what a process has."""

AT_ONCE = 16 << 20
"""How many bytes are copied, written or read as one, if no budget says less."""

PIECE = 4 << 20
"""How many bytes are given back at once."""

KEPT_SHARE = 32
"""Within a budget, the share of it that freed memory may take."""

_NORESERVE = 0x4000  # MAP_NORESERVE of Linux; `mmap` names it from Python 3.13 on
_LINUX = sys.platform == "linux"


class Region(mmap.mmap):
    """A stretch of address space of which the first `length` bytes can be used; they are zero at first."""

    length = 0
    _file: int | None = None

    @classmethod
    def reserve(cls, needed: int, scratch: Scratch | None) -> Region:
        """Find one for so many bytes, and many more.

        Args:
            needed: How many bytes must fit.
            scratch: Whose file it lies on; None for memory.

        Raises:
            OSError: If there is no such stretch.
        """
        refused: OSError | None = None
        for size in (max(RESERVED, 4 * needed), 4 * needed):
            try:
                return cls._reserve(_whole(size), scratch)
            except OSError as failure:
                refused = failure
        assert refused is not None
        raise refused

    @classmethod
    def _reserve(cls, size: int, scratch: Scratch | None) -> Region:
        if scratch is None:
            made = cls(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE)
            with contextlib.suppress(OSError):  # a kernel without huge pages
                made.madvise(mmap.MADV_HUGEPAGE)
            return made
        file = scratch.file()
        try:
            os.ftruncate(file, size)
            made = cls(file, size, flags=mmap.MAP_SHARED)
        except BaseException:
            os.close(file)
            raise
        weakref.finalize(made, os.close, file)
        made.madvise(mmap.MADV_RANDOM)
        made._file = file
        return made

    def lengthen(self, length: int) -> None:
        """Let more bytes be used; they are zero.

        Raises:
            ScratchError: If the disk has no room for them.
        """
        length = min(len(self), _whole(length))
        if self._file is not None and length > self.length:
            try:
                # Now, and not when it is written to: that would end the process by a signal.
                os.posix_fallocate(self._file, self.length, length - self.length)
            except OSError as failure:
                raise ScratchError(
                    f"state needs {length - self.length} bytes more of scratch space: {failure.strerror}",
                    hint="free some disk space, bound the state by .state(ttl=...), or give it more memory",
                ) from failure
        self.length = max(self.length, length)

    def give_back(self, start: int, length: int) -> None:
        """Take a part out of memory; it stays on its file, and comes back when it is touched."""
        self.madvise(mmap.MADV_DONTNEED, start, length)


class Memory:
    """Where buffers come from: ordinary memory.

    Attributes:
        at_once: How many bytes should be copied, written or read as one.
        small: Up to how many bytes a buffer is an ordinary array.
    """

    at_once = AT_ONCE
    small = COPIED

    def region(self, needed: int) -> Region | None:
        """Address space for a large buffer of so many bytes; None if there is none to be had."""
        if not _LINUX:
            return None
        try:
            return Region.reserve(needed, None)
        except OSError:
            return None

    def relieve(self) -> None:
        """Give memory back, if more is used than should be."""


class Scratch(Memory):
    """Memory within a budget: large buffers lie on files.

    Args:
        folder: Where files are made, which have no name; None = where the system has its temporary files.
        budget: How many bytes the whole process should have in memory.

    Raises:
        StartError: If this system cannot do it, or the budget is less than what the process takes already.
    """

    def __init__(self, folder: Path | None, budget: int) -> None:
        if not _LINUX:
            raise StartError("a memory budget needs Linux", hint="run without memory=")
        keep_freed(min(MOST_KEPT, budget // KEPT_SHARE))
        give_back_freed()
        found = resident()
        if budget < found + LEAST_BUDGET:
            raise StartError(
                f"a memory budget of {budget >> 20} MiB is too small: the process itself has {found >> 20} MiB",
                hint=f"at least {(found + LEAST_BUDGET) >> 20} MiB",
            )
        import tempfile

        from penstock.core.threads import lock

        self.folder, self.budget = folder or Path(tempfile.gettempdir()), budget
        self.small = SMALL
        self.at_once = max(SMALL, min(AT_ONCE, budget // 64))
        self._regions: list[weakref.ref[Region]] = []
        self._hand = (0, 0)
        self._arena: Region | None = None
        self._taken = 0
        self._lock = lock()

    def passing(self, size: int) -> tuple[Region, int]:
        """Room for bytes that are needed for a while: a region, and from where on; the last of its users frees it.

        Raises:
            ScratchError: If there is none.
        """
        size = _whole(size)
        with self._lock:
            if self._arena is None or self._taken + size > ARENA:
                self._arena, self._taken = self.region(size), 0
            arena, start = self._arena, self._taken
            assert arena is not None
            arena.lengthen(start + size)
            self._taken += size
            return arena, start

    def file(self) -> int:
        """A new file without a name, as a descriptor."""
        import tempfile

        with tempfile.TemporaryFile(dir=self.folder, prefix="scratch-") as file:
            return os.dup(file.fileno())

    def region(self, needed: int) -> Region | None:
        """See `Memory.region`.

        Raises:
            ScratchError: If no file can be made.
        """
        try:
            made = Region.reserve(needed, self)
        except OSError as failure:
            raise ScratchError(f"no scratch file in {self.folder}: {failure.strerror}") from failure
        self._regions.append(weakref.ref(made))
        return made

    def relieve(self) -> None:
        """Give back down to five eighths of the budget, if the process has passed three quarters of it."""
        if resident() > self.budget // 4 * 3:
            give_back_freed()
            self.release(self.budget // 8 * 5)

    def release(self, target: int) -> None:
        """Give back parts of all buffers in turn until the process has `target` bytes, or all was given back.

        What is in use comes back by itself, from the memory that the system has to spare, or from the disk: the system
        knows what was in use, and keeps that longest.
        """
        regions = [region for one in self._regions if (region := one()) is not None]
        self._regions = [weakref.ref(region) for region in regions]
        left = sum(region.length for region in regions)
        number, place = self._hand
        since = 0
        while left > 0 and regions:
            region = regions[number % len(regions)]
            length = min(PIECE, region.length - place)
            if length > 0:
                region.give_back(place, length)
                left, since, place = left - length, since + length, place + length
            if place >= region.length:
                number, place = number % len(regions) + 1, 0
            if since >= LOOK_EVERY:
                since = 0
                if resident() <= target:
                    break
        self._hand = number, place


LEAST_BUDGET = 64 << 20
"""What a budget must leave besides what the process has at its start."""

ARENA = 256 << 20
"""How many bytes of passing use share a region."""

LOOK_EVERY = 32 << 20
"""After how many bytes given back to look how much is left."""

PLAIN = Memory()

_entered: list[Memory] = []


def current() -> Memory:
    """Where large buffers come from now: the scratch space of the run with a budget that was started last."""
    return _entered[-1] if _entered else PLAIN


def enter(memory: Memory) -> None:
    """Let large buffers come from somewhere, until `leave`. It is for the whole process: memory is the process's."""
    _entered.append(memory)


def leave(memory: Memory) -> None:
    """See `enter`; buffers that were made stay where they are."""
    if memory in _entered:
        _entered.remove(memory)


@contextlib.contextmanager
def using(memory: Memory) -> Iterator[Memory]:
    """`enter` and `leave`."""
    enter(memory)
    try:
        yield memory
    finally:
        leave(memory)


def resident() -> int:
    """How many bytes of this process are in memory; 0 where the system does not say."""
    try:
        with Path("/proc/self/statm").open("rb") as file:
            return int(file.read().split()[1]) * mmap.PAGESIZE
    except OSError:
        return 0


class Buffer:
    """A growable array: rows of one shape and type, new ones at the end.

    Args:
        length: How many rows it has at first.
        dtype: Their type.
        row: The shape of a row; () for numbers.

    Attributes:
        array: The rows. **Replaced when it grows**; the rows of a new buffer, and those that growing adds, are zero.
        copied: How many bytes growing has copied in all.
    """

    def __init__(self, length: int, dtype: DTypeLike, row: tuple[int, ...] = ()) -> None:
        self._dtype, self._row = np.dtype(dtype), row
        self._row_bytes = self._dtype.itemsize * int(np.prod(row, dtype=np.int64))
        self._region: Region | None = None
        self.array: NDArray[Any] = np.zeros((0, *row), self._dtype)
        self.copied = 0
        self.lengthen(length)

    def grow(self, least: int = 0) -> NDArray[Any]:
        """Make it longer, as much as is good, and `least` rows at least; the array."""
        size = max(1, len(self.array) * self._row_bytes)
        more = size if self._region is None else min(MOST_MORE, max(SMALL, size // 4))
        return self.lengthen(max(least, (size + more) // self._row_bytes, len(self.array) + 1))

    def lengthen(self, length: int) -> NDArray[Any]:
        """Make it so long, if it is shorter; the array.

        Raises:
            ScratchError: If the disk has no room for it.
        """
        if length <= len(self.array):
            return self.array
        needed = length * self._row_bytes
        region = self._region
        if region is None and needed <= current().small:
            self._take(np.zeros((length, *self._row), self._dtype))
        elif region is not None and needed <= len(region):
            region.lengthen(needed)
            self.array = self._view(region, length)
        else:
            region = current().region(needed)
            if region is None:
                self._take(np.zeros((max(length, 2 * len(self.array)), *self._row), self._dtype))
            else:
                region.lengthen(needed)
                self._take(self._view(region, length))
            self._region = region
        return self.array

    def _view(self, region: Region, length: int) -> NDArray[Any]:
        count = length * (self._row_bytes // self._dtype.itemsize)
        return np.frombuffer(region, self._dtype, count).reshape(length, *self._row)

    def _take(self, array: NDArray[Any]) -> None:
        array[: len(self.array)] = self.array
        self.copied += self.array.nbytes
        self.array = array

    @property
    def nbytes(self) -> int:
        """How many bytes it takes, in memory or on its file."""
        return self.array.nbytes if self._region is None else self._region.length


def array(length: int, dtype: DTypeLike, row: tuple[int, ...] = ()) -> NDArray[Any]:
    """A large array for passing use, which can leave memory as buffers can; a small one is an ordinary array."""
    kind, shape, memory = np.dtype(dtype), (length, *row), current()
    count = int(np.prod(shape, dtype=np.int64))
    if not isinstance(memory, Scratch) or count * kind.itemsize <= SMALL:
        return np.empty(shape, kind)
    arena, start = memory.passing(count * kind.itemsize)
    return np.frombuffer(arena, kind, count, start).reshape(shape)


def _whole(size: int) -> int:
    """A size in whole pages."""
    return -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
