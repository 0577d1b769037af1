"""The shape of files: lengths, headings, what runs at import, comments that excuse."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

from tests.house.sources import HEADINGS, Finding, Source, dotted

FILE_LINES = 400
FUNCTION_LINES = 70
HEAVY = ("polars", "numpy", "pyarrow", "numba")
HEAVY_AT_IMPORT = {"core/lazy.py": "makes the stand-ins", "kernels/_jit.py": "is the door to numba"}

_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
_EXCUSE = re.compile(r"#\s*(noqa(?:: ?[A-Z0-9, ]*[A-Z0-9])?|type: ignore(?:\[[^\]]*\])?|pragma: no cover)(.*)")


def lengths(source: Source) -> Iterator[Finding]:
    """Files and functions that are too long to read."""
    if len(source.lines) > FILE_LINES:
        yield source.find(
            FILE_LINES + 1,
            f"the file has {len(source.lines)} lines, more than {FILE_LINES}",
            "move what stands for itself into a file of its own (a part of window.py is window_*.py)",
        )
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield source.find(
                    node.lineno,
                    f"{node.name} has {length} lines, more than {FUNCTION_LINES}",
                    "give its parts names: decisions above, loops below",
                )


def comments(source: Source) -> Iterator[Finding]:
    """Unfinished work, and exceptions to a rule without a reason."""
    for number, line in enumerate(source.lines, 1):
        if found := _UNFINISHED.search(line):
            yield source.find(number, f"{found[1]} in the source", "do it, or open an issue and say what holds now")
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        excuse = _EXCUSE.search(token.string) if token.type == tokenize.COMMENT else None
        if excuse and _is_bare(excuse[1], excuse[2]):
            yield source.find(
                token.start[0],
                f"`# {excuse[1]}` does not say which rule, or why",
                "name the rule and give the reason in brackets: `# noqa: B904  (the same error, elsewhere)`",
            )


def _is_bare(excuse: str, rest: str) -> bool:
    """Whether an exception names no rule, or gives no reason (the code of `type: ignore[...]` is one)."""
    if excuse.startswith("type: ignore"):
        return "[" not in excuse
    return excuse == "noqa" or len(re.findall(r"[a-zA-Z]", rest)) < 8


def swallowed(source: Source) -> Iterator[Finding]:
    """Errors that are caught and forgotten."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler) and all(
            isinstance(step, ast.Pass | ast.Continue)
            or (isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant) and step.value.value is ...)
            for step in node.body
        ):
            yield source.find(
                node.lineno,
                "an error is swallowed",
                "handle it, or write `with contextlib.suppress(TheOneError):` and say why it may be lost",
            )


def imports(source: Source) -> Iterator[Finding]:
    """Relative imports, and heavy libraries at import time."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield source.find(node.lineno, "a relative import", "write it out: `from penstock...`")
    if source.name in HEAVY_AT_IMPORT:
        return
    for node in at_import(source):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for name in names:
                if name.partition(".")[0] in HEAVY:
                    yield source.find(
                        node.lineno,
                        f"`{name}` is imported when the module is",
                        "write `from penstock.core.lazy import np, pa, pl`, or import it where it is used; "
                        "numba is reached by penstock.kernels._jit",
                    )
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = dotted(source, node) or ""
            if name.partition(".")[0] in HEAVY:
                yield source.find(
                    node.lineno,
                    f"`{ast.unparse(node)}` is read when the module is imported, which loads the library",
                    "read it inside a function (functools.cache keeps a constant)",
                )


def at_import(source: Source) -> Iterator[ast.AST]:
    """What runs when the module is imported: not bodies of functions, annotations, `if TYPE_CHECKING`."""

    def visit(node: ast.AST) -> Iterator[ast.AST]:
        if getattr(node, "lineno", None) in source.typing_only:
            return
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parts: list[ast.AST | None] = [*node.decorator_list, *node.args.defaults, *node.args.kw_defaults]
        elif isinstance(node, ast.Lambda):
            parts = [*node.args.defaults, *node.args.kw_defaults]
        elif isinstance(node, ast.AnnAssign):
            parts = [node.target, node.value]
        else:
            parts = list(ast.iter_child_nodes(node))
        for part in parts:
            if part is not None:
                yield from visit(part)

    yield from visit(source.tree)


def headings(source: Source, parts: list[Source]) -> Iterator[Finding]:
    """An operator whose file (or files) lack the four headings, or have them in another order."""
    found = [part.heading for part in source.parts if part.heading in HEADINGS]
    elsewhere = [p.heading for part in parts for p in part.parts if p.heading in HEADINGS and p.heading not in found]
    missing = [heading for heading in HEADINGS if heading not in found and heading not in elsewhere]
    if missing or found != [heading for heading in HEADINGS if heading in found]:
        yield source.find(
            1,
            f"an operator with the headings {found or 'none'}",
            "write `# -- Plan ---`, `# -- Meaning ---`, `# -- Execution ---`, `# -- Flink ---`: each once, in order",
        )
