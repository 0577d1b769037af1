"""Everything public says what it is: modules, classes, functions, methods, and the names of `penstock`."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator

import pytest

import penstock
from tests.house.sources import Finding, Source, report, sources

DOCUMENTED_BY_THE_CONTRACT = frozenset({"step", "due", "row", "advance", "snapshot", "restore"})
"""Methods that mean in every operator what `operators/base.py` says; they may leave it at that."""


def undocumented(source: Source) -> Iterator[Finding]:
    """Public definitions without a docstring."""
    if not ast.get_docstring(source.tree):
        yield source.find(1, "the module has no docstring", "say in one sentence what is in it")
    for name, node in public(source.tree):
        if not ast.get_docstring(node) and name.rpartition(".")[2] not in DOCUMENTED_BY_THE_CONTRACT:
            yield source.find(node.lineno, f"{name} has no docstring", "say what it promises, its units and its errors")


def public(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    """Public classes and functions, and the public methods of public classes."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name, node
            for inner in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and _is_new(inner):
                    yield f"{node.name}.{inner.name}", inner


def _is_new(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a method is public and not another form of one that is documented: a setter, an overload."""
    decorators = {ast.unparse(one).rpartition(".")[2] for one in method.decorator_list}
    return not method.name.startswith("_") and not decorators & {"setter", "overload", "override"}


def test_modules_classes_functions_and_methods_are_documented():
    found = report(finding for source in sources().values() for finding in undocumented(source))
    if found:
        pytest.fail(found, pytrace=False)


def test_what_is_not_documented_is_found():
    text = (
        '"""A."""\nclass A:\n    """A."""\n    def b(self): ...\n    def _c(self): ...\ndef d(): ...\ndef _e(): ...\n'
    )
    assert [one.line for one in undocumented(Source("example.py", text))] == [4, 6]
    assert [one.line for one in undocumented(Source("example.py", ""))] == [1]


def test_public_names_are_documented():
    silent = [f"penstock.{name}: {why}" for name in penstock.__all__ if (why := silence(getattr(penstock, name), name))]
    assert not silent, "\n".join(silent)


def silence(value: object, name: str) -> str | None:
    """What is missing in the documentation of a public name."""
    if inspect.ismodule(value) or inspect.isclass(value) or inspect.isroutine(value):
        text = value.__doc__ or ""
        if not text or text.startswith(f"{name}("):  # the latter is what dataclasses make
            return "has no docstring"
    elif not isinstance(value, str) and not inspect.getdoc(type(value)):
        return "is of a type without a docstring"
    return None


def test_silent_names_are_found():
    assert silence(lambda: None, "x") == "has no docstring"
    assert silence(silence, "silence") is None
    assert silence(1, "ONE") is None
