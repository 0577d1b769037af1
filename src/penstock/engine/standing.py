"""What can be known of a pipeline from its state directory, whether it runs or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.checkpoint.ledger import CLOSED, FINAL, Ledger
from penstock.checkpoint.manifest import unpack
from penstock.checkpoint.store import FOLDER, Store, open_store
from penstock.control.client import Client, NotRunning
from penstock.core import files
from penstock.core.errors import PenstockError, StartError, StateError
from penstock.engine.assembly import ELSEWHERE, place_of
from penstock.engine.commands import contents
from penstock.engine.compile import compile_plan, sources_of
from penstock.engine.epochs import restore
from penstock.engine.recovery import stored_manifest
from penstock.engine.step import Engine
from penstock.engine.waiting import waiting
from penstock.plan.pipeline import Pipeline

RUNNING, FINISHED, INTERRUPTED = "running", "finished", "interrupted"
EMPTY, DAMAGED, UNKNOWN = "empty", "damaged", "unknown"


@dataclass(frozen=True)
class Standing:
    """How a pipeline stands.

    Attributes:
        folder: Its state directory.
        pipeline: Its name, if anything is stored.
        state: `running`, `finished`, `interrupted` (the next run goes on), `empty`, `damaged` (its newest
            epoch cannot be read), or `unknown: why`.
        checkpoint: The number of its newest epoch, or None.
        at: When that was made, in microseconds since 1970-01-01 UTC, or None.
        pid: The process that runs it, or None.
    """

    folder: Path
    pipeline: str | None
    state: str
    checkpoint: int | None = None
    at: int | None = None
    pid: int | None = None


def folder_of(job: str, root: Path = Path(".penstock")) -> Path:
    """The state directory of a job: the path itself, or that of a pipeline of this name.

    Raises:
        StartError: If there is none.
    """
    for candidate in (Path(job), root / job):
        if _is_state(candidate):
            return candidate
    known = ", ".join(path.name for path in _folders(root)) or "none"
    raise StartError(f'there is no job "{job}"', hint=f"jobs in {root}: {known}; or give its state directory")


def all_jobs(root: Path = Path(".penstock")) -> list[Standing]:
    """How all pipelines below a directory stand, by name."""
    return [_standing_or_why(folder) for folder in _folders(root)]


def _standing_or_why(folder: Path) -> Standing:
    try:
        return standing(folder)
    except PenstockError as failure:
        # One that cannot be looked at, such as a bucket that is away, must not hide the others.
        return Standing(folder, folder.name, f"{UNKNOWN}: {failure.message}")


def _folders(root: Path) -> list[Path]:
    if files.kind(root) != "directory":
        return []
    return sorted(Path(entry.path) for entry in files.entries(root) if _is_state(Path(entry.path)))


def _is_state(folder: Path) -> bool:
    return files.kind(folder / FOLDER) == "directory" or files.kind(folder / ELSEWHERE) == "file"


def standing(folder: Path) -> Standing:
    """How a pipeline stands.

    Raises:
        StateError: If its checkpoints cannot be listed.
    """
    pid = _running(folder)
    with opened(folder) as store:
        numbers = store.manifests()
        if not numbers:
            return Standing(folder, None, RUNNING if pid is not None else EMPTY, pid=pid)
        try:
            newest = unpack(store.read_manifest(numbers[-1]))
        except StateError:
            return Standing(folder, None, RUNNING if pid is not None else DAMAGED, numbers[-1], pid=pid)
    state = RUNNING if pid is not None else FINISHED if newest["kind"] == CLOSED else INTERRUPTED
    return Standing(folder, newest["pipeline"], state, numbers[-1], newest.get("now"), pid)


def _running(folder: Path) -> int | None:
    try:
        with Client(folder) as client:
            return client.pid
    except NotRunning:
        return None


class opened:
    """The store of a state directory, wherever its checkpoints are, to look at; a run that goes on is not disturbed.

    Raises:
        StartError: If nothing is stored there.
    """

    def __init__(self, folder: Path | str) -> None:
        place = folder if isinstance(folder, str) else place_of(folder)
        if isinstance(place, Path) and files.kind(place / FOLDER) != "directory":
            raise StartError(f'nothing is stored in "{folder}"')
        self._store = open_store(place)

    def __enter__(self) -> Store:
        return self._store

    def __exit__(self, *_: object) -> None:
        self._store.close()


def checkpoints(folder: Path) -> list[dict[str, Any]]:
    """What is kept: epochs and savepoints, oldest first, each with its size and what it is of."""
    found = []
    with opened(folder) as store:
        for number in store.manifests():
            found.append(_described(str(number), store.read_manifest(number)))
        for name in store.savepoints():
            found.append(_described(name, store.read_savepoint(name)) | {"savepoint": True})
    return found


def _described(name: str, data: bytes) -> dict[str, Any]:
    try:
        manifest = unpack(data)
    except StateError as wrong:
        return {"name": name, "damage": wrong.message}
    pieces = [
        piece for state in manifest.get("states", {}).values() for table in state["tables"].values() for piece in table
    ]
    return {
        "name": name,
        "epoch": manifest["number"],
        "kind": manifest["kind"],
        "run": manifest["incarnation"],
        "at": manifest.get("now"),
        "state_bytes": sum(piece["length"] for piece in pieces),
        "rows": {output: stored["token"][4] for output, stored in manifest["outputs"].items()},
        "resumable": manifest["engine"] is not None and manifest["kind"] != FINAL,
    }


def stored_state(folder: Path, pipeline: Pipeline, name: str | None, operator: str | None, limit: int) -> Any:
    """The state of an operator as a checkpoint has it; see `commands.contents`.

    Args:
        folder: The state directory.
        pipeline: The plan as it ran: optimised.
        name: An epoch or savepoint; None = the newest that has state.
        operator: The operator; None = which operators have state.
        limit: How many rows at most.

    Raises:
        StartError: If there is no such checkpoint.
        StateError: If it is damaged.
    """
    return _of_stored(folder, pipeline, name, lambda engine: contents(engine, operator, limit))


def stored_waiting(folder: Path, pipeline: Pipeline) -> Any:
    """What held the output back when the newest checkpoint was made; see `waiting.waiting`.

    Raises:
        StartError: If there is no such checkpoint.
        StateError: If it is damaged.
    """
    return _of_stored(folder, pipeline, None, waiting)


def _of_stored(folder: Path, pipeline: Pipeline, name: str | None, ask: Callable[[Engine], Any]) -> Any:
    with opened(folder) as store:
        ledger = Ledger(store, pipeline.name)
        manifest = stored_manifest(ledger, name)
        splits = [source["order"] for source in manifest["sources"]]
        if len(splits) != len(sources_of(pipeline)):
            raise StateError("the plan has other sources than the checkpoint")
        engine = Engine(compile_plan(pipeline, splits, shards=manifest["shards"]), None)
        restore(engine, manifest, ledger)
        return ask(engine)
