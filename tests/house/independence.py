"""The reference interpreter stands by itself: what a meaning may name.

Meanings are plain Python. They may not name Polars, NumPy, PyArrow, kernels, state, the engine, or anything
under `# -- Execution` of an operator or in a file `*_execution.py`; nor a function that does, in whatever
file. A bug in such a helper would be in the engine and in the reference alike, and comparing the two
would not show it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache

from tests.house.sources import Finding, Source, dotted, evaluated

MECHANISM = (
    "polars",
    "numpy",
    "pyarrow",
    "numba",
    "penstock.core.lazy",
    "penstock.core.delta",
    "penstock.kernels",
    "penstock.state",
    "penstock.engine",
    "penstock.expr.lower",
)
"""What makes the engine run, and a meaning must not name."""

MECHANISM_ATTRIBUTES = frozenset({"polars"})
"""The lowering in the declaration of a function or an aggregate."""

WHOLE_FILES = ("testing/oracle.py", "expr/interpret.py")
"""Files that are meaning from the first line to the last."""

MEANINGS = {
    "expr/functions": frozenset({"oracle"}),
    "expr/aggregates": frozenset({"init", "add", "merge", "retract", "result"}),
}
"""By folder: the keywords of a declaration that hold a meaning."""

INSTEAD = "say it in plain Python, one row at a time, with nothing that the executor uses"


def findings(source: Source, everything: Mapping[str, Source]) -> Iterator[Finding]:
    """Names of the mechanism where a meaning is written."""
    for first, last in meaning_lines(source):
        for node in evaluated(source.tree):
            if first <= getattr(node, "lineno", 0) <= last:
                yield from _judge(source, node, everything)
    keywords = MEANINGS.get(source.folder, frozenset())
    for node in ast.walk(source.tree):
        if isinstance(node, ast.keyword) and node.arg in keywords:
            for inner in evaluated(node.value):
                yield from _judge(source, inner, everything)


def meaning_lines(source: Source) -> Iterator[tuple[int, int]]:
    """The ranges of lines that hold meanings."""
    in_operators = source.name.startswith("operators/")
    named_so = source.stem in ("meaning", "oracle") or source.stem.endswith(("_meaning", "_oracle"))
    if source.name in WHOLE_FILES or (in_operators and named_so):
        yield 1, len(source.lines)
    elif in_operators:
        for part in source.parts:
            if part.heading == "Meaning":
                yield part.first, part.last


def _judge(source: Source, node: ast.AST, everything: Mapping[str, Source]) -> Iterator[Finding]:
    reason = None
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        reason = mechanism(source, node.id, everything, ())
        word = node.id
    elif isinstance(node, ast.Attribute):
        word = node.attr
        if node.attr in MECHANISM_ATTRIBUTES:
            reason = "is the lowering"
        elif isinstance(node.value, ast.Name) and node.value.id == "self":
            reason = _of_method(source, node.attr, everything)
        else:
            reason = _of_attribute(source, node, everything)
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            whole = alias.name if isinstance(node, ast.Import) else f"{node.module}.{alias.name}"
            if _is_mechanism(whole) and source.name not in WHOLE_FILES:
                yield source.find(node.lineno, f"a meaning imports `{whole}`", INSTEAD)
    if reason:
        yield source.find(getattr(node, "lineno", 1), f"a meaning names `{word}`, which {reason}", INSTEAD)


def mechanism(source: Source, name: str, everything: Mapping[str, Source], trail: tuple[str, ...]) -> str | None:
    """Why a name of a file belongs to the mechanism; None if it does not."""
    here = f"{source.module}.{name}"
    if here in trail:
        return None
    whole = source.imports.get(name)
    if whole is not None:
        if _is_mechanism(whole):
            return f"is {whole}"
        module, _, member = whole.rpartition(".")
        other = by_module(module, everything)
        return mechanism(other, member, everything, (*trail, here)) if other else None
    definition = _definitions(source).get(name)
    if definition is None:
        return None
    if _is_execution(source, definition.lineno):
        return f"is under `# -- Execution` of {source.name}"
    if isinstance(definition, ast.ClassDef):
        runs = name.endswith("Executor") or any(ast.unparse(base).endswith("Executor") for base in definition.bases)
        return f"is an executor of {source.name}" if runs else None
    return _why(source, definition, everything, (*trail, here))


def _why(source: Source, node: ast.AST, everything: Mapping[str, Source], trail: tuple[str, ...]) -> str | None:
    """Why what a node names belongs to the mechanism."""
    for inner in evaluated(node):
        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
            reason = mechanism(source, inner.id, everything, trail)
            if reason:
                return f"uses `{inner.id}`, which {reason}"
    return None


def _of_attribute(source: Source, node: ast.Attribute, everything: Mapping[str, Source]) -> str | None:
    whole = dotted(source, node)
    if whole is None:
        return None
    if _is_mechanism(whole):
        return f"is {whole}"
    module, _, member = whole.rpartition(".")
    other = by_module(module, everything)
    return mechanism(other, member, everything, ()) if other else None


def _of_method(source: Source, name: str, everything: Mapping[str, Source]) -> str | None:
    ranges = list(meaning_lines(source))
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef):
            for method in node.body:
                if (
                    isinstance(method, ast.FunctionDef)
                    and method.name == name
                    and not any(first <= method.lineno <= last for first, last in ranges)
                ):
                    reason = _why(source, method, everything, ())
                    if reason:
                        return reason
    return None


def by_module(module: str, everything: Mapping[str, Source]) -> Source | None:
    """The file of a dotted name."""
    if module != "penstock" and not module.startswith("penstock."):
        return None
    path = module.removeprefix("penstock").strip(".").replace(".", "/")
    return everything.get(f"{path}.py") or everything.get(f"{path}/__init__.py".lstrip("/"))


@cache
def _definitions(source: Source) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for node in source.tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name):
                        found[name.id] = node
    return found


def _is_execution(source: Source, line: int) -> bool:
    if not source.name.startswith("operators/"):
        return False
    if source.stem == "execution" or source.stem.endswith("_execution"):
        return True
    return any(part.heading == "Execution" and part.first <= line <= part.last for part in source.parts)


def _is_mechanism(whole: str) -> bool:
    return any(whole == banned or whole.startswith(f"{banned}.") for banned in MECHANISM)
