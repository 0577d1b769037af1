"""The simulator as a program: one seed with its trace, or many with a report; see `penstock.testing.simulated`."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from penstock.core import files
from penstock.core.clock import SystemClock
from penstock.core.timespan import SECOND
from penstock.testing.simulated import Outcome, simulate

SAVED_EVERY = 20 * SECOND


@dataclass
class Report:
    """What came of many seeds; a file keeps it, so that a campaign can be broken off and gone on with.

    Attributes:
        seeds: The seeds that were run, as ranges of first and last.
        counts: What was done, and how often.
        points: How many points were passed.
        elapsed_us: How long all took.
        violations: By seed, what was wrong.
    """

    seeds: list[list[int]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    points: int = 0
    elapsed_us: int = 0
    violations: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Report:
        """What a file holds; nothing if there is none."""
        if files.kind(path) is None:
            return cls()
        stored = json.loads(files.read_text(path))
        stored["counts"] = Counter(stored["counts"])
        stored["elapsed_us"] = round(stored.pop("seconds") * SECOND)
        return cls(**stored)

    def write(self, path: Path) -> None:
        """Keep it in a file."""
        stored = {
            "seeds": self.seeds,
            "counts": dict(sorted(self.counts.items())),
            "points": self.points,
            "seconds": round(self.elapsed_us / SECOND, 1),
            "violations": self.violations,
        }
        files.replace(path, (json.dumps(stored, indent=1) + "\n").encode(), 0o644)

    def has(self, seed: int) -> bool:
        """Whether a seed was run."""
        return any(first <= seed <= last for first, last in self.seeds)

    def add(self, outcome: Outcome, took: int) -> None:
        """Take note of a seed."""
        self.counts += outcome.counts
        self.points += outcome.points
        self.elapsed_us += took
        if outcome.violations:
            self.violations[str(outcome.seed)] = outcome.violations
        merged: list[list[int]] = []
        for first, last in sorted([*self.seeds, [outcome.seed, outcome.seed]]):
            if merged and first <= merged[-1][1] + 1:
                merged[-1][1] = max(last, merged[-1][1])
            else:
                merged.append([first, last])
        self.seeds = merged

    def __str__(self) -> str:
        count = sum(last - first + 1 for first, last in self.seeds)
        done = ", ".join(f"{name} {found}" for name, found in sorted(self.counts.items()))
        return f"{count} seeds, {len(self.violations)} with violations, {self.elapsed_us / SECOND:.0f} s: {done}"


def campaign(seeds: range, path: Path | None, tell: Callable[[str], None] | None = None) -> Report:
    """Run many seeds, those that the report does not have yet.

    Args:
        seeds: The seeds.
        path: Where the report is kept; None = nowhere.
        tell: Given a text for each seed with a violation, and now and then one about how far it is; written to the
            standard output by default.
    """
    tell = tell or _tell
    clock, report = SystemClock(), Report.read(path) if path is not None else Report()
    saved = clock.monotonic()
    for seed in seeds:
        if report.has(seed):
            continue
        begun = clock.monotonic()
        outcome = simulate(seed)
        report.add(outcome, clock.monotonic() - begun)
        if outcome.violations:
            tell(str(outcome))
        if clock.monotonic() - saved > SAVED_EVERY:
            saved = clock.monotonic()
            tell(str(report))
            if path is not None:
                report.write(path)
    if path is not None:
        report.write(path)
    return report


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit code: 1 if something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m penstock.testing.simulator", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--seed", type=int, help="run one seed")
    what.add_argument("--seeds", help="run many: the first and the last, as in 0..19999")
    parser.add_argument("--trace", action="store_true", help="print the whole trace of the seed")
    parser.add_argument("--report", type=Path, help="keep what came of many seeds in this file, and skip what it has")
    given = parser.parse_args(arguments)
    if given.seed is not None:
        outcome = simulate(given.seed, trace=given.trace)
        if given.trace or outcome.violations:
            _tell("\n".join(outcome.trace))
        _tell(str(outcome))
        return 1 if outcome.violations else 0
    first, _, last = given.seeds.partition("..")
    report = campaign(range(int(first), int(last or first) + 1), given.report)
    _tell(str(report))
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
