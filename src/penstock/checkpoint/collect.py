"""Removes manifests that are no longer kept, and segments that nothing names any more."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from penstock.checkpoint.manifest import unpack
from penstock.checkpoint.store import Store
from penstock.core.errors import StateError
from penstock.core.failpoint import hit

POINTS = ("checkpoint.collect.before_manifests", "checkpoint.collect.before_segments", "checkpoint.collect.done")
"""The failpoints of collecting; those of the store come between them."""

_NUMBER = re.compile(r"(\d{1,18})-.+")


def collect(
    store: Store,
    keep: int,
    named: Callable[[dict[str, Any]], set[str]],
    floor: int,
    *,
    report: Callable[[str], None] | None = None,
    cache: dict[int, set[str]] | None = None,
) -> None:
    """Remove what no recovery can need; may end anywhere, and be called again by anybody.

    These manifests are kept: the newest one; those from the `keep`-th newest on that verifies, which is to say that its
    digest is right and all segments that it names are there; those from `floor` on; those that cannot be read. Then
    segments are removed that no manifest and no savepoint names, and whose number is lower than that of the newest
    manifest: an attempt at a later epoch may be under way. What a manifest that cannot be read might name stays, and so
    does everything while a savepoint cannot be read.

    Args:
        store: Where from.
        keep: How many manifests that verify to keep, from 1.
        named: The names of the segments that the value of a manifest needs; raises StateError if it cannot tell.
        floor: The lowest epoch that may still have to be published.
        report: Told what is kept because it cannot be read, and which manifests lack segments.
        cache: What former calls have read, by the numbers of manifests: pass the same dict again, and each is read
            once. What is damaged later is not noticed then.

    Raises:
        StateError: If the store cannot be listed, or something cannot be removed; the rest stays then.
        ValueError: If `keep` is less than 1.
    """
    if keep < 1:
        raise ValueError(f"at least one manifest is kept, found keep={keep}")
    reading = _Reading(store, named, report or (lambda _: None), {} if cache is None else cache)
    hit("checkpoint.collect.before_manifests")
    _collect_manifests(reading, keep, floor)
    # Not before now: a savepoint of a manifest that is still there is seen from here on, see `Store.create_savepoint`.
    hit("checkpoint.collect.before_segments")
    _collect_segments(reading)
    hit("checkpoint.collect.done")


class _Reading:
    """What the manifests of a store name; None for those that cannot be read."""

    def __init__(
        self,
        store: Store,
        named: Callable[[dict[str, Any]], set[str]],
        report: Callable[[str], None],
        cache: dict[int, set[str]],
    ) -> None:
        self.store, self.report = store, report
        self._named, self._cache = named, cache
        self._reported: set[str] = set()

    def manifests(self) -> dict[int, set[str] | None]:
        """What each manifest names, by number, ascending; listed anew."""
        numbers = self.store.manifests()
        for gone in set(self._cache) - set(numbers):
            del self._cache[gone]
        return {number: self._manifest(number) for number in numbers}

    def _manifest(self, number: int) -> set[str] | None:
        if number not in self._cache:
            found = self._read(f"manifest {number}", lambda: self.store.read_manifest(number))
            if found is None:
                return None
            self._cache[number] = found
        return self._cache[number]

    def savepoints(self) -> list[set[str] | None]:
        """What each savepoint names."""
        return [
            self._read(f'savepoint "{name}"', lambda name=name: self.store.read_savepoint(name))  # type: ignore[misc]
            for name in self.store.savepoints()
        ]

    def _read(self, what: str, read: Callable[[], bytes]) -> set[str] | None:
        try:
            return set(self._named(unpack(read())))
        except StateError as failure:
            self.tell(f"{what} cannot be read, so nothing is removed that it may name: {failure.message}")
            return None

    def tell(self, text: str) -> None:
        """Report something, once."""
        if text not in self._reported:
            self._reported.add(text)
            self.report(text)


def _collect_manifests(reading: _Reading, keep: int, floor: int) -> None:
    """Remove manifests that are not kept, oldest first."""
    manifests = reading.manifests()
    present = set(reading.store.segments())  # listed later than the manifests: those that they name are in it
    whole = []
    for number, names in manifests.items():
        if names is None:
            continue
        if missing := sorted(names - present):
            reading.tell(f"manifest {number} names the segment {missing[0]}, which is missing")
        else:
            whole.append(number)
    if len(whole) < keep:
        return
    first, newest = whole[-keep], max(manifests)
    for number, names in manifests.items():
        if number < min(first, floor, newest) and names is not None:
            reading.store.remove_manifest(number)


def _collect_segments(reading: _Reading) -> None:
    """Remove segments that nothing names."""
    manifests, savepoints = reading.manifests(), reading.savepoints()
    if not manifests or None in savepoints:
        return
    unreadable = [number for number, names in manifests.items() if names is None]
    # A manifest names segments up to its own number.
    lowest, newest = max(unreadable, default=-1) + 1, max(manifests)
    needed = set().union(*(names for names in (*manifests.values(), *savepoints) if names is not None))
    for segment in reading.store.segments():
        number = _NUMBER.fullmatch(segment)
        if number and lowest <= int(number[1]) < newest and segment not in needed:
            reading.store.remove_segment(segment)
