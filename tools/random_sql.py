"""Random SQL: `python tools/random_sql.py --queries 10000 --texts 100000 --report tests/random_sql/REPORT.md`."""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from tests.random_sql.judge import Verdict, judged


def queries(first: int, count: int, seconds: float) -> list[str]:
    """Judge so many queries, or as many as there is time for; what is to be told of them."""
    outcomes: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    forms: Counter[str] = Counter()
    wrong: list[Verdict | str] = []
    started = time.monotonic()
    for seed in range(first, first + count):
        if time.monotonic() - started > seconds:
            count = seed - first
            break
        try:
            verdict = judged(seed)
        except Exception as failure:  # noqa: BLE001 - a fault of ours is told, and the next one is tried
            wrong.append(f"seed {seed}: {type(failure).__name__}: {failure}\n{traceback.format_exc(limit=-3)}")
            outcomes["failed"] += 1
            print(wrong[-1], flush=True)
            continue
        outcomes[verdict.outcome] += 1
        if verdict.outcome == "refused":
            reasons[verdict.why] += 1
            continue
        if verdict.outcome == "wrong":
            wrong.append(verdict)
            print(verdict, flush=True)
            continue
        forms.update(verdict.forms)
    print(f"{count} queries, {time.monotonic() - started:.0f} s: {dict(outcomes)}", flush=True)
    lines = ["## Queries", "", f"Seeds {first} to {first + count - 1}: engine, reference and DuckDB.", ""]
    lines += [
        "| outcome | queries |",
        "|---|---|",
        *(f"| {name} | {many} |" for name, many in sorted(outcomes.items())),
    ]
    lines += [
        "",
        "| refused, because | queries |",
        "|---|---|",
        *(f"| {one} | {many} |" for one, many in reasons.most_common()),
    ]
    lines += [
        "",
        "| equal queries with | queries |",
        "|---|---|",
        *(f"| {one} | {many} |" for one, many in forms.most_common()),
    ]
    return lines


def texts(count: int, seed: int) -> list[str]:
    """Parse and bind so many random and mutated texts."""
    from tests.unit.sql.test_fuzz import mutated, sources, tried

    chance, given = random.Random(seed), sources()
    outcomes: Counter[str] = Counter()
    for _ in range(count):
        text = mutated(chance, given)
        try:
            outcomes["a plan" if tried(text) else "refused with its place"] += 1
        except Exception as failure:  # noqa: BLE001 - a fault of ours is told, and the next one is tried
            outcomes["failed"] += 1
            print(f"{text!r}\n{type(failure).__name__}: {failure}\n{traceback.format_exc(limit=-3)}", flush=True)
    print(f"{count} texts: {dict(outcomes)}", flush=True)
    rows = (f"| {name} | {many} |" for name, many in sorted(outcomes.items()))
    return ["## Texts", "", f"Seed {seed}.", "", "| outcome | texts |", "|---|---|", *rows]


def main() -> None:
    """Run what was asked for, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=0, help="how many queries are run")
    parser.add_argument("--first", type=int, default=0, help="the first seed of queries")
    parser.add_argument("--minutes", type=float, default=1e9, help="no query is begun after so many minutes")
    parser.add_argument("--texts", type=int, default=0, help="how many random and mutated texts are parsed and bound")
    parser.add_argument("--seed", type=int, default=7, help="the seed of the texts")
    parser.add_argument("--report", type=Path, help="where the report goes")
    options = parser.parse_args()
    lines = ["# Random SQL", "", "Made by `tools/random_sql.py`.", ""]
    if options.queries:
        lines += [*queries(options.first, options.queries, options.minutes * 60), ""]
    if options.texts:
        lines += [*texts(options.texts, options.seed), ""]
    if options.report:
        options.report.write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    main()
