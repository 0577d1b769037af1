"""Named points at every durable step, where a test can fail, delay or kill.

`hit(name)` does nothing unless an action was set for the name, by `ACTIONS` in the same process or by the
environment: `PENSTOCK_FAILPOINTS="sink.before_publish=kill;files.write=enospc@3"`. A number says at which
pass of the point; without one it is every pass. `PENSTOCK_FAILPOINTS_SEEN` names a file to which the points
that were passed are added, each with its number of passes, when the process ends.
"""

from __future__ import annotations

import atexit
import errno
import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

ACTIONS: dict[str, Callable[[], None]] = {}
"""Actions by the names of points; set and cleared by tests."""


def hit(name: str) -> None:
    """Pass the point `name`: does nothing in production, what a test has asked for in a test."""
    if ACTIONS:
        action = ACTIONS.get(name)
        if action is not None:
            action()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _broken() -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


KINDS: dict[str, Callable[[], None]] = {"kill": _kill, "stop": _stop, "enospc": _full, "eio": _broken}


def from_environment(text: str) -> dict[str, Callable[[], None]]:
    """The actions that `PENSTOCK_FAILPOINTS` names.

    Raises:
        ValueError: If an action is unknown.
    """
    actions: dict[str, Callable[[], None]] = {}
    for item in filter(None, text.split(";")):
        point, _, what = item.partition("=")
        kind, _, turn = what.partition("@")
        if kind not in KINDS or (turn and not turn.isdigit()):
            raise ValueError(f'unknown failpoint action "{what}"; known: {", ".join(KINDS)}, each with @N')
        actions[point] = _at(int(turn), KINDS[kind]) if turn else KINDS[kind]
    return actions


def _at(turn: int, action: Callable[[], None]) -> Callable[[], None]:
    """The action, at one pass only."""
    passed = 0

    def act() -> None:
        nonlocal passed
        passed += 1
        if passed == turn:
            action()

    return act


class Seen(dict[str, Callable[[], None]]):
    """Actions that only count: set in place of `ACTIONS`, they tell which points a run passes.

    Attributes:
        counts: How often each point was passed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return True

    def get(self, name: str, default: object = None) -> None:  # type: ignore[override]
        """Count the pass of a point."""
        self.counts[name] += 1


def _record(path: Path) -> Seen:
    seen = Seen()

    def write() -> None:
        with path.open("a") as file:
            file.writelines(f"{name} {count}\n" for name, count in seen.counts.items())

    atexit.register(write)
    return seen


if os.environ.get("PENSTOCK_FAILPOINTS_SEEN"):
    ACTIONS = _record(Path(os.environ["PENSTOCK_FAILPOINTS_SEEN"]))
else:
    ACTIONS.update(from_environment(os.environ.get("PENSTOCK_FAILPOINTS", "")))
