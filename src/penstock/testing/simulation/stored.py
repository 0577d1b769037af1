"""What a simulated run has stored: looked at from outside, damaged, and searched for what nobody needs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from penstock.checkpoint.ledger import CLOSED, segments_of
from penstock.checkpoint.manifest import unpack
from penstock.connectors._file_log import FOLDER
from penstock.connectors.base import Token
from penstock.core.errors import StateError
from penstock.testing.simulation.scenario import OUTPUT, STATE
from penstock.testing.simulation.shadow import Shadow

CHECKPOINTS = STATE / "checkpoints"


def manifests(shadow: Shadow) -> dict[int, bytes]:
    """The manifests by number."""
    return {
        int(path.stem.partition("-")[2]): bytes(file.data)
        for path, file in shadow.walk(CHECKPOINTS)
        if path.parent == CHECKPOINTS and path.name.startswith("manifest-") and path.suffix == ".json"
    }


def is_durable(shadow: Shadow, epoch: int) -> bool:
    """Whether the manifest of an epoch survives any loss of power."""
    return shadow.durable(CHECKPOINTS / f"manifest-{epoch:012d}.json") is not None


def is_over(shadow: Shadow) -> bool:
    """Whether the pipeline has come to its end: who runs it again runs it a second time."""
    found = manifests(shadow)
    try:
        return bool(found) and bool(unpack(found[max(found)])["kind"] == CLOSED)
    except StateError:
        return False


def damage(shadow: Shadow) -> int | None:
    """Change a bit of the newest manifest or segment, or cut it short.

    Returns:
        The newest checkpoint that is still whole, -1 if there is none; None if there was nothing to damage.
    """
    random = shadow.world.random
    folder: Path = random.choice([CHECKPOINTS, CHECKPOINTS / "segments"])
    found = [
        (path, file)
        for path, file in shadow.walk(folder)
        if path.parent == folder and not path.name.endswith(".staged") and path.name != "lock" and file.data
    ]
    if not found:
        return None
    path, file = max(found, key=lambda one: one[0])
    shadow.world.note(f"damage {path.name}")
    place = random.randrange(len(file.data))
    if random.random() < 0.5:
        file.data[place] ^= 1 << random.randrange(8)
    else:
        del file.data[place:]
    file.disk[:] = file.data
    usable = -1
    for number, data in sorted(manifests(shadow).items()):
        try:
            usable = number if path.name not in segments_of(unpack(data)) else usable
        except StateError as damaged:
            shadow.world.note(f"manifest {number}: {damaged.message}")
    return usable


def leftovers(shadow: Shadow) -> Iterator[Path]:
    """Files that no manifest names; none while a manifest cannot be read, as it may name anything."""
    named: set[str] = set()
    for data in manifests(shadow).values():
        try:
            named |= segments_of(unpack(data))
        except StateError:
            return
    for path, _ in shadow.walk(CHECKPOINTS):
        if (path.parent.name == "segments" and path.name not in named) or path.name.endswith(".staged"):
            yield path


def file_tokens(shadow: Shadow) -> Iterator[int]:
    """The epochs that the manifests of all file outputs say were published, the tables of refused rows included."""
    for path, file in shadow.walk(OUTPUT.parent):
        if path.parent.name == FOLDER and path.suffix == ".json":
            token = json.loads(bytes(file.data)).get("token")
            if token is not None:
                yield Token._make(token).epoch
