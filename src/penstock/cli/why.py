"""`penstock why`: what holds the output of a pipeline back, and what will release it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penstock.cli import terminal, wording
from penstock.cli.stored import stored_pipeline
from penstock.control.client import Client, NotRunning
from penstock.core.timespan import instant_text
from penstock.engine.standing import folder_of, stored_waiting
from penstock.plan.watermark import ADVANCE


def show_why(job: str, *, file: str | None, as_json: bool) -> None:
    """Which operators hold results, for which source and split, and what releases them.

    Args:
        job: The job.
        file: The program, for plans that cannot be rebuilt from what is stored.
        as_json: Whether to answer as JSON.

    Raises:
        StartError: If there is no such job or checkpoint.
    """
    found = _found(folder_of(job), file)
    if as_json:
        terminal.out(json.dumps(found, indent=2))
        return
    if not found:
        terminal.out("nothing is held back: no operator waits for event time or the clock")
    for one in found:
        for line in why_lines(one):
            terminal.out(line)


def _found(folder: Path, file: str | None) -> Any:
    try:
        with Client(folder) as client:
            return client.ask("why")
    except NotRunning:
        terminal.tell("it does not run: this is how its newest checkpoint stood")
    return stored_waiting(folder, stored_pipeline(folder, file))


def why_lines(one: dict[str, Any]) -> Iterator[str]:
    """What is to be said of one operator."""
    what = f"{one['operator']} ({one['verb']}, {wording.rows(one['rows'], 'entry', 'entries')})"
    if one["wakes"] is not None:
        yield f"{what} sends by the clock, at {instant_text(one['wakes'])} UTC"
        if one["until"] is None:
            return
    if one["until"] is None:
        yield f"{what} waits for the end of the input"
        return
    if one["window_end"] is not None:
        yield f"{what} waits to close the window that ends at {instant_text(one['window_end'])} UTC"
    else:
        yield f"{what} waits for event time to reach {instant_text(one['until'])} UTC"
    come = "has none yet" if one["watermark"] is None else f"is {instant_text(one['watermark'])} UTC"
    yield f"  its watermark {come}"
    for held in one["held_by"]:
        yield f"  held by {_split(held)}"
        yield f"    released by {_release(held)}"


def _split(held: dict[str, Any]) -> str:
    place = f"source {held['source']}, split {held['split']}"
    if held["watermark"] is None:
        return f"{place}, which has given no row with an event time"
    return f"{place}, whose watermark is {instant_text(held['watermark'])} UTC"


def _release(held: dict[str, Any]) -> str:
    ways = []
    if held["row"] is not None:
        name = "a mark" if held["by"] == "mark" else f'"{held["by"]}"'
        ways.append(f"a row with {name} from {instant_text(held['row'])} UTC on")
    ways.append("its end")
    if held["silent"]:
        ways.append("the clock: all splits are silent" if held["then"] == ADVANCE else "nothing else: silence holds")
    elif held["idle"] is not None:
        ways.append(f"{wording.span(held['idle'])} without rows, if others go on")
    return ", or ".join(ways)
