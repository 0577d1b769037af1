"""Style as a test: every message names the line, what is wrong with it, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.house import banned, independence, shape, tables
from tests.house.sources import PACKAGE, Finding, Source, report, sources


def check(findings: Iterator[Finding]) -> None:
    found = report(findings)
    if found:
        pytest.fail(found, pytrace=False)


def broken(findings: Iterator[Finding]) -> list[int]:
    """The lines of a snippet that break a rule, after a look at the messages."""
    found = sorted(set(findings))
    assert all(one.wrong and len(one.instead) > 10 for one in found)
    return sorted({one.line for one in found})


def everywhere(rule: object) -> Iterator[Finding]:
    assert callable(rule)
    for source in sources().values():
        yield from rule(source)


def snippet(text: str, name: str = "engine/example.py") -> Source:
    return Source(name, text)


def test_there_is_something_to_check():
    assert len(sources()) > 20
    assert "core/files.py" in sources()


# -- lengths and comments ------------------------------------------------------


def test_files_and_functions_are_short():
    check(everywhere(shape.lengths))


def test_long_files_and_functions_are_found():
    assert broken(shape.lengths(snippet("x = 1\n" * 400))) == []
    assert broken(shape.lengths(snippet("x = 1\n" * 401))) == [401]
    assert broken(shape.lengths(snippet("def f():\n" + "    x = 1\n" * 69))) == []
    assert broken(shape.lengths(snippet("def f():\n" + "    x = 1\n" * 70))) == [1]


def test_nothing_is_unfinished_and_every_exception_has_a_reason():
    check(everywhere(shape.comments))


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # TODO: more",
        "x = 1  # FIXME",
        "x = 1  # noqa",
        "x = 1  # noqa: BLE001",
        "x = 1  # type: ignore",
        "x = 1  # pragma: no cover",
    ],
)
def test_unfinished_work_and_bare_exceptions_are_found(line):
    assert broken(shape.comments(snippet(f"\n{line}\n"))) == [2]


@pytest.mark.parametrize(
    "line",
    [
        "x = 1  # noqa: BLE001  (a panic of Polars is no Exception)",
        "x = 1  # type: ignore[arg-type]",
        "x = 1  # pragma: no cover  (Windows only)",
        'x = "# noqa"',
    ],
)
def test_exceptions_with_a_reason_pass(line):
    assert broken(shape.comments(snippet(line))) == []


def test_errors_are_not_swallowed():
    check(everywhere(shape.swallowed))


def test_swallowed_errors_are_found():
    assert broken(shape.swallowed(snippet("try:\n    f()\nexcept OSError:\n    pass\n"))) == [3]
    assert broken(
        shape.swallowed(snippet("for x in y:\n    try:\n        f()\n    except OSError:\n        continue"))
    ) == [4]
    assert broken(shape.swallowed(snippet("try:\n    f()\nexcept OSError:\n    g()\n"))) == []


# -- banned words --------------------------------------------------------------


def test_banned_words_are_used_by_their_seams_only():
    check(everywhere(banned.findings))


@pytest.mark.parametrize(
    ("code", "group"),
    [
        ("import time\ntime.time()", "clock"),
        ("import time as t\nt.monotonic()", "clock"),
        ("from time import sleep\nsleep(1)", "clock"),
        ("import datetime\ndatetime.datetime.now()", "clock"),
        ("import datetime as dt\ndt.datetime.utcnow()", "clock"),
        ("from datetime import datetime\ndatetime.now()", "clock"),
        ("from datetime import date\ndate.today()", "clock"),
        ("import random\nrandom.random()", "chance"),
        ("import random\nrandom.Random()", "chance"),
        ("from penstock.core.lazy import np\ndef f(): np.random.rand(3)", "chance"),
        ("import uuid\nuuid.uuid4()", "chance"),
        ("\nopen('x')", "files"),
        ("import os\nos.fsync(3)", "files"),
        ("import os\nos.path.exists('x')", "files"),
        ("from os import rename\nrename('a', 'b')", "files"),
        ("import shutil\nshutil.rmtree('a')", "files"),
        ("from pathlib import Path\nPath('a').read_text()", "files"),
        ("from pathlib import Path\nPath('a').open()", "files"),
        ("def f(self):\n    self.path.exists()", "files"),
        ("def f(frame):\n    frame.write_parquet('x')", "encode"),
        ("import threading\nthreading.Thread(target=f)", "threads"),
        ("from concurrent.futures import ThreadPoolExecutor\nThreadPoolExecutor()", "threads"),
        ("import subprocess\nsubprocess.run(['ls'])", "threads"),
        ("import socket\nsocket.socket()", "network"),
        ("import urllib.request\nurllib.request.urlopen('x')", "network"),
        ("\nprint('x')", "print"),
        ("import pickle\npickle.loads(x)", "code"),
        ("\neval('1')", "code"),
        ("import yaml\nyaml.load('1')", "code"),
        ("from penstock.core.lazy import pl\ndef f(): pl.read_parquet('x')", "decode"),
    ],
)
def test_banned_words_are_found(code, group):
    source = snippet(code)
    assert [(found, line) for found, line, _ in banned.uses(source)] == [(group, 2)]
    assert broken(banned.findings(source)) == [2]


@pytest.mark.parametrize(
    "code",
    [
        "from penstock.core import files\nfiles.read_text(path)",
        "def read(self):\n    return self.open()",
        "from penstock.engine.compile import compile\ncompile(plan)",
        "import random\nrandom.Random(7)",
        "stream.rename({'a': 'b'})",
        "'a'.replace('a', 'b')",
        "import os\nos.path.join('a', 'b')",
        "if TYPE_CHECKING:\n    from concurrent.futures import Executor\ndef f(x: Executor): ...",
        '"""time.time() and open() in words."""',
    ],
)
def test_other_words_pass(code):
    assert broken(banned.findings(snippet(code))) == []


def test_a_shell_is_found():
    assert broken(banned.findings(snippet("\nrun('ls', shell=True)"))) == [2]


def test_every_allowance_is_needed():
    needed = {
        banned.allowance(source.name, group) for source in sources().values() for group, _, _ in banned.uses(source)
    }
    optional = {("cli.py", "print"), ("cli/*", "print")}  # a file or a folder
    idle = sorted(set(banned.ALLOWED) - needed - optional)
    assert not idle, f"tests/house/banned.py: nobody needs {idle} of ALLOWED; take it out"


# -- imports -------------------------------------------------------------------


def test_imports_are_absolute_and_light():
    check(everywhere(shape.imports))


@pytest.mark.parametrize(
    "code",
    [
        "\nimport polars as pl",
        "\nfrom numba import njit",
        "\nimport pyarrow.parquet",
        "try:\n    import numpy\nfinally:\n    f()",
        "\nfrom . import files",
        "from penstock.core.lazy import np\nZERO = np.int64(0)",
        "from penstock.core.lazy import np\ndef f(x=np.nan): ...",
        "from penstock.core.lazy import pl\nFrame = pl.DataFrame | None",
        "from penstock.core.lazy import pl\nclass A(pl.Series): ...",
    ],
)
def test_heavy_and_relative_imports_are_found(code):
    assert broken(shape.imports(snippet(code))) == [2]


@pytest.mark.parametrize(
    "code",
    [
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import polars as pl",
        "def f():\n    import pyarrow.parquet",
        "from penstock.core.lazy import np\ndef f(x: np.ndarray) -> None:\n    np.zeros(3)",
        "from penstock.core.lazy import pl\nF = Function(polars=lambda s: pl.len())",
        "from penstock.core.lazy import np\nclass A:\n    value: np.ndarray",
    ],
)
def test_light_imports_pass(code):
    assert broken(shape.imports(snippet(code))) == []


# -- operators and tables ------------------------------------------------------


def operator_parts(source: Source) -> list[Source]:
    """The files that an operator's file is continued in: window_*.py, or the folder's others."""
    if source.stem == "__init__":
        return [one for one in sources().values() if one.folder == source.folder and one is not source]
    return [one for one in sources().values() if one.folder == "operators" and one.stem.startswith(f"{source.stem}_")]


def operators() -> list[Source]:
    """The main file of each operator: `<verb>.py`, or `<verb>/__init__.py`."""
    shared = tables.machinery(sources()["operators/__init__.py"])
    found = {
        source.stem if source.folder == "operators" else source.folder.removeprefix("operators/"): source
        for source in sources().values()
        if source.name.startswith("operators/") and (source.folder == "operators") != (source.stem == "__init__")
    }
    verbs = {stem: source for stem, source in found.items() if stem not in shared}
    return [s for stem, s in verbs.items() if not any(stem.startswith(f"{verb}_") for verb in verbs)]


def test_operators_have_their_four_headings():
    assert operators()
    check(finding for source in operators() for finding in shape.headings(source, operator_parts(source)))


def test_operators_out_of_shape_are_found():
    good = "# -- Plan ---\n# -- Meaning ---\n# -- Execution ---\n# -- Flink ---\n"
    assert broken(shape.headings(snippet(good), [])) == []
    assert broken(shape.headings(snippet(good.replace("# -- Flink ---\n", "")), [])) == [1]
    assert broken(shape.headings(snippet("\n".join(reversed(good.splitlines()))), [])) == [1]
    without, part = good.replace("# -- Execution ---\n", ""), "# -- Execution ---\n"
    assert broken(shape.headings(snippet(without), [snippet(part)])) == []


@pytest.mark.parametrize("folder", tables.TABLES)
def test_every_file_is_named_in_its_table(folder):
    check(tables.findings(folder, sources()))


def test_exceptions_from_the_tables_exist():
    assert not [name for name in tables.NOT_IN_TABLES if not (PACKAGE / name).exists()]


def test_shared_files_are_named_as_machinery():
    def found(names: str) -> list[str]:
        init = snippet(f"RULES = ()\nMACHINERY = ({names})", "optimize/__init__.py")
        everything = {init.name: init, "optimize/terms.py": snippet("", "optimize/terms.py")}
        return [one.place for one in tables.findings("optimize", everything)]

    assert found('"terms",') == []
    assert found("") == ["src/penstock/optimize/terms.py"]
    assert found('"terms", "gone"') == ["src/penstock/optimize/__init__.py"]


def test_files_without_a_line_and_lines_without_a_file_are_found():
    def found(table: str, *files: str) -> list[str]:
        names = {name: snippet("", name) for name in files}
        names["optimize/__init__.py"] = snippet(table, "optimize/__init__.py")
        return [one.place for one in tables.findings("optimize", names)]

    table = "from penstock.optimize.push_filters import push_filters\nRULES = (push_filters,)"
    assert found(table, "optimize/push_filters.py") == []
    assert found(table, "optimize/push_filters.py", "optimize/push_filters_joins.py") == []
    assert found(table, "optimize/push_filters.py", "optimize/other.py") == ["src/penstock/optimize/other.py"]
    assert found(table) == ["src/penstock/optimize/__init__.py"]
    assert found("", "optimize/other.py") == ["src/penstock/optimize/__init__.py"]
    assert found(table, "optimize/push_filters.py", "optimize/_terms.py") == ["src/penstock/optimize/_terms.py"]
    by_path = 'RULES = {"other": "penstock.optimize.other:rule"}'
    assert found(by_path, "optimize/other.py") == []


# -- the reference stands by itself --------------------------------------------


def test_meanings_name_nothing_of_the_executor():
    assert not [name for name in independence.WHOLE_FILES if name not in sources()]
    check(finding for source in sources().values() for finding in independence.findings(source, sources()))


HEAD = """from penstock.core.lazy import np
from penstock.state.panes import Panes
from penstock.core.timespan import floor
"""


@pytest.mark.parametrize(
    "meaning",
    [
        "def f(): return np.sum([1])",
        "def f(): return Panes()",
        "def f(): return helper()",
        "def f(): return WindowExecutor()",
        "def f(function): return function.polars",
        "def f(self): return self.late()",
        "def f(): import polars",
    ],
)
def test_meanings_that_lean_on_the_executor_are_found(meaning):
    text = (
        f"{HEAD}def helper(): return np.zeros(1)\nclass Node:\n    def late(self): return np.zeros(1)\n"
        f"# -- Meaning ---\n{meaning}\n# -- Execution ---\nclass WindowExecutor: ...\ndef fast(): np.zeros(1)\n"
    )
    source = snippet(text, "operators/window.py")
    assert broken(independence.findings(source, {source.name: source})) == [8]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("operators/window_execution.py", "def close(): return 1"),
        ("operators/stateless.py", "class close(Executor): ..."),
        ("operators/grid.py", "from penstock.core.lazy import np\nclose = lambda rows: np.sort(rows)"),
    ],
)
def test_meanings_that_lean_on_other_files_are_found(name, text):
    other = snippet(text, name)
    meaning = f"from {other.module} import close\n# -- Meaning ---\ndef f(): return close()\n"
    source = snippet(meaning, "operators/window.py")
    assert broken(independence.findings(source, {source.name: source, name: other})) == [3]


def test_plain_meanings_pass():
    text = (
        f"{HEAD}def helper(): return 1\n# -- Meaning ---\ndef f(x: np.ndarray): return [helper(), floor(1, 2)]\n"
        "# -- Execution ---\ndef fast(): np.zeros(1)\n"
    )
    source = snippet(text, "operators/window.py")
    core = snippet("def floor(a, b): return a // b * b", "core/timespan.py")
    assert broken(independence.findings(source, {source.name: source, core.name: core})) == []
    core = snippet("from penstock.core.lazy import np\ndef floor(a, b): return np.floor(a)", "core/timespan.py")
    assert broken(independence.findings(source, {source.name: source, core.name: core})) == [6]


def test_meanings_of_functions_are_checked():
    text = "from penstock.core.lazy import pl\nF = Function(polars=lambda s: pl.len(), oracle=lambda s: pl.len())"
    source = snippet(text, "expr/functions/text.py")
    assert broken(independence.findings(source, {source.name: source})) == [2]
    source = snippet(text.replace("oracle=lambda s: pl.len()", "oracle=len"), source.name)
    assert broken(independence.findings(source, {source.name: source})) == []
