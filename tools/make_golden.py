"""Make a golden checkpoint: the state directory of a run that was ended, and what the whole run writes.

Run once for each release: `python tools/make_golden.py 1` writes `tests/data/golden/1/`. It is never made again: a
test goes on from each with the program of today (`tests/unit/engine/test_golden.py`).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from penstock.checkpoint.ledger import segments_of
from penstock.checkpoint.manifest import unpack
from penstock.engine.job import Job
from tests.unit.engine.golden import GOLDEN, Stopped, ended_early, options, pipeline, read_all


def keep_what_counts(folder: Path) -> None:
    """Leave the two newest manifests, and the segments that they name: the others are published."""
    (folder / "lock").unlink()
    *old, one, other = sorted(folder.glob("manifest-*.json"))
    for path in old:
        path.unlink()
    named = set().union(*(segments_of(unpack(path.read_bytes())) for path in (one, other)))
    for path in (folder / "segments").iterdir():
        if path.name not in named:
            path.unlink()


def main() -> None:
    """Make the one of the number that was given."""
    # From within its folder, so that no path of this machine is stored.
    os.chdir(GOLDEN)
    target = Path(sys.argv[1])
    if target.exists():
        raise SystemExit(f"{target} is there: golden checkpoints are never made again")
    whole = target / "whole"
    Job(pipeline(whole), options(whole)).run()
    expected = read_all(whole)
    shutil.rmtree(whole)
    with contextlib.suppress(Stopped):
        ended_early(target).run()
    keep_what_counts(target / "state" / "checkpoints")
    (target / "expected.json").write_text(json.dumps(expected, indent=0, sort_keys=True) + "\n")
    size = sum(path.stat().st_size for path in target.rglob("*") if path.is_file())
    print(f"{target}: {size:,} bytes")


if __name__ == "__main__":
    main()
