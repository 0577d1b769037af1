"""What checkpoints cost: bytes, pauses, epochs per second, recovery, throughput, exactly once against at least once.

    python bench/checkpoints.py [--quick] [--only bytes interval ...] [--write docs/performance.md]

Every case runs in a process of its own. Real servers come from `tests/services`; a sink whose server cannot be had is
left out, and the table says so. `--write` puts the report between the marks of a document that has them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BEGIN, END = "<!-- checkpoints: begin -->", "<!-- checkpoints: end -->"


class Bench:
    """Runs cases and keeps what they said."""

    def __init__(self, scratch: Path, args: argparse.Namespace) -> None:
        self.scratch = scratch
        self.quick: bool = args.quick
        self.bids: int = args.bids
        self.lines: list[str] = []
        self._number = 0

    def case(self, name: str, folder: Path | None = None, **options: Any) -> dict[str, Any]:
        """What one case measured; its folder is removed, unless it was given."""
        self._number += 1
        place = folder or self.scratch / f"{name}-{self._number}"
        command = [sys.executable, str(HERE / "checkpoint_cases.py"), name, str(place)]
        for option, value in options.items():
            command += [f"--{option}", str(value)] if not isinstance(value, bool) else [f"--{option}"] * value
        environment = {**os.environ, "POLARS_MAX_THREADS": "1", "PENSTOCK_GUARDS": "0"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if folder is None:
            shutil.rmtree(place, ignore_errors=True)
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr[-2_000:]}")
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return result

    def say(self, line: str = "") -> None:
        """Print a line and keep it for the report."""
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        self.lines.append(line)

    def bytes(self) -> None:
        """Bytes and pauses of epochs that touch 1 % of the keys."""
        self.say("\n### Bytes and pauses: 1 % of the keys touched per epoch\n")
        self.say(
            "Bytes are those of segment and manifest. From a half of the base on, each epoch also writes of a new base."
        )
        self.say("Wanted: less than 3 % of a full copy, less than 50 ms. CPU is that of the thread that gathers.\n")
        self.say(
            "| keys | epochs | full copy MB | slots | bytes / full copy: mean | most | pause ms p50 | p99 | max | CPU |"
        )
        self.say("|---|---|---|---|---|---|---|---|---|---|")
        runs = ((100_000, 300), (1_000_000, 300), (10_000_000, 90))
        for keys, epochs in runs[:2] if self.quick else runs:
            found = self.case("epochs", keys=keys, epochs=epochs)
            pause, cpu = found["pause"], found["pause_cpu"]
            self.say(
                f"| {keys:,} | {epochs} | {found['full'] / 1e6:.1f} | {found['slots']:,.0f} | "
                f"{found['mean_share']:.2%} | **{found['most_share']:.2%}** | {pause['p50']:.1f} | "
                f"{pause['p99']:.1f} | {pause['max']:.1f} | {cpu['p50']:.1f} to {cpu['max']:.1f} |"
            )

    def interval(self) -> None:
        """Epochs per second."""
        self.say("\n### An epoch every 100 ms: 1,000,000 keys\n")
        self.say("| rows/s wanted | rows/s | epochs/s | CPU cores | stored per epoch MB | pause ms p50 | max |")
        self.say("|---|---|---|---|---|---|---|")
        for rate in (10_000, 100_000, None):
            options = {} if rate is None else {"rate": rate}
            found = self.case("interval", seconds=5 if self.quick else 15, **options)
            wanted = "all" if rate is None else f"{rate:,}"
            self.say(
                f"| {wanted} | {found['rows']:,.0f} | **{found['epochs']:.1f}** | {found['cpu']:.2f} | "
                f"{found['size'] / 1e6:.2f} | {found['pause']['p50']:.1f} | {found['pause']['max']:.1f} |"
            )

    def recovery(self) -> None:
        """Seconds from the start to the first step."""
        keys = 2_500_000 if self.quick else 25_000_000
        folder = self.scratch / "recovery"
        stored = self.case("store", folder, keys=keys, epochs=20)
        self.say(f"\n### Recovery of {stored['state'] / 1e9:.2f} GB of state: {keys:,} keys\n")
        self.say(
            "20 epochs lie over the base, so that a fifth more is read. The page cache is warm, and the process has run"
        )
        self.say("a small pipeline before: its start, imports and kernels are not counted. Wanted: 5 s.\n")
        self.say("| start to first step: seconds, best of 3 | worst | CPU seconds | peak MB |\n|---|---|---|---|")
        runs = [self.case("recover", folder, keys=keys, check=number == 0) for number in range(3)]
        if runs[0]["checksum"] != stored["checksum"]:
            raise SystemExit("the restored state is another one")
        best, worst = min(r["seconds"] for r in runs), max(r["seconds"] for r in runs)
        cpu = min(r["cpu"] for r in runs)
        self.say(f"| **{best:.1f}** | {worst:.1f} | {cpu:.1f} | {runs[0]['peak_mb']} |")
        shutil.rmtree(folder)

    def memory(self) -> None:
        """State larger than memory."""
        budget = 320 if self.quick else 512
        self.say(f"\n### State larger than a memory budget of {budget} MiB\n")
        self.say("Keys come once, then 50,000 rows of random keys; all is stored, and restored under the same budget.")
        self.say("Peaks are of the whole process, looked at every 5 ms. Wanted: flat, with 4 times the budget.\n")
        self.say("| keys | state MB | of the budget | peak MB | peak of the restart | new keys/s | random rows/s |")
        self.say("|---|---|---|---|---|---|---|")
        for part in (1, 2, 4):
            found = self.case("memory", keys=part * budget * 4_400, budget=budget)
            self.say(
                f"| {found['rows']:,} | {found['state_mb']} | {found['state_mb'] / budget:.1f} | "
                f"**{found['peak_mb']}** | **{found['restored_peak_mb']}** | {found['filling']:,.0f} | "
                f"{found['touching']:,.0f} |"
            )

    def throughput(self) -> None:
        """Runs with checkpoints and without."""
        span, times, pairs = (1, 8, 3) if self.quick else (10, 80, 5)
        data = self.scratch / "bids"
        make = [sys.executable, str(HERE / "nexmark_data.py"), str(data), "--bids", str(self.bids)]
        subprocess.run([*make, "--columns", "auction,bidder,price,dateTime"], check=True, stdout=subprocess.DEVNULL)
        self.say(f"\n### Throughput with checkpoints every {span} s, against none\n")
        self.say(f"{self.bids:,} bids, {times} times over, {pairs} alternating pairs. Wanted: 90 %.")
        self.say(
            "Rates are medians of runs, speeds medians of the ratios of pairs; the last epoch is that of the end.\n"
        )
        self.say(
            "| query | M rows/s with | without | epochs | speed by time | by CPU time |\n|---|---|---|---|---|---|"
        )
        for query in ("running", "tumble"):
            found = self.case("throughput", data=data, query=query, interval=span, times=times, pairs=pairs)
            self.say(
                f"| {query} | {found['with'] / 1e6:.1f} | {found['without'] / 1e6:.1f} | {found['epochs']} | "
                f"**{found['wall']:.0%}** | {found['cpu']:.0%} |"
            )

    def sinks(self) -> None:
        """Exactly once against at least once."""
        pairs, part = (3, 5) if self.quick else (5, 1)
        self.say("\n### Exactly once against at least once\n")
        self.say(f"Rows of two numbers, an epoch every second, steps of 16 K, {pairs} alternating pairs. At least once")
        self.say(
            "writes the same bytes; for files and PostgreSQL by sinks of this benchmark: a synced file per epoch, a"
        )
        self.say(
            "`COPY` per epoch beside the next steps. For Kafka it is the sink's own mode. CPU is this process's.\n"
        )
        self.say("| sink | rows | rows/s exactly once | at least once | speed by time | by CPU time |")
        self.say("|---|---|---|---|---|---|")
        for name, rows in (("files", 8_000_000 // part), ("postgres", 4_000_000 // part), ("kafka", 1_000_000 // part)):
            found = self._with_server(name, rows, pairs)
            if isinstance(found, str):
                self.say(f"| {name} | {found} | | | | |")
                continue
            self.say(
                f"| {name} | {rows:,} | {found['exactly']:,.0f} | {found['at_least']:,.0f} | **{found['wall']:.0%}** | "
                f"{found['cpu']:.0%} |"
            )

    def _with_server(self, name: str, rows: int, pairs: int) -> dict[str, Any] | str:
        options = {"sink": name, "rows": rows, "pairs": pairs, "interval": 1}
        if name == "files":
            return self.case("sinks", **options)
        sys.path.insert(0, str(HERE.parent))
        from tests.services.kafka import Kafka
        from tests.services.postgres import Postgres
        from tests.services.process import Unavailable

        service = Postgres() if name == "postgres" else Kafka()
        try:
            service.start()
            address = service.url if isinstance(service, Postgres) else service.servers
            return self.case("sinks", address=address, **options)
        except Unavailable as missing:
            return f"no server: {missing}"
        finally:
            service.close()


PARTS = ("bytes", "interval", "recovery", "memory", "throughput", "sinks")


def main() -> None:
    """Run all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller, some minutes")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--bids", type=int, default=8_000_000)
    parser.add_argument("--write", type=Path, help="the document to put the report into, between its marks")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch), args)
        bench.say(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before.")
        for part in args.only:
            getattr(bench, part)()
        if args.write:
            text = args.write.read_text()
            before, _, rest = text.partition(BEGIN)
            _, found, after = rest.partition(END)
            if not found:
                raise SystemExit(f"{args.write} has no lines {BEGIN} and {END}")
            args.write.write_text(f"{before}{BEGIN}\n\n" + "\n".join(bench.lines) + f"\n\n{END}{after}")


if __name__ == "__main__":
    main()
