"""Directories of checkpoints as other processes see them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.house.sources import ROOT


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def staged(folder):
    return [name for name in names(folder) if name.endswith(".staged")]


def child(code, *arguments, points="", **options):
    """Another process that has the store of a directory as `store`."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "PENSTOCK_FAILPOINTS": points}
    head = (
        "import sys\nfrom penstock.checkpoint.store import open_store\nfrom tests.unit.checkpoint import epochs\n"
        "store = open_store(sys.argv[1])\n"
    )
    command = [sys.executable, "-c", head + code, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment, **options)
