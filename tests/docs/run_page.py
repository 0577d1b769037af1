"""Run the Python blocks of one page in one namespace: `python -m tests.docs.run_page PAGE`.

Tracebacks name the page and its lines. What a block calls `test_...` is called.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

from tests.docs.pages import Block, blocks


def run(page: Path) -> int:
    """Run a page; the number of blocks that ran."""
    module = types.ModuleType("__main__")
    module.__file__ = str(page)
    sys.modules["__main__"] = module
    ran = 0
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.runs:
            before = set(vars(module))
            run_block(block, page, vars(module))
            for name in sorted(set(vars(module)) - before):
                if name.startswith("test_"):
                    vars(module)[name]()
            ran += 1
    return ran


def run_block(block: Block, page: Path, namespace: dict[str, object]) -> None:
    """Run one block; it must raise what its fence says, and nothing else."""
    code = compile("\n" * (block.line - 1) + block.text, str(page), "exec", dont_inherit=True)
    if block.raises is None:
        exec(code, namespace)
        return
    try:
        exec(code, namespace)
    except Exception as raised:
        if block.raises not in [one.__name__ for one in type(raised).__mro__]:
            raise
    else:
        raise AssertionError(f"{page}:{block.line}: the block did not raise {block.raises}")


if __name__ == "__main__":
    sys.stdout.write(f"{run(Path(sys.argv[1]))} blocks\n")
