"""Print the lowest versions that pyproject.toml allows, as constraints for pip: `make lowest` tests with them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def lowest(requirements: list[str]) -> list[str]:
    """The requirements with the lowest version that each allows."""
    found = []
    for requirement in requirements:
        bound = re.match(r"([A-Za-z0-9_.-]+)(?:\[.*?\])?>=([0-9.]+)", requirement)
        if bound:
            found.append(f"{bound[1]}=={bound[2]}")
    return found


if __name__ == "__main__":
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    everywhere = [
        *project["dependencies"],
        *(r for name, extra in project["optional-dependencies"].items() if name not in ("dev", "test") for r in extra),
    ]
    print("\n".join(lowest(everywhere)))
