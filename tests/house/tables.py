"""Every file has its line in a table: nothing is registered by being imported, nothing lies about unused.

Besides those of the table a folder may have files that its others share: named in a tuple MACHINERY, with a
leading underscore, or as a part of one of the table (`window_execution.py` of `window.py`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from tests.house.sources import Finding, Source

TABLES = {
    "operators": "OPERATORS",
    "connectors": "BUILTIN",
    "connectors/formats": "FORMATS",
    "optimize": "RULES",
    "expr/functions": "FUNCTIONS",
    "expr/aggregates": "AGGREGATES",
}
"""By folder: the table in its `__init__.py` that names every file."""

MACHINERY = "MACHINERY"
"""The tuple in an `__init__.py` that names files which those of the table share, and which are none themselves."""

NOT_IN_TABLES = {
    "connectors/base.py": "the contract of all connectors",
    "connectors/formats/base.py": "the contract of all formats",
}
"""Files that no table and no MACHINERY names, and what they are."""


def findings(folder: str, everything: Mapping[str, Source]) -> Iterator[Finding]:
    """Files of a folder that its table does not name, and names in it that are no files."""
    source, table = everything[f"{folder}/__init__.py"], TABLES[folder]
    assigned = _assignments(source)
    if table not in assigned:
        yield source.find(
            1, f"there is no table {table}", f"assign `{table}` here, with a line for each file of {folder}"
        )
        return
    shared = machinery(source)
    named = _named(source, folder, {name: value for name, value in assigned.items() if name != MACHINERY}) | shared
    files = {name: one for name, one in everything.items() if _directly_in(name, folder)}
    for name, file in files.items():
        if file.stem.startswith("_") and file.stem != "__init__":
            if not any(file.module in _imported(other) for other in everything.values() if other is not file):
                yield file.find(1, "nobody imports this file", "remove it, or use it")
        elif name not in NOT_IN_TABLES and not _is_named(file.stem if file.folder == folder else name, named):
            yield file.find(1, f"no line of {table} names this file", f"add it in {folder}/__init__.py, or remove it")
    stems = {one.stem if one.folder == folder else one.folder.rpartition("/")[2] for one in files.values()}
    for missing in sorted(named - stems):
        yield source.find(
            1, f"{table} names {missing}, which is no file", f"write {folder}/{missing}.py, or take it out"
        )


def _imported(source: Source) -> set[str]:
    """All that a file imports, as dotted names, and the modules that hold it."""
    found = set(source.imports.values())
    return found | {name.rpartition(".")[0] for name in found}


def machinery(source: Source) -> set[str]:
    """The files that an `__init__.py` calls machinery."""
    value = _assignments(source).get(MACHINERY)
    return set(ast.literal_eval(value)) if value is not None else set()


def _directly_in(name: str, folder: str) -> bool:
    rest = name.removeprefix(f"{folder}/")
    if rest == name or rest == "__init__.py":
        return False
    nested = f"{folder}/{rest.partition('/')[0]}"
    return nested not in TABLES and (rest.count("/") == 0 or rest.endswith("/__init__.py"))


def _is_named(name: str, named: set[str]) -> bool:
    """Whether the table names a file, or the file it is a part of: `window_panes` is a part of `window`."""
    stem = name.removesuffix("/__init__.py").rpartition("/")[2]
    return stem in named or any(stem.startswith(f"{owner}_") for owner in named)


def _assignments(source: Source) -> dict[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    for node in source.tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    found[target.id] = node.value
    return found


def _named(source: Source, folder: str, assigned: dict[str, ast.expr]) -> set[str]:
    """The files that top-level assignments name: by a string with a module's path, or by something imported from it."""
    prefix = f"penstock.{folder.replace('/', '.')}."
    found = set()
    for value in assigned.values():
        for node in ast.walk(value):
            if isinstance(node, ast.Name):
                path = source.imports.get(node.id, "")
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                path = node.value
            else:
                continue
            if path.startswith(prefix):
                found.add(path.removeprefix(prefix).partition(".")[0].partition(":")[0])
    return found - {"base"}
