"""`import penstock` gives what it says, and is light."""

from __future__ import annotations

import importlib
import itertools
import os
import re
import subprocess
import sys
import tomllib
from types import ModuleType

import penstock
from tests.house.sources import ROOT

HEAVY = ("polars", "numpy", "pyarrow", "numba", "duckdb", "typer", "click", "rich", "msgspec", "asyncio", "email")
MODULES_AT_MOST = 270
"""How many modules `import penstock` may load besides those of a bare interpreter: a budget, not a time."""

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def modules_after(code: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after some code."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return set(ran.stdout.split())


def test_import_loads_no_heavy_library():
    loaded = modules_after("import penstock")
    assert "penstock" in loaded
    heavy = sorted(set(HEAVY) & loaded)
    assert not heavy, f"`import penstock` loads {heavy}; import them where they are used, or by penstock.core.lazy"


def test_import_loads_few_modules():
    more = modules_after("import penstock") - modules_after("pass")
    assert len(more) <= MODULES_AT_MOST, f"`import penstock` loads {len(more)} modules: {sorted(more)}"


def test_heavy_libraries_would_be_seen():
    assert "numpy" in modules_after("from penstock.core.lazy import np\nnp.zeros(1)")


def by_case(name: str) -> tuple[int, list[tuple[int, int, str]]]:
    """Constants, then classes, then functions; numbers in names by value: as ruff sorts `__all__`."""
    rank = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    parts = re.findall(r"\d+|\D+", name)
    return rank, [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def test_public_names_are_sorted_and_there():
    names = list(penstock.__all__)
    assert len(names) > 20
    assert names == sorted(names, key=by_case)
    assert len(set(names)) == len(names)
    assert not [name for name in names if not hasattr(penstock, name)]


def test_nothing_else_looks_public():
    others = {
        name
        for name, value in vars(penstock).items()
        if not name.startswith("_") and not isinstance(value, ModuleType) and name != "annotations"
    }
    assert others <= set(penstock.__all__), f"not in __all__: {sorted(others - set(penstock.__all__))}"


def test_the_version_is_that_of_the_package():
    assert getattr(penstock, "__version__", PROJECT["version"]) == PROJECT["version"]


def test_commands_are_there():
    for target in PROJECT["scripts"].values():
        module, _, function = target.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_types_are_declared():
    assert (ROOT / "src" / "penstock" / "py.typed").exists(), "add an empty src/penstock/py.typed: we ship types"


def test_dependencies_have_both_bounds():
    for requirement in [*PROJECT["dependencies"], *itertools.chain(*PROJECT["optional-dependencies"].values())]:
        if not requirement.startswith("penstock["):
            assert re.fullmatch(r"[a-z0-9-]+(\[[a-z0-9,-]+\])?>=[0-9.]+,<[0-9.]+", requirement), (
                f"{requirement}: give it both bounds"
            )
