"""`penstock version`: the version, and those of what it stands on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import penstock

LIBRARIES = ("polars", "numpy", "numba", "pyarrow")


def versions() -> str:
    """One line, for people and for reports of bugs."""
    found = [f"Python {platform.python_version()}"]
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} is missing")
    return f"penstock {penstock.__version__} ({', '.join(found)})"
