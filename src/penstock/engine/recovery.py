"""How a run begins: with what an interrupted one has stored, or anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from penstock.checkpoint.ledger import CLOSED, Ledger
from penstock.core.errors import StartError, StateError

LATEST, NONE = "latest", "none"


@dataclass(frozen=True)
class Beginning:
    """What a run begins with.

    Attributes:
        base: The number of the newest epoch that is whole; -1 if there is none.
        manifest: The checkpoint to go on from; None = anew.
        ledger: What the newest whole manifest knows of the outputs.
        damage: What was found damaged on the way, for people.
    """

    base: int
    manifest: Mapping[str, Any] | None
    ledger: Mapping[str, Any]
    damage: tuple[str, ...] = ()


def beginning(ledger: Ledger, resume: str, usable: Callable[[Mapping[str, Any]], None]) -> Beginning:
    """Find what a run begins with.

    Args:
        ledger: What is stored.
        resume: `"latest"`, `"none"`, the number of an epoch or the name of a savepoint.
        usable: Restores a checkpoint; raises StateError if a part of it is damaged.

    Raises:
        StateError: If something is stored and none of it is whole: nothing is begun anew over it.
    """
    damage: list[str] = []
    for number, manifest, wrong in ledger.candidates():
        if manifest is None:
            damage.append(wrong)
            continue
        chosen = _chosen(ledger, manifest, resume)
        if chosen is not None:
            try:
                usable(chosen)
            except StateError as broken:
                if resume != LATEST or not broken.damaged:
                    raise
                damage.append(f"the checkpoint {number}: {broken.message}")
                continue
        return Beginning(number, chosen, manifest["ledger"], tuple(damage))
    if damage:
        raise StateError(
            f"no checkpoint in {ledger.store.place} is whole: {damage[0]}",
            hint="restore the state directory from a copy, or start anew with another one",
        )
    if resume not in (LATEST, NONE):
        chosen = _named(ledger, resume)
        usable(chosen)
        return Beginning(-1, chosen, {})
    return Beginning(-1, None, {})


def stored_manifest(ledger: Ledger, name: str | None) -> Mapping[str, Any]:
    """A checkpoint that a run could go on from: the newest, or the one of a name.

    Raises:
        StartError: If there is none.
        StateError: If it is damaged.
    """
    if name is not None:
        return _named(ledger, name)
    for _, manifest, _ in ledger.candidates():
        if manifest is not None and manifest["engine"] is not None:
            return manifest
    raise StartError(f"no checkpoint in {ledger.store.place} has state")


def _chosen(ledger: Ledger, newest: Mapping[str, Any], resume: str) -> Mapping[str, Any] | None:
    if resume == NONE:
        return None
    if resume == LATEST:
        return None if newest["kind"] == CLOSED else newest
    return _named(ledger, resume)


def _named(ledger: Ledger, resume: str) -> Mapping[str, Any]:
    if resume.isdigit() and int(resume) in ledger.store.manifests():
        found = ledger.read(int(resume))
    elif resume in ledger.store.savepoints():
        found = ledger.savepoint(resume)
    else:
        known = [*map(str, ledger.store.manifests()), *ledger.store.savepoints()]
        raise StartError(f'there is no checkpoint "{resume}"', hint=f"there are: {', '.join(known) or 'none'}")
    if found["engine"] is None:
        raise StartError(f"the epoch {resume} is the end of a run: there is nothing to go on from")
    return found
