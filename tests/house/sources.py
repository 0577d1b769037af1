"""The source files of the package, parsed, and what is said about a line that breaks a rule."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "penstock"

HEADINGS = ("Plan", "Meaning", "Execution", "Flink")
_HEADING = re.compile(r"\s*# -- (\S.*?) -*$")


class Finding(NamedTuple):
    """A line that breaks a rule, and what to write instead."""

    place: str
    line: int
    wrong: str
    instead: str

    def __str__(self) -> str:
        return f"{self.place}:{self.line}: {self.wrong}; {self.instead}"


class Part(NamedTuple):
    """The lines under one heading `# -- Name ---`, both ends included."""

    heading: str
    first: int
    last: int


@dataclass(frozen=True)
class Source:
    """A file of the package; `name` is its path below `src/penstock`, with slashes."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.name)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def module(self) -> str:
        parts = self.name.removesuffix(".py").split("/")
        return ".".join(["penstock", *(parts[:-1] if parts[-1] == "__init__" else parts)])

    @property
    def folder(self) -> str:
        return self.name.rpartition("/")[0]

    @property
    def stem(self) -> str:
        return self.name.rpartition("/")[2].removesuffix(".py")

    @cached_property
    def parts(self) -> list[Part]:
        """What stands under headings, in order."""
        starts = [(number, match[1]) for number, line in enumerate(self.lines, 1) if (match := _HEADING.match(line))]
        ends = [*(number - 1 for number, _ in starts[1:]), len(self.lines)]
        return [Part(heading, first, last) for (first, heading), last in zip(starts, ends, strict=False)]

    @cached_property
    def typing_only(self) -> set[int]:
        """The lines under `if TYPE_CHECKING:`, which do not run."""
        found: set[int] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                for inner in node.body:
                    found.update(range(inner.lineno, (inner.end_lineno or inner.lineno) + 1))
        return found

    @cached_property
    def imports(self) -> dict[str, str]:
        """Names bound by imports anywhere in the file, and the dotted names of what they stand for."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if getattr(node, "lineno", None) in self.typing_only:
                continue
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    dotted = f"{node.module}.{alias.name}"
                    found[alias.asname or alias.name] = LAZY.get(dotted, dotted)
        return found

    def find(self, line: int, wrong: str, instead: str) -> Finding:
        return Finding(f"src/penstock/{self.name}", line, wrong, instead)


LAZY = {
    "penstock.core.lazy.np": "numpy",
    "penstock.core.lazy.pl": "polars",
    "penstock.core.lazy.pa": "pyarrow",
}
"""The stand-ins for heavy libraries, and what they stand for."""


@cache
def sources() -> dict[str, Source]:
    """All source files by name."""
    return {
        (name := path.relative_to(PACKAGE).as_posix()): Source(name, path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def dotted(source: Source, node: ast.AST) -> str | None:
    """What a name or a chain of attributes stands for, by the file's imports: `dt.now` is `datetime.datetime.now`."""
    if isinstance(node, ast.Name):
        return source.imports.get(node.id)
    if isinstance(node, ast.Attribute):
        base = dotted(source, node.value)
        return None if base is None else f"{base}.{node.attr}"
    return None


def evaluated(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all below it but annotations, which never run."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from evaluated(child)


def report(findings: Iterable[Finding]) -> str:
    """All findings, one a line; empty if there are none."""
    return "\n".join(map(str, sorted(set(findings))))
