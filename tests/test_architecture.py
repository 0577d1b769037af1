"""ARCHITECTURE.md tells of files that exist and of every package; imports go the way it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.sources import PACKAGE, ROOT, Finding, report

PAGE = ROOT / "ARCHITECTURE.md"

_SPAN = re.compile(r"`([^`\s]+)`")
_PATH = re.compile(r"[\w./-]*[\w-]+(?:/|\.(?:py|md|toml|parquet))")
_PATTERN = re.compile(r"[<>*{}$]")


def spoken_of(text: str) -> Iterator[tuple[int, str]]:
    """The paths in backticks, by line: `window.py` alone is a name, `operators/window.py` a path."""
    for number, line in enumerate(text.splitlines(), 1):
        for span in _SPAN.findall(line):
            path = span.partition(":")[0]
            if _PATH.fullmatch(path) and "/" in path and not _PATTERN.search(path):
                yield number, path


def exists(path: str) -> bool:
    """Whether a path is one of the repository or of the package."""
    return any((base / path).exists() for base in (ROOT, PACKAGE, ROOT / "src"))


def dead_paths(name: str, text: str) -> Iterator[Finding]:
    """Paths of a page that do not exist."""
    for number, path in spoken_of(text):
        if not exists(path):
            yield Finding(name, number, f"`{path}` does not exist", "name the file that does this now")


def packages() -> list[str]:
    """The packages and the modules at the top of `penstock`."""
    folders = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    files = [path.name for path in PACKAGE.glob("*.py") if path.name != "__init__.py"]
    return sorted(f"{folder}/" for folder in folders) + sorted(files)


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_files_that_pages_name_exist(page):
    found = report(dead_paths(page, (ROOT / page).read_text(encoding="utf-8")))
    if found:
        pytest.fail(found, pytrace=False)


def test_files_that_do_not_exist_are_found():
    text = "`core/files.py` `src/penstock/core/` `pyproject.toml`\n`core/gone.py`\n`operators/<verb>.py` `gone/`\n"
    assert [(one.line, one.wrong) for one in dead_paths("X.md", text)] == [
        (2, "`core/gone.py` does not exist"),
        (3, "`gone/` does not exist"),
    ]


def test_every_package_is_told_of():
    text = PAGE.read_text(encoding="utf-8")
    silent = [name for name in packages() if not re.search(rf"[`/\s]{re.escape(name)}", text)]
    assert not silent, f"ARCHITECTURE.md says nothing of {silent}"


def test_imports_go_downward():
    program = Path(sys.executable).parent / "lint-imports"
    ran = subprocess.run(
        [str(program), "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        pytest.fail(f"{ran.stdout[ran.stdout.find('Contracts') :]}{ran.stderr}", pytrace=False)
