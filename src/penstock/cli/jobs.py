"""`penstock jobs | status | stop | savepoint | checkpoints`: pipelines that run, or have run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penstock.cli import terminal, wording
from penstock.cli.tables import table
from penstock.control.client import Client, NotRunning
from penstock.core.clock import Clock, Signal, SystemClock
from penstock.core.errors import PlanError
from penstock.core.timespan import END, MILLISECOND, MINUTE, NEVER, instant_text
from penstock.engine.standing import DAMAGED, FINISHED, INTERRUPTED, Standing, all_jobs, folder_of, opened, standing
from penstock.engine.standing import checkpoints as stored
from penstock.operators.why import seconds

_STOPPING = 10 * MINUTE


def list_jobs(*, as_json: bool) -> None:
    """All pipelines with a state directory below `.penstock`."""
    found = all_jobs()
    if as_json:
        terminal.out(json.dumps([_described(one) for one in found], indent=2))
        return
    if not found:
        terminal.tell("no pipeline has run here: there is no state directory in .penstock")
        return
    rows = [(one.pipeline or one.folder.name, one.state, one.checkpoint, _when(one.at), one.folder) for one in found]
    for line in table(("job", "state", "epoch", "at", "state directory"), rows):
        terminal.out(line)


def _described(one: Standing) -> dict[str, Any]:
    return {
        "job": one.pipeline or one.folder.name,
        "state": one.state,
        "epoch": one.checkpoint,
        "at": _when(one.at),
        "pid": one.pid,
        "state_directory": str(one.folder),
    }


def _when(at: int | None) -> str | None:
    return instant_text(at) if at is not None else None


def show_status(job: str, *, as_json: bool) -> None:
    """How one pipeline stands.

    Raises:
        StartError: If there is no such job.
    """
    folder = folder_of(job)
    try:
        with Client(folder) as client:
            found = client.ask("status")
    except NotRunning:
        one = standing(folder)
        if as_json:
            terminal.out(json.dumps(_described(one), indent=2))
            return
        terminal.out(f"{one.pipeline or folder.name}: {_stands(one)}")
        return
    if as_json:
        known = NEVER + 1 < found["watermark"] < END
        found["watermark"] = instant_text(found["watermark"]) if known else None
        for split in found["splits"]:
            known = NEVER + 1 < split["watermark"] < END
            split["watermark"] = instant_text(split["watermark"]) if known else None
            split["ahead_us"] = split["ahead_us"] if split["rows"] else None
        terminal.out(json.dumps(found, indent=2))
        return
    for line in status_lines(found):
        terminal.out(line)


def _stands(one: Standing) -> str:
    if one.checkpoint is None:
        return f"{one.state}, nothing is stored"
    next_run = {
        INTERRUPTED: "; the next run goes on there",
        FINISHED: "; the next run starts anew",
        DAMAGED: ", which cannot be read; penstock checkpoints shows what can",
    }
    moment = f" at {_when(one.at)}" if one.at is not None else ""
    return f"{one.state}, epoch {one.checkpoint}{moment}{next_run.get(one.state, '')}"


def status_lines(found: dict[str, Any]) -> list[str]:
    """A running pipeline's status for people."""
    head = f"{found['pipeline']}: {found['state']} for {wording.span(found['elapsed_us'])}"
    lines = [
        head,
        f"  in         {wording.rows(found['rows_in'])}",
        *(f"  out        {line}" for line in found["outputs"]),
        f"  late       {wording.rows(found['late'])}",
        f"  errors     {wording.rows(found['errors'])}",
        f"  watermark  {wording.watermark(found['watermark'])}",
        f"  state      {wording.size(sum(node['state_bytes'] for node in found['nodes']))}",
    ]
    if found["checkpoint"] is not None:
        size, pause = wording.size(found["checkpoint_bytes"]), wording.span(found["pause_us"])
        lines.append(f"  epoch      {found['checkpoint']} ({size}, steps waited {pause})")
    lines.append(f"  guarantee  {found['guarantee']}")
    lines += [f"  time       {line}" for split in found["splits"] if split["rows"] for line in time_lines(split)]
    return lines + [f"  note       {note}" for note in found["notes"]]


def time_lines(split: dict[str, Any]) -> Iterator[str]:
    """How the rows of a split come in time, for people."""
    skew = split["ahead_us"]
    clock = (
        f"at most {wording.span(skew)} ahead of the clock" if skew > 0 else f"{wording.span(-skew)} behind the clock"
    )
    held = "; not read until those that it is aligned with have come" if split["held"] else ""
    yield f"{split['source']}, split {split['split']}: {wording.rows(split['rows'])}, {clock}{held}"
    stated = f'watermark="{seconds(split["stated"])}"'
    if not split["behind"]:
        yield f"  all in order; {stated}"
        return
    lets = (
        f'watermark="{seconds(split["nearly_all"])}" would let 999 of 1,000 be in time, "{seconds(split["all"])}" all'
    )
    yield f"  {split['behind']:,} behind another, {split['late']:,} late for {stated}; {lets}"


def stop_job(job: str, clock: Clock | None = None) -> None:
    """Stop a running pipeline, and wait until it has ended.

    Raises:
        NotRunning: If it does not run.
        PlanError: If it has not ended after ten minutes.
    """
    clock, folder = clock or SystemClock(), folder_of(job)
    with Client(folder) as client:
        client.ask("stop")
    terminal.tell("stopping: what is done is published")
    until = clock.monotonic() + _STOPPING
    while clock.monotonic() < until:
        one = standing(folder)
        if one.pid is None:
            terminal.tell(f"{one.pipeline or folder.name}: {_stands(one)}")
            return
        clock.wait(Signal(), 100 * MILLISECOND)
    raise PlanError(f'"{job}" has not ended after 10 minutes', hint="penstock status says what it waits for")


def make_savepoint(job: str, name: str | None, *, remove: bool) -> None:
    """Make a savepoint of a running pipeline, or remove one.

    Raises:
        NotRunning: If it does not run.
        PlanError: If none is named to be removed.
        StateError: If there is one of this name already.
    """
    folder = folder_of(job)
    if remove:
        if name is None:
            raise PlanError("which savepoint is to be removed?", hint="penstock checkpoints lists them")
        _remove(folder, name)
        return
    with Client(folder) as client:
        made = client.ask("savepoint", name=name)
    terminal.out(made)
    terminal.tell(f"go on from it with: penstock run FILE --resume {made}")


def _remove(folder: Path, name: str) -> None:
    with opened(folder) as store:
        if name not in store.savepoints():
            raise PlanError(
                f'there is no savepoint "{name}"', hint=f"there are: {', '.join(store.savepoints()) or 'none'}"
            )
        store.remove_savepoint(name)
    terminal.tell(f"removed the savepoint {name}")


def list_checkpoints(job: str, *, as_json: bool) -> None:
    """What is stored of a pipeline.

    Raises:
        StartError: If there is no such job.
    """
    found = stored(folder_of(job))
    if as_json:
        texts = [one | {"at": _when(one["at"])} if "at" in one else one for one in found]
        terminal.out(json.dumps(texts, indent=2))
        return
    rows: list[tuple[object, ...]] = []
    for one in found:
        if "damage" in one:
            rows.append((one["name"], "damaged", None, None, one["damage"]))
            continue
        kind = "savepoint" if one.get("savepoint") else one["kind"]
        rows.append((one["name"], kind, _when(one["at"]), wording.size(one["state_bytes"]), sum(one["rows"].values())))
    for line in table(("name", "kind", "at", "state", "rows out"), rows):
        terminal.out(line)
