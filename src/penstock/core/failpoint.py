"""Named points at every durable step, where a test can fail, delay or kill.

`hit(name)` does nothing unless an action was set for the name, by `ACTIONS` in the same process
or by the environment: `PENSTOCK_FAILPOINTS="sink.before_publish=kill;files.write=enospc"`.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable

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


def _full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _broken() -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


KINDS: dict[str, Callable[[], None]] = {"kill": _kill, "enospc": _full, "eio": _broken}


def from_environment(text: str) -> dict[str, Callable[[], None]]:
    """The actions that `PENSTOCK_FAILPOINTS` names.

    Raises:
        ValueError: If an action is unknown.
    """
    actions: dict[str, Callable[[], None]] = {}
    for item in filter(None, text.split(";")):
        point, _, kind = item.partition("=")
        if kind not in KINDS:
            raise ValueError(f'unknown failpoint action "{kind}"; known: {", ".join(KINDS)}')
        actions[point] = KINDS[kind]
    return actions


ACTIONS.update(from_environment(os.environ.get("PENSTOCK_FAILPOINTS", "")))
