"""`penstock top`: the operators of a running pipeline, live."""

from __future__ import annotations

import sys
from typing import Any

from penstock.cli import terminal, wording
from penstock.cli.jobs import status_lines
from penstock.cli.tables import table
from penstock.control.client import Client, NotRunning
from penstock.core.clock import Clock, Signal, SystemClock
from penstock.core.timespan import duration
from penstock.engine.standing import folder_of

_CLEAR = "\x1b[2J\x1b[H"


def show_top(job: str, every: str, clock: Clock | None = None) -> None:
    """Show a running pipeline again and again, until it ends or Ctrl-C; once, if stdout is no terminal.

    Raises:
        NotRunning: If it does not run.
        PlanError: If `every` is no duration.
    """
    clock, span = clock or SystemClock(), duration(every)
    before: dict[str, Any] = {}
    with Client(folder_of(job)) as client:
        while True:
            try:
                found = client.ask("status")
            except NotRunning:
                terminal.tell(f"{client.pipeline}: has ended")
                return
            lines = [*status_lines(found), "", *operators(found, before, span)]
            terminal.out((_CLEAR if sys.stdout.isatty() else "") + "\n".join(lines))
            if not sys.stdout.isatty():
                return
            before = {node["identity"]: node for node in found["nodes"]}
            try:
                clock.wait(Signal(), span)
            except KeyboardInterrupt:
                return


def operators(found: dict[str, Any], before: dict[str, Any], span: int) -> list[str]:
    """The operators as a table: rows, rates since the last look, share of time, state."""
    rows = []
    for node in found["nodes"]:
        former = before.get(node["identity"])
        rate = wording.rate(node["rows_in"] - former["rows_in"], span) if former else None
        busy = f"{min(100, 100 * (node['busy_us'] - former['busy_us']) // span)} %" if former else None
        rows.append(
            (
                node["identity"], node["label"], node["rows_in"], rate, node["rows_out"], node["late"], node["errors"],
                busy, wording.size(node["state_bytes"]) if node["state_bytes"] else None,
            )
        )  # fmt: skip
    return table(("operator", "what", "rows in", "rate", "rows out", "late", "errors", "busy", "state"), rows)
