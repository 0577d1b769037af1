"""Every Python block of the pages and every example runs as written, each page in a fresh folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks, data_files, examples, pages

SECONDS = 200


def run(arguments: list[str], folder: Path) -> str:
    """Run Python in a fresh folder that has the shipped data in `data/`; what it printed."""
    (folder / "data").mkdir()
    for file in data_files():
        (folder / "data" / file.name).symlink_to(file)
    ran = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:__main__", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if ran.returncode:
        pytest.fail(f"exit code {ran.returncode}\n{ran.stderr[-6000:]}", pytrace=False)
    return ran.stdout


RUNNING = [page for page in pages() if any(block.runs for block in blocks(page.read_text(encoding="utf-8")))]


@pytest.mark.parametrize("page", RUNNING, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_run(page, tmp_path):
    run(["-m", "tests.docs.run_page", str(page)], tmp_path)


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_examples_run(example, tmp_path):
    run([str(example)], tmp_path)


def test_fences_are_understood():
    faults = [
        f"{page.relative_to(ROOT)}:{block.line - 1}: {block.fault}"
        for page in pages()
        for block in blocks(page.read_text(encoding="utf-8"))
        if block.fault
    ]
    assert not faults, "\n".join(faults)


def test_there_are_blocks_and_examples():
    readme = [block for block in blocks((ROOT / "README.md").read_text(encoding="utf-8")) if block.runs]
    assert readme, "README.md has no Python block that runs"
    assert examples(), "examples/ has no program"


# -- the checks themselves -----------------------------------------------------

PAGE = """Text.

```python
x = 1
```

  - in a list:

    ```python raises=ZeroDivisionError
    if True:
        x / 0
    ```

~~~text
```python
~~~

```python no-run: needs a broker
boom
```
"""


def test_blocks_are_found():
    assert list(blocks(PAGE)) == [
        Block(4, "x = 1", "python"),
        Block(10, "if True:\n    x / 0", "python raises=ZeroDivisionError"),
        Block(15, "```python", "text"),
        Block(19, "boom", "python no-run: needs a broker"),
    ]
    assert [block.runs for block in blocks(PAGE)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("info", "wrong"), [("python", False), ("python no-run", True), ("", True), ("python x", True)]
)
def test_wrong_fences_are_found(info, wrong):
    assert bool(Block(1, "", info).fault) is wrong


def test_a_page_shares_its_names_and_finds_its_data(tmp_path):
    page = tmp_path / "page.md"
    text = PAGE + "\n```python\nfrom pathlib import Path\nassert x == 1\nassert Path('data').is_dir()\n```\n"
    page.write_text(text, encoding="utf-8")
    (tmp_path / "fresh").mkdir()
    assert run(["-m", "tests.docs.run_page", str(page)], tmp_path / "fresh") == "3 blocks\n"


@pytest.mark.parametrize(
    "block", ["1 / 0", "x = 1\n```\n```python raises=ValueError\nx = 1", "def test_it():\n    assert 1 / 0"]
)
def test_a_page_that_fails_is_found(block, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"```python\n{block}\n```\n", encoding="utf-8")
    (tmp_path / "fresh").mkdir()
    with pytest.raises(pytest.fail.Exception, match=r"page\.md"):
        run(["-m", "tests.docs.run_page", str(page)], tmp_path / "fresh")
