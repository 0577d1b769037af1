"""Old segments go: by their bytes, by their age, and what was truncated."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import NamedTuple

from penstock.core import files
from penstock.core.failpoint import hit
from penstock.log.groups import Groups
from penstock.log.segment import Segment, numbers_of, path_of
from penstock.log.store import Store

KEEP, DROP = "keep", "drop"


class Part(NamedTuple):
    """A segment that is not written any more.

    Attributes:
        number: Its number.
        size: Its bytes.
        until: When the next one began: nothing in it is younger.
        next: The offsets behind it.
    """

    number: int
    size: int
    until: int
    next: list[int]


@contextlib.contextmanager
def opened(store: Store) -> Iterator[list[Segment]]:
    """All segments up to the one that is written, in order."""
    found: list[Segment] = []
    try:
        for number in numbers_of(store.folder):
            if number <= store.head.segment:
                found.append(Segment(store.folder, number, store.settings.log))
        yield found
    finally:
        for segment in found:
            segment.close()


def remove_old(
    store: Store, groups: Groups, now: int, *, retain_bytes: int | None, retain_us: int | None, unread: str
) -> int:
    """Remove segments that need not be kept, from the oldest on; only within `exclusive`.

    What the span of deduplication needs stays. What a group has not read stays, unless `unread` is `"drop"`; what was
    truncated goes in any case.

    Returns:
        How many segments were removed.
    """
    with opened(store) as segments:
        parts = [
            Part(one.number, one.size(), following.first.time, following.state["next"])
            for one, following in itertools.pairwise(segments)
        ]
        total = sum(one.size() for one in segments)
    positions = [groups.read(name) for name in groups.names()] if unread == KEEP else []
    removed = 0
    for part in parts:
        truncated = all(start >= end for start, end in zip(store.state.start, part.next, strict=True))
        large = retain_bytes is not None and total > retain_bytes
        old = retain_us is not None and part.until + retain_us <= now
        needed = part.until + store.settings.deduplicate_us > now if store.settings.deduplicate_us else False
        waiting = any(read.get(number, 0) < end for read in positions for number, end in enumerate(part.next))
        if needed or not (truncated or ((large or old) and not waiting)):
            break
        hit("log.before_remove")
        files.remove(path_of(store.folder, part.number))
        hit("log.removed")
        total -= part.size
        removed += 1
    if removed:
        files.sync_directory(store.folder)
    return removed
