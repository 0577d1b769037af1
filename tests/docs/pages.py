"""Fenced blocks of Markdown pages, and what their fences say about running them.

```python                          runs, after the page's blocks before it, in one namespace
```python no-run: needs a broker   does not run, for this reason
```python raises=PlanError         runs, and must raise this
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"(?P<indent>\s*)(?P<ticks>`{3,}|~{3,})(?P<info>.*)$")


@dataclass(frozen=True)
class Block:
    """A fenced block: its first line's number in the page, its text, and the words behind the fence."""

    line: int
    text: str
    info: str

    @property
    def language(self) -> str:
        return self.info.partition(" ")[0]

    @property
    def wish(self) -> str:
        """What stands behind the language."""
        return self.info.partition(" ")[2].strip()

    @property
    def runs(self) -> bool:
        return self.language == "python" and not self.wish.startswith("no-run")

    @property
    def raises(self) -> str | None:
        return self.wish.removeprefix("raises=") if self.wish.startswith("raises=") else None

    @property
    def fault(self) -> str | None:
        """What is wrong with the fence."""
        known = ("no-run", "raises=")
        if self.language == "python" and self.wish and not self.wish.startswith(known):
            return f"`{self.wish}` is not known here; write `no-run: reason` or `raises=ErrorClass`"
        if self.wish.startswith("no-run") and len(re.findall("[a-z]", self.wish.removeprefix("no-run"))) < 6:
            return "the block does not run and does not say why; write `no-run: reason`"
        if not self.language:
            return "the block has no language; write `text` if it has none"
        return None


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        opened = _FENCE.match(line)
        if opened is None:
            continue
        inner: list[str] = []
        for _, within in lines:
            if within.strip().startswith(opened["ticks"]) and not within.strip().strip(opened["ticks"][0]):
                break
            inner.append(within[len(opened["indent"]) :] if not within[: len(opened["indent"])].strip() else within)
        yield Block(number + 1, "\n".join(inner), opened["info"].strip())


def pages() -> list[Path]:
    """The pages whose blocks are run."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [page for page in found if page.exists()]


def examples() -> list[Path]:
    """The whole programs of `examples/`."""
    return sorted((ROOT / "examples").glob("*.py"))


def data_files() -> list[Path]:
    """The files that pages and examples find in `data/`."""
    folders = [ROOT / "tests" / "data"]
    return [file for folder in folders if folder.exists() for file in sorted(folder.iterdir()) if file.is_file()]
