"""Segment files: their names, their first frames, and how they are made."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from penstock.core import files, positioned
from penstock.core.failpoint import hit
from penstock.log.frame import END, START, DamagedError, Frame, Frames, encode

_NAME = re.compile(r"(\d{12,})\.segment")


def path_of(folder: Path, number: int) -> Path:
    """The file of a segment."""
    return folder / f"{number:012d}.segment"


def numbers_of(folder: Path) -> list[int]:
    """The numbers of the segments there are, ascending."""
    found = (_NAME.fullmatch(entry.name) for entry in files.entries(folder))
    return sorted(int(match[1]) for match in found if match)


class Segment:
    """An open segment file.

    Attributes:
        number: Its number.
        frames: Reads its frames.
        first: Its first frame.
        previous_end: Where the segment before it ends; what is behind that was never acknowledged.
        is_whole: Whether it was rewritten: it goes up to its last frame.
        is_open_for_update: Whether its file can be written.

    Raises:
        FileNotFoundError: If there is none of this number.
        DamagedError: If its first frame is damaged.
    """

    def __init__(self, folder: Path, number: int, log: bytes, *, update: bool = False) -> None:
        path = path_of(folder, number)
        self.number = number
        self.is_open_for_update = update
        self.file = positioned.open_update(path) if update else positioned.open_positioned(path)
        try:
            self.frames = Frames(self.file, path, log, number)
            self.first: Frame = self.frames.at(0, positioned.size(self.file))
            if self.first.kind != START:
                raise DamagedError(path, 0, "it does not begin as a segment does")
        except BaseException:
            self.file.close()
            raise
        self.previous_end: int = self.first.meta["previous_end"]
        self.is_whole: bool = self.first.meta["whole"]

    @property
    def path(self) -> Path:
        """Its file."""
        return self.frames.path

    @property
    def state(self) -> dict[str, Any]:
        """The state of the log at its beginning, as JSON."""
        state: dict[str, Any] = self.first.meta["state"]
        return state

    def size(self) -> int:
        """How many bytes its file has."""
        return positioned.size(self.file)

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class StagedSegment:
    """A segment that nobody sees yet.

    Args:
        folder: Where it will be.
        number: Its number.
        log: The identity of the log.
        prefix: What its staged name begins with.
        meta: What its first frame says.
        time: When it is made.
    """

    def __init__(self, folder: Path, number: int, log: bytes, prefix: str, meta: dict[str, Any], time: int) -> None:
        self._folder, self._number, self._log = folder, number, log
        self._file = files.StagedFile(folder, prefix)
        sequence = meta["state"]["sequence"]
        self._write(START, sequence, time, (), meta, ())

    def _write(self, kind: int, sequence: int, time: int, entries: Any, meta: Any, bodies: Any) -> None:
        place = (self._log, self._number, self._file.size)
        self._file.write(encode(*place, kind, sequence, time, entries, meta))
        for body in bodies:
            self._file.write(body)

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self._file.size

    def add(self, frame: Frame, entries: Any, bodies: Any) -> Frame:
        """Write a frame of another place here, with these batches; the frame as it is here."""
        position = self._file.size
        self._write(frame.kind, frame.sequence, frame.time, entries, frame.meta, bodies)
        length = sum(entry.length for entry in entries)
        return frame._replace(
            entries=tuple(entries), position=position, bodies=self._file.size - length, end=self._file.size
        )

    def end(self, sequence: int, time: int) -> None:
        """Write the last frame of a segment that is whole."""
        self._write(END, sequence, time, (), {}, ())

    def publish(self) -> None:
        """Make it durable and give it its name.

        Raises:
            FileExistsError: If there is a segment of this number.
        """
        self._file.seal()
        hit("log.segment_sealed")
        files.publish(self._file.path, path_of(self._folder, self._number))
        files.sync_directory(self._folder)
        hit("log.segment_published")

    def replace(self) -> None:
        """Make it durable and put it in the place of the segment of its number."""
        self._file.seal()
        hit("log.before_replace")
        files.rename(self._file.path, path_of(self._folder, self._number))
        files.sync_directory(self._folder)
        hit("log.replaced")

    def discard(self) -> None:
        """Remove it."""
        self._file.discard()


def remove_staged(folder: Path, prefix: str) -> None:
    """Remove what was staged and never published."""
    for entry in list(files.entries(folder)):
        if entry.name.startswith(prefix) and entry.name.endswith(".staged"):
            files.remove(Path(entry.path))
