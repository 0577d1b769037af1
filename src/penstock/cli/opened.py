"""The settings of this process: what the command line was given, and its environment."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from penstock.settings import Settings


def settings_of(given: list[str], profile: str | None) -> Callable[[Path], Settings]:
    """What reads the settings for a folder.

    Args:
        given: What `--set` was given.
        profile: What `--profile` was given.
    """
    return lambda folder: Settings.read(folder, given, dict(os.environ), profile)
